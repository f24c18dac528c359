package predict

import (
	"fmt"
	"math"
	"slices"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/transform"
)

// moves are the steps of a preparation that changed the grid, with the grids that they left, and the grid
// that they started from.
type moves struct {
	first imageio.Grid
	steps []moved
}

type moved struct {
	step transform.Transform
	grid imageio.Grid
}

// maxStageLabels bounds the labels of a previous stage, each of which is resampled by itself.
const maxStageLabels = 4096

// cascade adds to a prepared image the channels that are made from a label image on the scan's grid: what
// the previous model of a cascade said.
func (s *Spec) cascade(im, stage *imageio.Image, m moves) (*imageio.Image, error) {
	if !stage.Grid.Same(m.first, 0.01) {
		return nil, &ImageError{
			What: fmt.Sprintf("the label image of the previous stage has %v voxels or lies elsewhere, the scan has %v", stage.Grid.Size, m.first.Size),
			Help: "give the previous model's result on the scan's own grid (--grid scan)",
		}
	}
	values, err := s.stageValues(stage)
	if err != nil {
		return nil, err
	}
	labels := *stage
	labels.Grid, labels.Kind = m.first, imageio.Label // the same place, to the last bit
	at := &labels
	for _, move := range m.steps {
		if at, err = follow(at, move, values); err != nil {
			return nil, err
		}
	}
	n := s.Input.Images()
	out := imageio.New(im.Grid, len(s.Input.Channels), im.Kind)
	out.Source = im.Source
	copy(out.Data, im.Data)
	for i, c := range s.Input.Channels[n:] {
		mask(out.Channel(n+i), at.Data, float32(*c.Value), 1)
	}
	return out, nil
}

// stageValues returns the labels of a previous stage, rising, without 0.
func (s *Spec) stageValues(stage *imageio.Image) ([]float32, error) {
	if stage.Channels != 1 {
		return nil, &ImageError{What: fmt.Sprintf("want the label image of the previous stage last, got an image of %d channels", stage.Channels)}
	}
	seen := map[float32]bool{}
	last := float32(0)
	for i, v := range stage.Data {
		if v == last {
			continue
		}
		if last = v; v < 0 || v > maxLabel || v != float32(math.Trunc(float64(v))) {
			return nil, &ImageError{What: fmt.Sprintf("want the label image of the previous stage last, got %g at voxel %v", v, voxel(stage.Grid, i))}
		}
		seen[v] = v != 0
		if len(seen) > maxStageLabels {
			return nil, &ImageError{What: fmt.Sprintf("the label image of the previous stage has more than %d labels", maxStageLabels)}
		}
	}
	var values []float32
	for v, foreground := range seen {
		if foreground {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	return values, nil
}

// follow takes a label image to where a step took the scan: by index where the step only crops, pads, flips
// or turns by whole axes. Otherwise each label is interpolated linearly by itself and counts from one half on,
// the largest label where several do, as nnU-Net's resize_segmentation has it.
func follow(labels *imageio.Image, to moved, values []float32) (*imageio.Image, error) {
	if reindexed(labels.Grid, to.grid) {
		return transform.Onto{Grid: to.grid, Interpolation: transform.Nearest}.Apply(labels)
	}
	how := transform.Transform(transform.Onto{Grid: to.grid, Interpolation: transform.Linear})
	if spacing, ok := to.step.(transform.Spacing); ok && spacing.Rule == transform.NNUNet {
		spacing.Interpolation = transform.Linear
		how = spacing
	}
	out := imageio.New(to.grid, 1, imageio.Label)
	one := imageio.New(labels.Grid, 1, imageio.Intensity)
	for _, v := range values {
		mask(one.Data, labels.Data, v, 1)
		moved, err := how.Apply(one)
		if err != nil {
			return nil, fmt.Errorf("predict: label image of the previous stage: %w", err)
		}
		if moved.Grid.Size != to.grid.Size {
			return nil, fmt.Errorf("predict: label image of the previous stage: %v voxels where the scan has %v", moved.Grid.Size, to.grid.Size)
		}
		for i, p := range moved.Data {
			if p >= 0.5 {
				out.Data[i] = v
			}
		}
	}
	return out, nil
}

// mask sets dst to a number where src has a value, and to 0 elsewhere.
func mask(dst, src []float32, value, to float32) {
	for i, v := range src {
		dst[i] = 0
		if v == value {
			dst[i] = to
		}
	}
}

// voxel returns the index of a sample along x, y and z.
func voxel(g imageio.Grid, i int) [3]int {
	i %= g.Len()
	return [3]int{i % g.Size[0], i / g.Size[0] % g.Size[1], i / (g.Size[0] * g.Size[1])}
}
