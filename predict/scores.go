package predict

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/onnx"
)

// scores are what a model says about a whole image: one number a channel.
type scores struct {
	values []float32
	// probabilities says that the activation has been applied already.
	probabilities bool
}

// activate returns scores after an activation.
func activate(s *scores, kind Activation) *scores {
	if s.probabilities || kind == None {
		return s
	}
	out := &scores{values: slices.Clone(s.values), probabilities: true}
	channels := make([][]float32, len(out.values))
	for c := range channels {
		channels[c] = out.values[c : c+1]
	}
	activateBlocks(kind, channels, make([]float32, 1), make([]float32, 1))
	return out
}

// whole runs the model once over the whole image, for numbers about all of it.
func (m *model) whole(ctx context.Context, im *imageio.Image) (*scores, error) {
	out, err := m.execute(ctx, []*imageio.Image{im}, im.Grid.Size)
	if err != nil {
		return nil, err
	}
	return m.imageScores(out)
}

// valuesOf returns a tensor's elements as float32; those of a float32 tensor are shared with it where the machine
// allows, and must not be changed.
func valuesOf(t *onnx.Tensor) ([]float32, error) {
	if t.DType() != onnx.Float32 {
		return t.Float32()
	}
	raw, err := t.Bytes()
	if err != nil || len(raw) == 0 {
		return nil, err
	}
	p := unsafe.Pointer(&raw[0])
	if little := binary.NativeEndian.Uint16([]byte{1, 0}) == 1; !little || uintptr(p)%unsafe.Alignof(float32(0)) != 0 {
		return t.Float32()
	}
	return unsafe.Slice((*float32)(p), len(raw)/4), nil
}

// outputScores checks the shape that came out of a run over images of the given size and returns the
// tensor's elements and the number of channels.
func (m *model) outputScores(t *onnx.Tensor, batch int, size [3]int) ([]float32, int, error) {
	shape, layout := t.Shape(), m.spec.Input.Layout
	if len(shape) != 2+layout.Axes() || shape[0] != batch {
		return nil, 0, &MismatchError{What: fmt.Sprintf("output %q has the shape %v, a batch of %d with %d spatial axes was expected",
			m.output, shape, batch, layout.Axes())}
	}
	if err := m.checkChannels(shape[1]); err != nil {
		return nil, 0, err
	}
	got, err := layout.Size(shape[2:])
	if err != nil {
		return nil, 0, err
	}
	if got != size {
		return nil, 0, &MismatchError{What: fmt.Sprintf("for an input of %v voxels output %q has %v", size, m.output, got)}
	}
	v, err := valuesOf(t)
	return v, shape[1], err
}
