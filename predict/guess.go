package predict

import (
	"fmt"

	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/onnx"
)

// Guess returns the Spec that the shapes of a model's first output and only input suggest: no steps of
// preparation, layout xyz or, with two spatial axes, yx; argmax of a softmax, or a sigmoid above 0.5 where
// there is one channel; a tile where the model fixes its sizes; labels without meaning. It knows nothing
// of orientation, spacing and intensities, which the result depends on: it is a draft to edit, and nothing
// calls it unasked.
func Guess(inputs, outputs []onnx.ValueInfo) (Spec, error) {
	if len(inputs) != 1 || len(outputs) == 0 {
		return Spec{}, fmt.Errorf("predict: guess a Spec: want 1 input and an output, got %d and %d", len(inputs), len(outputs))
	}
	in, out := inputs[0], outputs[0]
	s := Spec{Version: Version, Task: Segmentation, Input: Input{Name: in.Name}, Decode: Decode{Output: out.Name}}
	switch len(in.Shape) {
	case 4:
		s.Input.Layout = patch.YX
	case 5:
		s.Input.Layout = patch.XYZ
	default:
		return Spec{}, fmt.Errorf("predict: guess a Spec: input %q has the shape %v, want 4 or 5 axes", in.Name, in.Shape)
	}
	if len(out.Shape) == 2 {
		s.Task = Classification
	} else if len(out.Shape) != len(in.Shape) {
		return Spec{}, fmt.Errorf("predict: guess a Spec: output %q has the shape %v for an input of %v", out.Name, out.Shape, in.Shape)
	}
	const most = 1 << 12
	channels, classes := in.Shape[1], out.Shape[1]
	if channels < 1 || classes < 1 || channels > most || classes > most {
		return Spec{}, fmt.Errorf("predict: guess a Spec: %d input and %d output channels, want both fixed by the model", channels, classes)
	}
	for i := range channels {
		s.Input.Channels = append(s.Input.Channels, Channel{Name: fmt.Sprintf("channel %d", i+1)})
	}
	guessDecode(&s, classes)
	s.Tile = guessTile(s, in.Shape[2:])
	return s, s.Validate()
}

func guessDecode(s *Spec, classes int) {
	s.Labels = []Label{{Value: 0, Name: "background"}}
	if classes == 1 {
		s.Decode.Activation, s.Decode.Pick = Sigmoid, Threshold
		s.Labels = append(s.Labels, Label{Value: 1, Name: "label 1"})
		return
	}
	s.Decode.Activation, s.Decode.Pick = Softmax, Argmax
	for i := 1; i < classes; i++ {
		s.Labels = append(s.Labels, Label{Value: i, Name: fmt.Sprintf("label %d", i)})
	}
}

// GuessModel is [Guess] with what a model's graph says beside its shapes: no activation where the graph ends in
// one. Where sizes are free, a 3-D model gets windows
// of about 96 voxels and a 2-D model sees slice after slice, in sizes that the network's strides divide: others
// fail where its paths are joined.
func GuessModel(m *onnx.Model) (Spec, error) {
	s, err := Guess(m.Inputs(), m.Outputs())
	if err != nil {
		return Spec{}, err
	}
	if end := onnx.GuessTask(m).Activation; end == "softmax" || end == "sigmoid" {
		s.Decode.Activation = None
	}
	if s.Task.spatial() && s.Tile == nil {
		if err := guessSizes(&s, divisors(m.Graph(), s.Input.Name, s.Input.Layout.Axes())); err != nil {
			return Spec{}, err
		}
	}
	return s, s.Validate()
}

// guessSizes sets windows and padding for a model whose sizes are free but for what its strides divide.
func guessSizes(s *Spec, divisors []int) error {
	by, err := s.Input.Layout.Size(divisors)
	if err != nil {
		return err
	}
	s.Tile = &Tile{Size: [3]int{0, 0, 1}}
	if _, flat := s.Input.Layout.Missing(); !flat {
		const usual = 96
		for a, n := range by {
			s.Tile.Size[a] = (usual + n - 1) / n * n
		}
		s.Tile.Overlap, s.Tile.Blend = Overlap{0.5, 0.5, 0.5}, patch.Gaussian
		return nil
	}
	if by != [3]int{1, 1, 1} {
		s.Prepare = append(s.Prepare, transform.PadMultiple{K: transform.Each(by)})
	}
	return nil
}

// guessTile returns windows of the sizes that a model fixes.
func guessTile(s Spec, spatial []int) *Tile {
	if s.Task == Classification {
		return nil
	}
	fixed := make([]int, len(spatial))
	found := false
	for i, n := range spatial {
		if n > 0 {
			fixed[i], found = n, true
		}
	}
	size, err := s.Input.Layout.Size(fixed)
	if err != nil || !found {
		return nil
	}
	return &Tile{Size: size, Overlap: Overlap{0.5, 0.5, 0.5}, Blend: patch.Gaussian}
}
