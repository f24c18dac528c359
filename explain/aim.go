package explain

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/predict"
)

// aim turns the target into weights of the output.
func (p *Problem) aim(ctx context.Context, t Target) error {
	if p.Spec().Task == predict.Classification {
		return p.aimAtClass(ctx, t)
	}
	switch t.Kind {
	case Class:
		c, err := p.channelOf(t.Label)
		p.channels = map[int][]float32{c: slices.Repeat([]float32{1}, p.voxels())}
		p.Words = "channel of " + p.nameOf(t.Label)
		return err
	case Best, Mask:
		return p.aimAtMask(ctx, t)
	case Voxel:
		return p.aimAtVoxel(ctx, t)
	case Region:
		return p.aimAtRegion(ctx, t)
	}
	return &TargetError{What: fmt.Sprintf("no kind %q", string(t.Kind))}
}

func (p *Problem) voxels() int { return p.Image.Grid.Len() }

// values are the label values of the output's channels.
func (p *Problem) values() []int {
	return p.explainer.spec.ChannelValues()
}

func (p *Problem) channelOf(label int) (int, error) {
	values := p.values()
	c := slices.Index(values, label)
	if c < 0 {
		return 0, &TargetError{What: fmt.Sprintf("the model has no output for label %d", label), Help: fmt.Sprintf("labels: %v", values)}
	}
	return c, nil
}

func (p *Problem) nameOf(label int) string {
	for _, l := range p.Spec().Labels {
		if l.Value == label && l.Name != "" {
			return fmt.Sprintf("%d (%s)", label, l.Name)
		}
	}
	return strconv.Itoa(label)
}

func (p *Problem) aimAtClass(ctx context.Context, t Target) error {
	label := t.Label
	switch t.Kind {
	case Class:
	case Best:
		out, err := p.explainer.outputs(ctx, p, p.Image, p.windows)
		if err != nil {
			return err
		}
		best := 0
		for c, v := range out[0] {
			if v > out[0][best] {
				best = c
			}
		}
		label = p.values()[best]
	default:
		return &TargetError{What: fmt.Sprintf("a classification has no output for a %s", t.Kind), Help: "explain a class: --target class:LABEL"}
	}
	c, err := p.channelOf(label)
	p.channels = map[int][]float32{c: {1}}
	p.Words = "class " + p.nameOf(label)
	return err
}

func (p *Problem) aimAtMask(ctx context.Context, t Target) error {
	only := -1
	p.Words = "voxels of all labels"
	if t.Kind == Mask {
		c, err := p.channelOf(t.Label)
		if err != nil {
			return err
		}
		only, p.Words = c, "voxels of label "+p.nameOf(t.Label)
	}
	picked, err := p.picked(ctx)
	if err != nil {
		return err
	}
	p.channels = map[int][]float32{}
	values := p.values()
	for i, c := range picked {
		if c < 0 || only >= 0 && c != only || only < 0 && values[c] == 0 {
			continue
		}
		p.weigh(c)[i] = 1
	}
	if len(p.channels) == 0 {
		return &TargetError{What: fmt.Sprintf("the model finds no %s in this scan", p.Words), Help: "explain a class, a voxel or a region instead"}
	}
	return nil
}

// weigh returns the weights of a channel, made when they are missing.
func (p *Problem) weigh(c int) []float32 {
	if p.channels[c] == nil {
		p.channels[c] = make([]float32, p.voxels())
	}
	return p.channels[c]
}

func (p *Problem) aimAtVoxel(ctx context.Context, t Target) error {
	for a, n := range p.Scan.Size {
		if t.Voxel[a] < 0 || t.Voxel[a] >= n {
			return &TargetError{What: fmt.Sprintf("voxel %v lies outside the scan of %v", t.Voxel, p.Scan.Size)}
		}
	}
	inverse, err := p.Image.Grid.Affine.Inverse()
	if err != nil {
		return err
	}
	at := inverse.Apply(p.Scan.World(float64(t.Voxel[0]), float64(t.Voxel[1]), float64(t.Voxel[2])))
	var v [3]int
	for a, n := range p.Image.Grid.Size {
		v[a] = int(math.Round(at[a]))
		if v[a] < 0 || v[a] >= n {
			return &TargetError{What: fmt.Sprintf("voxel %v of the scan is not in the part that the model sees", t.Voxel)}
		}
	}
	i := p.Image.Grid.Index(v[0], v[1], v[2])
	c, label, err := p.labelIn(ctx, t, func(k int) bool { return k == i })
	if err != nil {
		return err
	}
	p.channels = map[int][]float32{}
	p.weigh(c)[i] = 1
	p.Words = fmt.Sprintf("label %s at voxel %d,%d,%d", p.nameOf(label), t.Voxel[0], t.Voxel[1], t.Voxel[2])
	return nil
}

func (p *Problem) aimAtRegion(ctx context.Context, t Target) error {
	if t.Atlas == nil {
		return &TargetError{What: "a region wants an atlas"}
	}
	atlas, err := transform.Onto{Grid: p.Image.Grid, Interpolation: transform.Nearest}.Apply(t.Atlas)
	if err != nil {
		return err
	}
	inside := func(k int) bool { return int(math.Round(float64(atlas.Data[k]))) == t.Value }
	n := 0
	for k := range p.voxels() {
		if inside(k) {
			n++
		}
	}
	if n == 0 {
		return &TargetError{What: fmt.Sprintf("the atlas has no voxel of value %d in the part of the scan that the model sees", t.Value)}
	}
	c, label, err := p.labelIn(ctx, t, inside)
	if err != nil {
		return err
	}
	p.channels = map[int][]float32{}
	w := p.weigh(c)
	for k := range w {
		if inside(k) {
			w[k] = 1
		}
	}
	p.Words = fmt.Sprintf("label %s in region %d (%d voxels)", p.nameOf(label), t.Value, n)
	return nil
}

// labelIn returns channel and label that the target names, or that most of the voxels inside have.
func (p *Problem) labelIn(ctx context.Context, t Target, inside func(k int) bool) (c, label int, err error) {
	if t.Labelled {
		c, err = p.channelOf(t.Label)
		return c, t.Label, err
	}
	picked, err := p.picked(ctx)
	if err != nil {
		return 0, 0, err
	}
	values := p.values()
	count := make([]int, len(values))
	for k, c := range picked {
		if c >= 0 && inside(k) {
			count[c]++
		}
	}
	for k := range count {
		better := count[k] > count[c]
		if values[c] == 0 {
			better = count[k] > 0
		} else if values[k] == 0 {
			better = count[c] == 0 && count[k] > 0
		}
		if better {
			c = k
		}
	}
	return c, values[c], nil
}

// picked predicts the channel of every voxel of the prepared image, -1 for none.
func (p *Problem) picked(ctx context.Context) ([]int, error) {
	scores, err := p.stitched(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]int, p.voxels())
	spec := p.Spec()
	for i := range out {
		best := 0
		for c := range scores {
			if scores[c][i] > scores[best][i] {
				best = c
			}
		}
		out[i] = best
		if spec.Decode.Pick == predict.Threshold && !above(spec, scores[best][i]) {
			out[i] = -1
		}
	}
	return out, nil
}

// above tells whether a raw output passes the Spec's threshold.
func above(spec predict.Spec, v float32) bool {
	threshold := spec.Decode.Threshold
	if threshold == 0 {
		threshold = 0.5
	}
	if spec.Decode.Activation == predict.Sigmoid {
		return 1/(1+math.Exp(-float64(v))) > threshold
	}
	return float64(v) > threshold
}

// stitched returns the model's raw output over the prepared image.
func (p *Problem) stitched(ctx context.Context) ([][]float32, error) {
	channels, n := len(p.values()), p.windows[0].box.Len()
	var s *patch.Stitcher
	if p.windows[0].tile {
		var err error
		if s, err = patch.NewStitcher(p.tiling, p.Image.Grid.Size, channels); err != nil {
			return nil, err
		}
	}
	for at := 0; at < len(p.windows); {
		part := p.windows[at:min(at+p.explainer.batch(p), len(p.windows))]
		out, err := p.explainer.outputs(ctx, p, p.Image, part)
		if err != nil {
			return nil, err
		}
		for i, w := range part {
			if s == nil {
				blocks := make([][]float32, channels)
				for c := range blocks {
					blocks[c] = out[i][c*n : (c+1)*n]
				}
				return blocks, nil
			}
			if err := s.Add(w.box, out[i]); err != nil {
				return nil, err
			}
		}
		at += len(part)
	}
	return s.Result(), nil
}

// part cuts a window out of an image.
func (p *Problem) part(im *imageio.Image, w window) (*imageio.Image, error) {
	if !w.tile {
		return im, nil
	}
	return patch.Extract(im, w.box, p.edge, 0)
}
