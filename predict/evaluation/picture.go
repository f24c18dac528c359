package evaluation

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"math"
	"slices"
	"strings"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/imageio/view"
	"github.com/nitrain/nitrain/predict"
)

// Picture shows one of the worst cases.
type Picture struct {
	ID      string
	Caption string
	Score   float64
	PNG     []byte
}

// gallery keeps the pictures of the worst cases, the worst first. A picture is drawn only while its case is
// among them.
type gallery struct {
	most     int
	pictures []Picture
}

// offer draws a case if it is bad enough.
func (g *gallery) offer(c *Case, draw func() (image.Image, error)) error {
	score := c.Score()
	if g.most <= 0 || math.IsNaN(score) || len(g.pictures) == g.most && score >= g.pictures[g.most-1].Score {
		return nil
	}
	picture, err := draw()
	if err != nil {
		return err
	}
	var raw bytes.Buffer
	if err := png.Encode(&raw, picture); err != nil {
		return err
	}
	g.pictures = append(g.pictures, Picture{c.ID, caption(c), score, raw.Bytes()})
	slices.SortStableFunc(g.pictures, func(a, b Picture) int { return cmp.Compare(a.Score, b.Score) })
	g.pictures = g.pictures[:min(len(g.pictures), g.most)]
	return nil
}

// labels draws a segmentation over its scan, through the largest error.
func (g *gallery) labels(result *Case, c dataset.Case, out *answer, truth *imageio.Image, labels []predict.Label) error {
	return g.offer(result, func() (image.Image, error) {
		scan := out.scan
		if scan == nil && len(c.Images) > 0 && c.Images[0] != out.file {
			im, err := imageio.Read(c.Images[0])
			if err != nil {
				return nil, err
			}
			scan = im
		}
		at := largestError(out.Labels, truth)
		return view.Difference(scan, out.Labels, truth, view.Options{Labels: viewLabels(labels), Through: &at})
	})
}

// caption says what is wrong with a case.
func caption(c *Case) string {
	switch {
	case c.Class != nil:
		return fmt.Sprintf("%s: %s, picked %s (margin %.3f)", c.ID, listed(c.Class.Truth), listed(c.Class.Picked), c.Score())
	case c.Numbers != nil:
		parts := make([]string, len(c.Numbers))
		for i, n := range c.Numbers {
			parts[i] = strings.TrimSpace(fmt.Sprintf("%s %.4g, truth %.4g %s", n.Name, n.Predicted, n.Truth, n.Unit))
		}
		return c.ID + ": " + strings.Join(parts, "; ")
	case c.Image != nil:
		return fmt.Sprintf("%s: SSIM %.4f, MAE %.4g", c.ID, c.Image.SSIM, c.Image.MAE)
	}
	return fmt.Sprintf("%s: mean Dice %.4f", c.ID, c.Dice())
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// image draws a predicted image, the true one, and where they differ, through the largest difference.
func (g *gallery) image(result *Case, predicted, truth *imageio.Image) error {
	return g.offer(result, func() (image.Image, error) {
		d := imageio.New(truth.Grid, 1, imageio.Intensity)
		largest := 0
		for i, v := range truth.Channel(0) {
			d.Data[i] = predicted.Data[i] - v
			if math.Abs(float64(d.Data[i])) > math.Abs(float64(d.Data[largest])) {
				largest = i
			}
		}
		size := truth.Grid.Size
		at := [3]int{largest % size[0], largest / size[0] % size[1], largest / size[0] / size[1]}
		above, err := view.Montage(predicted, view.Options{Through: &at, Title: "predicted"})
		if err != nil {
			return nil, err
		}
		below, err := view.Montage(truth, view.Options{Through: &at, Title: "truth, and over it predicted less true", Heat: d})
		if err != nil {
			return nil, err
		}
		return stacked(above, below), nil
	})
}

// stacked puts one picture above another.
func stacked(above, below image.Image) image.Image {
	a, b := above.Bounds(), below.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, max(a.Dx(), b.Dx()), a.Dy()+b.Dy()))
	draw.Draw(out, a, above, a.Min, draw.Src)
	draw.Draw(out, image.Rect(0, a.Dy(), b.Dx(), a.Dy()+b.Dy()), below, b.Min, draw.Src)
	return out
}

// scan draws a scan alone.
func (g *gallery) scan(result *Case, scan *imageio.Image) error {
	return g.offer(result, func() (image.Image, error) { return view.Montage(scan, view.Options{}) })
}

// viewLabels gives labels their colours.
func viewLabels(labels []predict.Label) []view.Label {
	var out []view.Label
	for _, l := range labels {
		v := view.Label{Value: l.Value, Name: l.Name}
		if c, err := view.ParseColor(l.Color); err == nil {
			v.Color = c
		}
		out = append(out, v)
	}
	return out
}

// largestError returns the voxel deepest inside what differs between two label images: the farthest, by
// steps along the axes, from where they agree. Equal images give the middle of the image.
func largestError(a, b *imageio.Image) [3]int {
	size := a.Grid.Size
	low, high, found := bounds(a, b)
	if !found {
		return [3]int{size[0] / 2, size[1] / 2, size[2] / 2}
	}
	for i := range 3 { // a rim where they agree, or the border
		low[i], high[i] = max(0, low[i]-1), min(size[i]-1, high[i]+1)
	}
	n := [3]int{high[0] - low[0] + 1, high[1] - low[1] + 1, high[2] - low[2] + 1}
	stride, mm := [3]int{1, n[0], n[0] * n[1]}, a.Grid.Spacing()
	depth := make([]float32, n[0]*n[1]*n[2])
	pass := func(k, step int) {
		p := [3]int{k % n[0], k / n[0] % n[1], k / stride[2]}
		if i := a.Grid.Index(low[0]+p[0], low[1]+p[1], low[2]+p[2]); a.Data[i] == b.Data[i] {
			return
		}
		for axis := range 3 {
			if n[axis] == 1 {
				continue
			}
			from := float32(0) // outside
			if q := p[axis] + step; q >= 0 && q < n[axis] {
				from = depth[k+step*stride[axis]]
			}
			depth[k] = min(depth[k], from+float32(mm[axis]))
		}
	}
	for k := range depth {
		depth[k] = math.MaxFloat32
		if i := a.Grid.Index(low[0]+k%n[0], low[1]+k/n[0]%n[1], low[2]+k/stride[2]); a.Data[i] == b.Data[i] {
			depth[k] = 0
		}
	}
	for k := range depth {
		pass(k, -1)
	}
	for k := range slices.Backward(depth) {
		pass(k, 1)
	}
	at := 0
	for k, d := range depth {
		if d > depth[at] {
			at = k
		}
	}
	return [3]int{low[0] + at%n[0], low[1] + at/n[0]%n[1], low[2] + at/stride[2]}
}

// bounds returns the first and last voxel along each axis in which two label images differ.
func bounds(a, b *imageio.Image) (low, high [3]int, found bool) {
	size := a.Grid.Size
	low = size
	for z := range size[2] {
		for y := range size[1] {
			from := a.Grid.Index(0, y, z)
			for x, v := range a.Data[from : from+size[0]] {
				if v == b.Data[from+x] {
					continue
				}
				found = true
				for i, p := range [3]int{x, y, z} {
					low[i], high[i] = min(low[i], p), max(high[i], p)
				}
			}
		}
	}
	return low, high, found
}
