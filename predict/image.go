package predict

import (
	"context"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/transform"
)

// imagine takes the output of an image-to-image model, channel by channel, to the wanted grid: by linear
// interpolation, or by index where that will do. Where the model saw nothing its output counts as 0.
func (p *Predictor) imagine(ctx context.Context, in *Prepared, s *scores, r Request) (*Prediction, error) {
	to := in.Scan.Grid
	if r.Space == Model {
		to = in.Model
	}
	out := imageio.New(to, s.channels, imageio.Intensity)
	if r.Space == Scan && in.Scan.Source != nil {
		source := *in.Scan.Source
		source.Stored = "float32"
		out.Source = &source
	}
	act := activate(s, p.spec.Decode.Activation)
	block := imageio.New(in.Image.Grid, 1, imageio.Intensity)
	for c := range s.channels {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		act.channel(c, block.Data)
		outside, ok := p.spec.Decode.samples(block.Data, c)
		if !ok {
			return nil, p.notANumber()
		}
		moved, err := transform.Onto{Grid: to, Background: outside}.Apply(block)
		if err != nil {
			return nil, err
		}
		copy(out.Channel(c), moved.Data)
	}
	return &Prediction{Image: out, Spec: &p.spec}, nil
}

// samples makes an image's samples from a channel of the output in place, and tells what 0 becomes. It reports
// false where the output is no number and the Spec does not say what that becomes.
func (d Decode) samples(block []float32, channel int) (zero float32, ok bool) {
	scale, offset := d.linear(channel)
	for i, v := range block {
		switch {
		case v == v:
			block[i] = float32(float64(v)*scale + offset)
		case d.NaN == nil:
			return 0, false
		default:
			block[i] = float32(*d.NaN)
		}
	}
	return float32(offset), true
}
