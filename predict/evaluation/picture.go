package evaluation

import (
	"bytes"
	"cmp"
	"image"
	"image/png"
	"math"
	"slices"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/imageio/view"
	"github.com/nitrain/nitrain/predict"
)

// Picture shows one of the worst cases.
type Picture struct {
	ID    string
	Score float64
	PNG   []byte
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
	g.pictures = append(g.pictures, Picture{c.ID, score, raw.Bytes()})
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

// image draws a predicted image, where it differs from the true one, and the true one.
func (g *gallery) image(result *Case, predicted, truth *imageio.Image) error {
	return g.offer(result, func() (image.Image, error) {
		d := imageio.New(truth.Grid, 1, imageio.Intensity)
		for i, v := range truth.Channel(0) {
			d.Data[i] = predicted.Data[i] - v
		}
		return view.Montage(truth, view.Options{Heat: d})
	})
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
