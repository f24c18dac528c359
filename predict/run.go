package predict

import (
	"context"
	"fmt"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/onnx"
)

// batchOf returns how many images a run takes for n of them: a model may have a fixed batch.
func (m *model) batchOf(n int) int {
	if len(m.input.Shape) > 0 && m.input.Shape[0] > 0 {
		return m.input.Shape[0]
	}
	return n
}

// execute packs images into the model's input, fills a fixed batch up with zeros, runs, and
// returns the output, which says something about so many voxels.
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

// checkSize compares the voxels that would come out with the sizes that the model fixes.
func (m *model) checkSize(size [3]int) error {
	layout := m.spec.Input.Layout
	if axis, flat := layout.Missing(); flat && size[axis] != 1 {
		return &ImageError{
			What: fmt.Sprintf("model wants a 2-D image, image has %d slices", size[axis]),
			Help: fmt.Sprintf("give the Spec a tile whose size is 1 along %c: the model then sees slice after slice", "xyz"[axis]),
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

// cut returns the part of an image that the model sees to say something about a box: the box, and with a
// stack of slices the slices around it; mirrored along the axes whose bits are set.
func (m *model) cut(im *imageio.Image, b patch.Box, flip uint) (*imageio.Image, error) {
	if axis, flat := m.spec.Input.Layout.Missing(); flat {
		n := m.spec.Input.stack()
		b.Start[axis] -= n / 2
		b.Size[axis] += n - 1
	}
	edge := patch.Constant
	if m.spec.Tile != nil {
		edge = m.spec.Tile.Pad
	}
	window, err := patch.Extract(im, b, edge, 0)
	if err != nil {
		return nil, err
	}
	for c := range window.Channels {
		mirror(window.Channel(c), b.Size, flip)
	}
	return window, nil
}

// pack puts images of one size into a tensor. The slices of a stack are channels: c*n+s.
func (m *model) pack(images []*imageio.Image, size [3]int) (*onnx.Tensor, error) {
	layout, grid := m.spec.Input.Layout, images[0].Grid
	n := grid.Len()
	planes := images[0].Channels
	if axis, flat := layout.Missing(); flat {
		planes *= grid.Size[axis]
	}
	batch := m.batchOf(len(images))
	data := make([]float32, batch*images[0].Channels*n)
	for i, im := range images {
		for c := range im.Channels {
			layout.Pack(data[(i*im.Channels+c)*n:][:n], im.Channel(c), grid.Size)
		}
	}
	t, err := onnx.FromFloat32(append([]int{batch, planes}, layout.Shape(size)...), data)
	if err != nil {
		return nil, err
	}
	t, _, err = t.Convert(m.input.DType)
	return t, err
}
