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

// largestError returns a voxel in the middle of where two label images differ most: in the slice with most
// of the differing voxels, there in the row with most, there in the middle of the longest run. Equal images
// give the middle of the image.
func largestError(a, b *imageio.Image) [3]int {
	size := a.Grid.Size
	differs := func(x, y, z int) bool { i := a.Grid.Index(x, y, z); return a.Data[i] != b.Data[i] }
	planes := make([]int, size[2])
	for z := range size[2] {
		for y := range size[1] {
			for x := range size[0] {
				if differs(x, y, z) {
					planes[z]++
				}
			}
		}
	}
	z := most(planes)
	if planes[z] == 0 {
		return [3]int{size[0] / 2, size[1] / 2, size[2] / 2}
	}
	rows := make([]int, size[1])
	for y := range rows {
		run := 0
		for x := range size[0] {
			if run++; !differs(x, y, z) {
				run = 0
			}
			rows[y] = max(rows[y], run)
		}
	}
	y := most(rows)
	runs, run := make([]int, size[0]), 0
	for x := range runs {
		if run++; !differs(x, y, z) {
			run = 0
		}
		runs[x] = run
	}
	x := most(runs)
	return [3]int{x - runs[x]/2, y, z}
}

// most returns where the largest number is: the middle one of equals that stand side by side.
func most(counts []int) int {
	at, end := 0, 0
	for i, n := range counts {
		switch {
		case n > counts[at]:
			at, end = i, i
		case n == counts[at] && i == end+1:
			end = i
		}
	}
	return (at + end) / 2
}
