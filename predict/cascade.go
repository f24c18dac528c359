package predict

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/transform"
)

// moves are the steps of a preparation that changed the grid, with the grids that they left, and the grid
// that they started from.
type moves struct {
	first   imageio.Grid
	cascade bool // a label image will follow
	steps   []moved
}

type moved struct {
	step transform.Transform
	grid imageio.Grid
	seen []bool // after crop_nonzero: the voxels that are not zero, with the holes between them
}

// add takes in a step's result.
func (m *moves) add(step transform.Transform, before, after *imageio.Image) {
	_, crop := step.(transform.CropNonzero)
	if after.Grid == before.Grid && !crop {
		return
	}
	to := moved{step: step, grid: after.Grid}
	if crop && m.cascade {
		to.seen = transform.NonzeroMask(after)
	}
	m.steps = append(m.steps, to)
}

// maxStageLabels bounds the labels of a previous stage, each of which is resampled by itself.
const maxStageLabels = 4096

// unseen is the label of background outside the nonzero voxels: nnU-Net keeps it apart from the other
// background, so that the two do not win together.
const unseen = -1

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
	labels.Grid, labels.Kind, labels.Source = m.first, imageio.Label, im.Source // the same place, to the last bit
	at := &labels
	for _, move := range m.steps {
		if at, err = follow(at, move, values); err != nil {
			return nil, err
		}
		if move.seen != nil {
			at, values = hide(at, move.seen), append([]float32{unseen}, values...)
		}
	}
	n := s.Input.Images()
	out := imageio.New(im.Grid, len(s.Input.Channels), im.Kind)
	out.Source = im.Source
	copy(out.Data, im.Data)
	for i, c := range s.Input.Channels[n:] {
		mask(out.Channel(n+i), at.Data, float32(*c.Value))
	}
	return out, nil
}

// hide makes background outside the nonzero voxels a label of its own.
func hide(labels *imageio.Image, seen []bool) *imageio.Image {
	out := *labels
	out.Data = slices.Clone(labels.Data)
	for i, v := range out.Data {
		if v == 0 && !seen[i] {
			out.Data[i] = unseen
		}
	}
	return &out
}

// stageValues returns the labels of a previous stage, rising, 0 among them.
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
		seen[v] = true
		if len(seen) > maxStageLabels {
			return nil, &ImageError{What: fmt.Sprintf("the label image of the previous stage has more than %d labels", maxStageLabels)}
		}
	}
	seen[0] = true
	return slices.Sorted(maps.Keys(seen)), nil
}

// follow takes a label image to where a step took the scan: by index where the step only crops, pads, flips
// or turns by whole axes. Otherwise each label is interpolated linearly by itself and the largest wins, as in
// batchgenerators' resize_segmentation (0.25.5), which nnU-Net calls: of equals the nearest voxel's label where
// it is one of them, else the smallest.
func follow(labels *imageio.Image, to moved, values []float32) (*imageio.Image, error) {
	if labels.Grid == to.grid || reindexed(labels.Grid, to.grid) {
		return transform.Onto{Grid: to.grid, Interpolation: transform.Nearest}.Apply(labels)
	}
	near, err := to.move(labels, 0)
	if err != nil {
		return nil, err
	}
	v := newVote(near)
	one := imageio.New(labels.Grid, 1, imageio.Intensity)
	one.Source = labels.Source
	for _, value := range values {
		mask(one.Data, labels.Data, value)
		outside := float32(0)
		if value == 0 {
			outside = 1
		}
		score, err := to.move(one, outside)
		if err != nil {
			return nil, err
		}
		v.take(value, score.Data)
	}
	return v.result(), nil
}

// move takes an image to the step's grid: labels by the nearest voxel, samples linearly.
func (to moved) move(im *imageio.Image, outside float32) (*imageio.Image, error) {
	how := transform.Transform(transform.Onto{Grid: to.grid, Interpolation: transform.Linear, Background: outside})
	if spacing, ok := to.step.(transform.Spacing); ok && spacing.Rule == transform.NNUNet {
		spacing.Interpolation = transform.Linear
		how = spacing
	}
	out, err := how.Apply(im)
	if err == nil && out.Grid.Size != to.grid.Size {
		err = fmt.Errorf("%v voxels where the scan has %v", out.Grid.Size, to.grid.Size)
	}
	if err != nil {
		return nil, fmt.Errorf("predict: label image of the previous stage: %w", err)
	}
	out.Grid = to.grid
	return out, nil
}

// vote finds the label with the largest score of each voxel, label after label in rising order.
type vote struct {
	near *imageio.Image // the nearest voxel's label
	win  *imageio.Image
	best []float32
	tied []bool // the nearest voxel's label is among the best so far
}

func newVote(near *imageio.Image) *vote {
	return &vote{
		near: near, win: imageio.New(near.Grid, 1, imageio.Label),
		best: make([]float32, near.Grid.Len()), tied: make([]bool, near.Grid.Len()),
	}
}

func (v *vote) take(value float32, score []float32) {
	for i, s := range score {
		switch {
		case s > v.best[i]:
			v.best[i], v.win.Data[i], v.tied[i] = s, value, v.near.Data[i] == value
		case s == v.best[i] && s > 0 && v.near.Data[i] == value:
			v.tied[i] = true
		}
	}
}

func (v *vote) result() *imageio.Image {
	for i, tied := range v.tied {
		if tied {
			v.win.Data[i] = v.near.Data[i]
		}
	}
	v.win.Source = v.near.Source
	return v.win
}

// mask sets dst to 1 where src has a value, and to 0 elsewhere.
func mask(dst, src []float32, value float32) {
	for i, v := range src {
		dst[i] = 0
		if v == value {
			dst[i] = 1
		}
	}
}

// voxel returns the index of a sample along x, y and z.
func voxel(g imageio.Grid, i int) [3]int {
	i %= g.Len()
	return [3]int{i % g.Size[0], i / g.Size[0] % g.Size[1], i / (g.Size[0] * g.Size[1])}
}
