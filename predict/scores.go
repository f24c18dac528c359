package predict

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/onnx"
)

// scores is a model's raw output over an image: one block of voxels for each channel. Blocks are made when
// asked for, so that a large output is never held twice.
type scores struct {
	size     [3]int
	channels int
	// probabilities says that the activation has been applied already.
	probabilities bool
	// read fills dst, x fastest, with channel c.
	read func(c int, dst []float32)
}

// voxels returns the number of values in a channel.
func (s *scores) voxels() int { return s.size[0] * s.size[1] * s.size[2] }

// stitched returns scores over blocks that are in image order already.
func stitched(size [3]int, blocks [][]float32) *scores {
	return &scores{size: size, channels: len(blocks), read: func(c int, dst []float32) { copy(dst, blocks[c]) }}
}

// tensorScores returns the scores of element n of an output tensor's batch.
func tensorScores(v values, layout patch.Layout, n, channels int, size [3]int) *scores {
	s := &scores{size: size, channels: channels}
	line := make([]float32, s.voxels())
	s.read = func(c int, dst []float32) {
		v.copy(line, (n*channels+c)*len(line))
		layout.Unpack(dst, line, size)
	}
	return s
}

// values are a tensor's elements as float32: a float32 tensor is read where it lies.
type values struct {
	raw   []byte
	float []float32
}

func valuesOf(t *onnx.Tensor) (values, error) {
	if t.DType() == onnx.Float32 {
		raw, err := t.Bytes()
		return values{raw: raw}, err
	}
	f, err := t.Float32()
	return values{float: f}, err
}

// copy fills dst with the elements from the given one on.
func (v values) copy(dst []float32, from int) {
	if v.raw == nil {
		copy(dst, v.float[from:])
		return
	}
	raw := v.raw[4*from:][:4*len(dst)]
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
}

// activated reads scores through an activation.
type activated struct {
	*scores
	kind    Activation
	high    []float32 // softmax: the largest value of each voxel
	inverse []float32 // softmax: one over the sum of exp(value - high)
}

// activate prepares an activation; for the softmax across channels that takes one pass over all of them.
func activate(s *scores, kind Activation) *activated {
	if s.probabilities {
		kind = None
	}
	a := &activated{scores: s, kind: kind}
	if kind != Softmax {
		return a
	}
	n := s.voxels()
	a.high, a.inverse = make([]float32, n), make([]float32, n)
	block := make([]float32, n)
	for c := range s.channels {
		s.read(c, block)
		accumulate(a.high, a.inverse, block, c == 0)
	}
	for i, sum := range a.inverse {
		a.inverse[i] = 1 / sum
	}
	return a
}

// accumulate takes one more channel into the running maximum and the sum of exponentials below it.
func accumulate(high, sum, block []float32, first bool) {
	for i, v := range block {
		switch {
		case first:
			high[i], sum[i] = v, 1
		case v <= high[i]:
			sum[i] += exp(v - high[i])
		default:
			sum[i] = sum[i]*exp(high[i]-v) + 1
			high[i] = v
		}
	}
}

// channel fills dst, x fastest, with channel c after the activation.
func (a *activated) channel(c int, dst []float32) {
	a.read(c, dst)
	switch a.kind {
	case None:
	case Softmax:
		for i, v := range dst {
			dst[i] = exp(v-a.high[i]) * a.inverse[i]
		}
	case Sigmoid:
		for i, v := range dst {
			dst[i] = sigmoid(v)
		}
	}
}

func sigmoid(v float32) float32 { return 1 / (1 + exp(-v)) }

// exp is the exponential of a float32; below -104 it is 0 in that type.
func exp(v float32) float32 {
	if v < -104 {
		return 0
	}
	return float32(math.Exp(float64(v)))
}

// outputScores checks the shape that came out of a run over images of the given size and returns the
// tensor's elements and the number of channels.
func (m *model) outputScores(t *onnx.Tensor, batch int, size [3]int) (values, int, error) {
	shape, layout := t.Shape(), m.spec.Input.Layout
	if len(shape) != 2+layout.Axes() || shape[0] != batch {
		return values{}, 0, &MismatchError{What: fmt.Sprintf("output %q has the shape %v, a batch of %d with %d spatial axes was expected",
			m.output, shape, batch, layout.Axes())}
	}
	if err := m.checkChannels(shape[1]); err != nil {
		return values{}, 0, err
	}
	got, err := layout.Size(shape[2:])
	if err != nil {
		return values{}, 0, err
	}
	if got != size {
		return values{}, 0, &MismatchError{What: fmt.Sprintf("for an input of %v voxels output %q has %v", size, m.output, got)}
	}
	v, err := valuesOf(t)
	return v, shape[1], err
}
