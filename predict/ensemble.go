package predict

import (
	"context"

	"github.com/nitrain/nitrain/imageio"
)

// scores runs every model over a prepared image and averages what they say, as probabilities or as raw
// output.
func (p *Predictor) scores(ctx context.Context, im *imageio.Image, r Request) (*scores, error) {
	if len(p.models) == 1 {
		return p.models[0].scores(ctx, im, r)
	}
	kind := p.spec.Decode.Activation
	if p.spec.Decode.Ensemble == "logits" {
		kind = None
	}
	var sum [][]float32
	var size [3]int
	for i, m := range p.models {
		s, err := m.scores(ctx, im, r.part(i, len(p.models)))
		if err != nil {
			return nil, err
		}
		if sum == nil {
			size = s.size
			sum = make([][]float32, s.channels)
			for c := range sum {
				sum[c] = make([]float32, s.voxels())
			}
		}
		act := activate(s, kind)
		block := make([]float32, s.voxels())
		for c := range sum {
			act.channel(c, block)
			add(sum[c], block)
		}
	}
	for c := range sum {
		scale(sum[c], 1/float32(len(p.models)))
	}
	out := stitched(size, sum)
	out.probabilities = kind == p.spec.Decode.Activation
	return out, nil
}

// part returns the request for one of several models, whose progress is a part of the whole.
func (r Request) part(i, n int) Request {
	whole := r.Progress
	if whole != nil {
		r.Progress = func(done, total int) { whole(i*total+done, n*total) }
	}
	return r
}
