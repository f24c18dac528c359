package predict

import (
	"context"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/internal/tasks"
)

// imageScores runs every model over the whole of a prepared image and averages the numbers that they say about it, as
// probabilities or as raw output.
func (p *Predictor) imageScores(ctx context.Context, im *imageio.Image, r Request) (*scores, error) {
	kind := p.spec.Decode.Activation
	if p.spec.Decode.Ensemble == "logits" || len(p.models) == 1 {
		kind = None
	}
	out := &scores{probabilities: kind != None}
	for i, m := range p.models {
		said, err := m.whole(ctx, im)
		if err != nil {
			return nil, err
		}
		if r.Progress != nil {
			r.Progress(i+1, len(p.models))
		}
		said = activate(said, kind)
		if out.values == nil {
			out.values = make([]float32, len(said.values))
		}
		for c, v := range said.values {
			out.values[c] += v / float32(len(p.models))
		}
	}
	return out, nil
}

// mergeProbabilities leaves the mean of the parts' probabilities in part 0 of a cell.
func mergeProbabilities(c *patch.Cell, channels int, kind Activation, threads int) {
	n, parts := c.Len(), float32(len(c.Parts))
	const piece = 1024
	tasks.Run(threads, (n+piece-1)/piece, func(k int) {
		lo, hi := k*piece, min((k+1)*piece, n)
		blocks, mean := make([][]float32, channels), make([][]float32, channels)
		for ch := range blocks {
			blocks[ch], mean[ch] = make([]float32, hi-lo), make([]float32, hi-lo)
		}
		high, sum := make([]float32, hi-lo), make([]float32, hi-lo)
		for _, part := range c.Parts {
			for ch, block := range blocks {
				for i, v := range part[ch*n+lo : ch*n+hi] {
					block[i] = v / c.Total[lo+i]
				}
			}
			activateBlocks(kind, blocks, high, sum)
			for ch, block := range blocks {
				for i, v := range block {
					mean[ch][i] += v
				}
			}
		}
		for ch, block := range mean {
			for i, v := range block {
				c.Parts[0][ch*n+lo+i] = v / parts
			}
		}
		fillWith(c.Total[lo:hi], 1)
	})
}
