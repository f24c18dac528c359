package predict

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
)

// A provider is taken when its output for the probe tile is the plain provider's but for rounding. Two right float32
// implementations of one network differ by 1e-7 to 1e-5 of the largest value, up to 1e-4 where normalisations follow each
// other (there the plain provider is often the one further from the truth); half precision that a provider slips in differs
// by 1e-3 and more. Where only labels are wanted that much is harmless; where numbers are, they must be the plain
// provider's to half of the 1e-5 that two runs of one file may differ by. See docs/providers.md.
const (
	maxDeviation = 1e-4 // largest difference, relative to the largest value of the raw output
	maxShift     = 1e-4 // largest difference of a probability where labels are wanted
	maxExact     = 5e-6 // the same where probabilities or other numbers are
	maxChanged   = 1e-4 // part of the voxels whose label differs
	// partial divides the first two where the model will see more than the probe: errors of normalisations grow with the
	// volume (a network of 25 of them: 1e-4 on 64³ voxels, 3e-3 on 160x192x160).
	partial = 10
)

// agreement is how one provider's output compares with another's.
type agreement struct {
	deviation float64 // largest difference relative to the largest value
	shift     float64 // largest difference of the probabilities; where there are none, the deviation
	changed   float64 // part of the voxels (or images) whose label differs
}

// strictness says what is asked of a provider.
type strictness struct {
	exact bool // numbers are wanted, not only labels
	part  bool // the model will see more than the probe
}

// fault says why outputs are not the same, "" if they are.
func (a agreement) fault(s strictness) string {
	most, limit := maxDeviation, maxShift
	if s.part {
		most, limit = most/partial, limit/partial
	}
	if s.exact {
		limit = min(limit, maxExact)
	}
	switch {
	case !(a.deviation <= most): // NaN is a fault
		return fmt.Sprintf("its output differs from the plain provider's by %.1g of the largest value, want at most %.0e", a.deviation, most)
	case !(a.shift <= limit):
		return fmt.Sprintf("its probabilities differ from the plain provider's by %.1g, want at most %.0e", a.shift, limit)
	case a.changed > maxChanged:
		return fmt.Sprintf("it changes %.2g %% of the labels, want at most %.2g %%", 100*a.changed, 100*maxChanged)
	}
	return ""
}

// worst joins what two models' outputs say.
func (a agreement) worst(b agreement) agreement {
	return agreement{max(a.deviation, b.deviation), max(a.shift, b.shift), max(a.changed, b.changed)}
}

// proof gathers the comparison of outputs [N, C, ...] of a model that follows a Spec, block by block.
type proof struct {
	spec          *Spec
	diff, scale   float64 // largest difference and largest value of the raw output
	shift         float64
	differ, total int // places by their label
}

// add compares a block of values [channels, places].
func (p *proof) add(got, want []float32, channels int) {
	diff, scale := difference(got, want)
	p.diff, p.scale = max(p.diff, diff), max(p.scale, scale)
	places := len(want) / channels
	p.total += places
	if task := p.spec.Task; task == Segmentation || task == Classification {
		for i := range places {
			if !p.spec.samePick(got[i:], want[i:], places, channels) {
				p.differ++
			}
		}
	}
	if kind := p.spec.Decode.Activation; kind == Softmax || kind == Sigmoid {
		shift, _ := difference(probabilities(got, channels, kind), probabilities(want, channels, kind))
		p.shift = max(p.shift, shift)
	}
}

func (p *proof) agreement() agreement {
	a := agreement{shift: p.shift, changed: float64(p.differ) / float64(max(p.total, 1))}
	if p.diff != 0 {
		a.deviation = p.diff / p.scale
	}
	if kind := p.spec.Decode.Activation; kind != Softmax && kind != Sigmoid {
		a.shift = a.deviation
	}
	return a
}

// compareFiles compares outputs in files of float32, of the shape that both should have. It holds a part of them at a time.
func (s *Spec) compareFiles(got, want string, shape []int) (agreement, error) {
	batch, channels, inner := 1, 1, 1
	for a, d := range shape {
		switch a {
		case 0:
			batch = d
		case 1:
			channels = d
		default:
			inner *= d
		}
	}
	files := make([]*os.File, 2)
	for i, path := range []string{got, want} {
		f, err := os.Open(path)
		if err != nil {
			return agreement{}, err
		}
		defer f.Close()
		st, err := f.Stat()
		if err != nil {
			return agreement{}, err
		}
		if size := int64(batch) * int64(channels) * int64(inner) * 4; st.Size() != size || size == 0 {
			return agreement{deviation: math.Inf(1), shift: math.Inf(1), changed: 1}, nil
		}
		files[i] = f
	}
	p := &proof{spec: s}
	for n := range batch {
		for at := 0; at < inner; at += proofBlock {
			places := min(proofBlock, inner-at)
			a, err := readBlock(files[0], n*channels*inner+at, inner, channels, places)
			if err != nil {
				return agreement{}, err
			}
			b, err := readBlock(files[1], n*channels*inner+at, inner, channels, places)
			if err != nil {
				return agreement{}, err
			}
			p.add(a, b, channels)
		}
	}
	return p.agreement(), nil
}

// proofBlock is how many places are compared at once.
const proofBlock = 1 << 14

// readBlock returns values [channels, places] of a file whose channels lie stride values apart.
func readBlock(f *os.File, first, stride, channels, places int) ([]float32, error) {
	raw := make([]byte, 4*places)
	out := make([]float32, 0, channels*places)
	for c := range channels {
		if _, err := f.ReadAt(raw, 4*(int64(first)+int64(c)*int64(stride))); err != nil {
			return nil, err
		}
		for i := range places {
			out = append(out, math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
		}
	}
	return out, nil
}

// difference returns the largest difference and the largest value. Where both have no number they agree.
func difference(got, want []float32) (diff, scale float64) {
	for i := range want {
		g, w := float64(got[i]), float64(want[i])
		if w-w == 0 {
			scale = max(scale, math.Abs(w))
		}
		if g != w && (g == g || w == w) {
			diff = max(diff, math.Abs(g-w)) // max keeps NaN
		}
	}
	return diff, scale
}

// probabilities applies an activation to values [channels, places].
func probabilities(raw []float32, channels int, kind Activation) []float32 {
	out := make([]float32, len(raw))
	if kind == Sigmoid {
		for i, v := range raw {
			out[i] = float32(1 / (1 + math.Exp(-float64(v))))
		}
		return out
	}
	places := len(raw) / channels
	for i := range places {
		top, sum := float64(raw[i+places*largest(raw[i:], places, channels)]), 0.0
		for c := range channels {
			sum += math.Exp(float64(raw[c*places+i]) - top)
		}
		for c := range channels {
			out[c*places+i] = float32(math.Exp(float64(raw[c*places+i])-top) / sum)
		}
	}
	return out
}

// samePick reports whether two outputs give one label at a place.
func (s *Spec) samePick(got, want []float32, stride, channels int) bool {
	if s.Decode.Pick != Threshold {
		return largest(got, stride, channels) == largest(want, stride, channels)
	}
	level := s.level()
	for c := range channels {
		if (got[c*stride] > level) != (want[c*stride] > level) {
			return false
		}
	}
	return true
}

// level returns the raw output above which a channel is picked.
func (s *Spec) level() float32 {
	t := s.Decode.Threshold
	if t == 0 {
		t = 0.5
	}
	if s.Decode.Activation == Sigmoid {
		t = math.Log(t / (1 - t))
	}
	return float32(t)
}

// largest returns the channel with the largest value at one place, the first of equals.
func largest(v []float32, stride, channels int) int {
	best := 0
	for c := 1; c < channels; c++ {
		if v[c*stride] > v[best*stride] {
			best = c
		}
	}
	return best
}
