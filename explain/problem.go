package explain

import (
	"context"
	"fmt"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/predict"
)

// Problem is one scan with one target: what a [Method] works on. It is for one goroutine at a time.
type Problem struct {
	// Image is the prepared image. Methods may pass others on the same grid to Score and Gradient.
	Image *imageio.Image
	// Scan is the grid of the scan.
	Scan imageio.Grid
	// Words name the target.
	Words string
	// Progress is called after each run of a model, if it is not nil.
	Progress func(done, total int)

	explainer *Explainer
	model     imageio.Grid
	windows   []window
	tiling    patch.Tiling
	edge      patch.Edge
	blend     []float32 // how much the voxels of a window count, and
	covered   []float32 // the sum of that over all windows at each voxel of the image; nil without windows
	// channels has, for each channel of the output that counts, its weight at every voxel of the prepared image, for a
	// classification a single number.
	channels    map[int][]float32
	done, total int
}

// window is a part of the image that the model sees at once: the whole of it, or a tile of many.
type window struct {
	box  patch.Box
	tile bool
}

// share is how much a voxel of a tile counts in the stitched output: at index in of the tile, at of the image.
func (p *Problem) share(in, at int) float32 { return p.blend[in] / p.covered[at] }

// Problem prepares a scan, whose channels may be several images on one grid, and finds the target in it.
func (e *Explainer) Problem(ctx context.Context, images []*imageio.Image, t Target) (*Problem, error) {
	prepared, err := e.predictor.Prepare(images...)
	if err != nil {
		return nil, err
	}
	p := &Problem{Image: prepared.Image, Scan: prepared.Scan.Grid, model: prepared.Model, explainer: e}
	if err := p.cut(); err != nil {
		return nil, err
	}
	if err := p.aim(ctx, t); err != nil {
		return nil, err
	}
	return p, nil
}

// with is the same problem for another model of the same Spec.
func (p *Problem) with(e *Explainer) *Problem {
	q := *p
	q.explainer = e
	return &q
}

// Spec returns the model's Spec.
func (p *Problem) Spec() predict.Spec { return p.explainer.spec }

func (p *Problem) begin() { p.done, p.total = 0, 0 }

// expect says that n more runs will come; ran that n were made.
func (p *Problem) expect(n int) { p.total += n }

func (p *Problem) ran(n int) {
	p.done += n
	if p.Progress != nil {
		p.Progress(p.done, max(p.total, p.done))
	}
}

// cut lays the windows as predict does.
func (p *Problem) cut() error {
	size := p.Image.Grid.Size
	tile := p.explainer.spec.Tile
	whole := []window{{box: patch.Box{Size: size}}}
	if tile == nil {
		p.windows = whole
		return nil
	}
	p.tiling, p.edge = tile.Tiling(), tile.Pad
	boxes, err := p.tiling.Boxes(size)
	if err != nil {
		return err
	}
	if len(boxes) == 1 && boxes[0].Within(size) {
		p.windows = whole
		return nil
	}
	if p.explainer.spec.Task == predict.Classification {
		return &predict.MismatchError{What: fmt.Sprintf("a classification sees the whole image, its tiles would be %d", len(boxes))}
	}
	p.blend = p.tiling.Weights(size)
	p.covered = make([]float32, size[0]*size[1]*size[2])
	for _, b := range boxes {
		eachInside(b, size, func(in, at int) { p.covered[at] += p.blend[in] })
		p.windows = append(p.windows, window{b, true})
	}
	return nil
}

// eachInside visits the voxels of a box that lie in the image: their index in the box and in the image.
func eachInside(b patch.Box, size [3]int, visit func(in, at int)) {
	for z := max(0, -b.Start[2]); z < b.Size[2] && b.Start[2]+z < size[2]; z++ {
		for y := max(0, -b.Start[1]); y < b.Size[1] && b.Start[1]+y < size[1]; y++ {
			in := b.Size[0] * (y + b.Size[1]*z)
			at := size[0]*(b.Start[1]+y+size[1]*(b.Start[2]+z)) + b.Start[0]
			for x := max(0, -b.Start[0]); x < b.Size[0] && b.Start[0]+x < size[0]; x++ {
				visit(in+x, at+x)
			}
		}
	}
}

// image returns an empty image on the prepared grid.
func (p *Problem) image(channels int) *imageio.Image {
	return imageio.New(p.Image.Grid, channels, imageio.Intensity)
}
