package predict

import (
	"cmp"
	"slices"

	"github.com/nitrain/nitrain/imageio/patch"
)

// Plan says how an image is gone through within a bound on memory.
type Plan struct {
	Windows int     `json:"windows"`           // over the image, each once
	Again   int     `json:"again,omitempty"`   // windows at the borders of bricks that run once more
	Bricks  int     `json:"bricks"`            // blocks that are gone through one after the other
	Batch   int     `json:"batch"`             // windows a run
	Runs    int     `json:"runs"`              // windows times mirrored copies times models
	Peak    int64   `json:"peak"`              // bytes that the process is expected to hold at most
	Memory  int64   `json:"memory"`            // bytes that it may hold
	Model   int64   `json:"model,omitempty"`   // bytes of Peak that the model takes while it runs; 0: not known yet
	Seconds float64 `json:"seconds,omitempty"` // that the model is expected to take; 0: not known yet

	bricks []patch.Brick
}

// margin is how much of the memory is left to what no plan knows: fragments, small images, the collector.
const margin = 0.06

// Plan says how an image will be gone through, without running the model.
func (p *Predictor) Plan(in *Prepared, r Request) (Plan, error) {
	s, err := p.newStream(in, r)
	if err != nil {
		return Plan{}, err
	}
	return s.newPlan(0)
}

// newPlan chooses the bricks with the fewest windows run again that keep the memory, given what the model takes.
func (s *stream) newPlan(model int64) (Plan, error) {
	limit, asked := memoryFor(s.r)
	var best Plan
	for batch := s.batch; ; batch = (batch + 1) / 2 {
		for _, o := range s.divisions() {
			one := s.costs(o, batch, limit, model)
			if best.Windows == 0 || one.Peak < best.Peak {
				best = one
			}
			if float64(one.Peak) <= float64(limit)*(1-margin) {
				return one, nil
			}
			if o.steps == s.course.Windows() && batch > s.least {
				break // fewer windows a run cost less than bricks
			}
		}
		if batch <= s.least {
			break
		}
	}
	if asked {
		return best, &MemoryError{Want: int64(float64(best.Peak) / (1 - margin)), Got: limit}
	}
	return best, nil
}

// division is one way to cut the cells into bricks.
type division struct {
	bricks []patch.Brick
	steps  int
}

// maxDivisions bounds how many ways are looked at.
const maxDivisions = 256

// divisions returns ways to cut the cells across the two fast axes, those with the fewest windows first.
func (s *stream) divisions() []division {
	if s.divided != nil {
		return s.divided
	}
	cells, order := s.course.Cells(), s.course.Order()
	var all []division
	for a := 1; a <= cells[order[1]]; a++ {
		for b := 1; b <= cells[order[2]] && len(all) < maxDivisions; b++ {
			parts := [3]int{1, 1, 1}
			parts[order[1]], parts[order[2]] = a, b
			o := division{bricks: s.course.Bricks(parts)}
			for _, brick := range o.bricks {
				o.steps += s.course.Count(brick)
			}
			all = append(all, o)
		}
	}
	slices.SortStableFunc(all, func(a, b division) int { return cmp.Compare(a.steps, b.steps) })
	s.divided = all
	return all
}

// costs returns the plan of a division.
func (s *stream) costs(o division, batch int, limit, model int64) Plan {
	channels := int64(s.expectedChannels())
	window := int64(patch.Box{Size: s.window}.Len())
	held := int64(s.course.Held(o.bricks)) * 4
	frontier := held * channels * int64(s.parts())
	// what goes in: images and a tensor, and what comes out: once in the model's hands and once in ours
	io := int64(batch) * window * 4 * (2*int64(s.in.Image.Channels*s.p.spec.Input.stack()) + 2*channels)
	if s.r.Variance {
		frontier += held
		io += int64(batch) * window * 4 * (channels + 2)
	}
	voxels := int64(s.wanted().Len())
	var maps, labels, finish int64
	if s.p.spec.Task == Segmentation {
		labels = voxels * canvasBytes(len(s.p.spec.picks()))
		finish = labels + 4*voxels
		if len(s.p.spec.Decode.Keep) > 0 {
			finish += 4*voxels + voxels/2
		}
	}
	if s.r.Probabilities || s.p.spec.Task == ImageToImage {
		maps += 4 * voxels * channels
	}
	for _, asked := range []bool{s.r.Entropy, s.r.Variance} {
		if asked {
			maps += 4 * voxels
		}
	}
	return Plan{
		Windows: s.course.Windows(), Again: o.steps - s.course.Windows(), Bricks: len(o.bricks), Batch: batch,
		Runs: o.steps * len(s.flips) * len(s.p.models), bricks: o.bricks,
		Peak: s.base + maps + max(labels+frontier+io+model, finish+model), Memory: limit, Model: model,
	}
}
