package predict

import (
	"context"
	"fmt"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/onnx"
)

// batchOf returns how many images a run takes for n of them: a model may have a fixed batch.
func (m *model) batchOf(n int) int {
	if len(m.input.Shape) > 0 && m.input.Shape[0] > 0 {
		return m.input.Shape[0]
	}
	return n
}

// execute packs images of one size into the model's input, fills a fixed batch up with zeros, runs, and
// returns the output.
func (m *model) execute(ctx context.Context, images []*imageio.Image, size [3]int) (*onnx.Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := m.checkSize(size); err != nil {
		return nil, err
	}
	in, err := m.pack(images, size)
	if err != nil {
		return nil, err
	}
	out, err := m.run.Run(ctx, map[string]*onnx.Tensor{m.input.Name: in})
	if err != nil {
		return nil, fmt.Errorf("predict: run on an input of %v: %w", in.Shape(), err)
	}
	t := out[m.output]
	if t == nil {
		return nil, &MismatchError{What: fmt.Sprintf("a run gave no output %q", m.output)}
	}
	return t, nil
}

// checkSize compares the voxels that would go in with the sizes that the model fixes.
func (m *model) checkSize(size [3]int) error {
	layout := m.spec.Input.Layout
	if layout.Axes() == 2 && size[2] != 1 {
		return &ImageError{
			What: fmt.Sprintf("model wants a 2-D image, image has %d slices", size[2]),
			Help: "give the Spec a tile whose third size is 1: the model then sees slice after slice",
		}
	}
	if len(m.input.Shape) != 2+layout.Axes() {
		return nil
	}
	for a, got := range layout.Shape(size) {
		if want := m.input.Shape[2+a]; want >= 0 && got != want {
			return &MismatchError{What: fmt.Sprintf("input %q wants the sizes %v, prepare and tile give %v",
				m.input.Name, m.input.Shape[2:], layout.Shape(size))}
		}
	}
	return nil
}

func (m *model) pack(images []*imageio.Image, size [3]int) (*onnx.Tensor, error) {
	layout, channels := m.spec.Input.Layout, images[0].Channels
	n := images[0].Grid.Len()
	batch := m.batchOf(len(images))
	data := make([]float32, batch*channels*n)
	for i, im := range images {
		for c := range channels {
			layout.Pack(data[(i*channels+c)*n:][:n], im.Channel(c), size)
		}
	}
	t, err := onnx.FromFloat32(append([]int{batch, channels}, layout.Shape(size)...), data)
	if err != nil {
		return nil, err
	}
	t, _, err = t.Convert(m.input.DType)
	return t, err
}
