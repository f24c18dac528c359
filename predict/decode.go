package predict

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/transform"
)

// segment takes scores on the prepared grid to labels, and probabilities where asked, on the wanted grid.
// It goes channel by channel: beside the scores it holds a few volumes, whatever the number of channels.
func (p *Predictor) segment(ctx context.Context, in *Prepared, s *scores, r Request) (*Prediction, error) {
	d := &decoder{p: p, from: in.Image.Grid, to: in.Scan.Grid, raw: s}
	if r.Space == Model {
		d.to = in.Model
	}
	out := &Prediction{Spec: &p.spec}
	var err error
	if p.spec.Decode.restore() == RestoreLabels || reindexed(d.from, d.to) {
		if out.Labels, err = d.pickAndMove(ctx); err == nil && r.Probabilities {
			_, out.Probabilities, err = d.moveAndPick(ctx, true)
		}
	} else {
		out.Labels, out.Probabilities, err = d.moveAndPick(ctx, r.Probabilities)
	}
	if err != nil {
		return nil, err
	}
	for _, rule := range p.spec.Decode.Keep {
		if out.Labels, err = rule.Apply(out.Labels); err != nil {
			return nil, fmt.Errorf("predict: keep: %w", err)
		}
	}
	out.Labels.Kind = imageio.Label
	if r.Space == Scan {
		out.Labels.Source = in.Scan.Source
		if out.Probabilities != nil {
			out.Probabilities.Source = in.Scan.Source
		}
	}
	return out, nil
}

// decoder turns one image's scores into labels on another grid.
type decoder struct {
	p        *Predictor
	from, to imageio.Grid
	raw      *scores
}

// pickAndMove picks on the prepared grid and moves labels. The largest raw value is also the largest
// probability, so that argmax needs no activation.
func (d *decoder) pickAndMove(ctx context.Context) (*imageio.Image, error) {
	kind := d.p.spec.Decode.Activation
	if d.p.spec.Decode.Pick == Argmax {
		kind = None
	}
	act := activate(d.raw, kind)
	pick := d.newPicker(d.from)
	block := make([]float32, d.from.Len())
	for c := range d.raw.channels {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		act.channel(c, block)
		if !pick.take(c, block) {
			return nil, d.p.notANumber()
		}
	}
	pick.best = nil
	return d.move(pick.labels, transform.Nearest, 0)
}

// moveAndPick moves each channel to the wanted grid, keeps the running pick, and the channels themselves
// where asked.
func (d *decoder) moveAndPick(ctx context.Context, keepAll bool) (labels, all *imageio.Image, err error) {
	dec := &d.p.spec.Decode
	logits := dec.restore() == RestoreLogits && !d.raw.probabilities
	before, after := dec.Activation, None
	if logits {
		before, after = None, dec.Activation
	}
	act := activate(d.raw, before)
	pick := d.newPicker(d.to)
	if keepAll {
		all = imageio.New(d.to, d.raw.channels, imageio.Intensity)
	}
	block := imageio.New(d.from, 1, imageio.Intensity)
	for c := range d.raw.channels {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		act.channel(c, block.Data)
		one, err := d.move(block, transform.Linear, d.outside(c, logits))
		if err != nil {
			return nil, nil, err
		}
		if keepAll {
			copy(all.Channel(c), one.Data)
		}
		if after == Sigmoid && dec.Pick == Threshold {
			apply(sigmoid, one.Data)
		}
		if !pick.take(c, one.Data) {
			return nil, nil, d.p.notANumber()
		}
	}
	if keepAll {
		activateInPlace(all, after)
	}
	return pick.labels, all, d.blank(pick.labels, all)
}

// move puts an image on the wanted grid.
func (d *decoder) move(im *imageio.Image, how transform.Interpolation, outside float32) (*imageio.Image, error) {
	return transform.Onto{Grid: d.to, Interpolation: how, Background: outside}.Apply(im)
}

// outside is what a channel is where the model saw nothing: background is certain there.
func (d *decoder) outside(c int, logits bool) float32 {
	background := d.p.values[c] == 0
	switch {
	case d.hasBackground() && logits && !background:
		return -math.MaxFloat32
	case background && !logits:
		return 1
	}
	return 0
}

func (d *decoder) hasBackground() bool { return slices.Contains(d.p.values, 0) }

// blank makes what the model did not see background where no channel says so itself.
func (d *decoder) blank(labels, all *imageio.Image) error {
	if d.hasBackground() {
		return nil
	}
	seen := imageio.New(d.from, 1, imageio.Label)
	for i := range seen.Data {
		seen.Data[i] = 1
	}
	seen, err := d.move(seen, transform.Nearest, 0)
	if err != nil {
		return err
	}
	for i, v := range seen.Data {
		if v != 0 {
			continue
		}
		labels.Data[i] = 0
		if all != nil {
			for c := range all.Channels {
				all.Channel(c)[i] = 0
			}
		}
	}
	return nil
}

// picker keeps the running pick over channels.
type picker struct {
	values    []int
	threshold float32
	labels    *imageio.Image
	best      []float32 // argmax: the largest value so far; nil for a threshold
}

func (d *decoder) newPicker(grid imageio.Grid) *picker {
	k := &picker{values: d.p.values, threshold: d.p.spec.Decode.threshold(), labels: imageio.New(grid, 1, imageio.Label)}
	if d.p.spec.Decode.Pick == Argmax {
		k.best = make([]float32, grid.Len())
	}
	return k
}

// take looks at channel c and reports whether all of it are numbers.
func (k *picker) take(c int, block []float32) bool {
	value := float32(k.values[c])
	ok := true
	for i, v := range block {
		if v != v {
			ok = false
		}
		switch {
		case k.best == nil:
			if v > k.threshold {
				k.labels.Data[i] = value
			}
		case c == 0 || v > k.best[i]:
			k.best[i] = v
			k.labels.Data[i] = value
		}
	}
	return ok
}

// activateInPlace applies an activation to an image whose channels are raw scores.
func activateInPlace(im *imageio.Image, kind Activation) {
	if kind == None {
		return
	}
	blocks := make([][]float32, im.Channels)
	for c := range blocks {
		blocks[c] = im.Channel(c)
	}
	act := activate(stitched(im.Grid.Size, blocks), kind)
	for c := range blocks {
		act.channel(c, blocks[c])
	}
}

func apply(f func(float32) float32, block []float32) {
	for i, v := range block {
		block[i] = f(v)
	}
}
