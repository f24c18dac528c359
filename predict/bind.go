package predict

import (
	"fmt"
	"slices"

	"github.com/nitrain/nitrain/onnx"
)

// model is one of the networks that follow a Spec.
type model struct {
	spec     *Spec
	run      onnx.Runner
	input    onnx.ValueInfo
	output   string
	channels int // that the output must have; 0: any number
}

// bindInput finds the model's input and compares it with the Spec.
func (m *model) bindInput() error {
	inputs := m.run.Inputs()
	name := m.spec.Input.Name
	if name == "" && len(inputs) > 0 {
		name = inputs[0].Name
	}
	at := slices.IndexFunc(inputs, func(v onnx.ValueInfo) bool { return v.Name == name })
	switch {
	case at < 0:
		return &MismatchError{What: fmt.Sprintf("it has no input %q", name)}
	case len(inputs) > 1:
		return &MismatchError{What: fmt.Sprintf("it has %d inputs, a Spec feeds 1", len(inputs))}
	}
	m.input = inputs[at]
	switch m.input.DType {
	case onnx.Float32, onnx.Float16, onnx.Float64, onnx.BFloat16:
	default:
		return &MismatchError{What: fmt.Sprintf("input %q takes %v, want a float type", name, m.input.DType)}
	}
	if m.input.Shape == nil {
		return nil
	}
	return m.bindShape()
}

// bindShape compares an input's shape, as far as it is fixed, with layout, channels and tile.
func (m *model) bindShape() error {
	shape, in := m.input.Shape, m.spec.Input
	if want := 2 + in.Layout.Axes(); len(shape) != want {
		return &MismatchError{What: fmt.Sprintf("input %q has %d axes, layout %s wants %d", in.Name, len(shape), in.Layout, want)}
	}
	if c := shape[1]; c >= 0 && c != len(in.Channels)*in.stack() {
		return &MismatchError{What: fmt.Sprintf("input %q has %s, the Spec gives %s", m.input.Name, count(c, "channel"), in.count())}
	}
	if m.spec.Tile == nil {
		return nil
	}
	for a, want := range in.Layout.Shape(m.spec.Tile.Size) {
		if got := shape[2+a]; got >= 0 && want > 0 && got != want {
			return &MismatchError{What: fmt.Sprintf("input %q has the sizes %v, tiles have %v", m.input.Name, shape[2:], in.Layout.Shape(m.spec.Tile.Size))}
		}
	}
	return nil
}

// bindOutput finds the model's output and compares it with the labels.
func (m *model) bindOutput() error {
	outputs := m.run.Outputs()
	name := m.spec.Decode.Output
	if name == "" && len(outputs) > 0 {
		name = outputs[0].Name
	}
	at := slices.IndexFunc(outputs, func(v onnx.ValueInfo) bool { return v.Name == name })
	if at < 0 {
		return &MismatchError{What: fmt.Sprintf("it has no output %q", name)}
	}
	m.output = name
	shape := outputs[at].Shape
	if shape == nil {
		return nil
	}
	want := 2
	if m.spec.Task.spatial() {
		want += m.spec.Input.Layout.Axes()
	}
	if m.spec.Task == Regression && len(shape) == 1 {
		return m.checkChannels(1)
	}
	if len(shape) < 2 || m.spec.Task.spatial() && len(shape) != want {
		return &MismatchError{What: fmt.Sprintf("output %q has %d axes, a %s wants %d", name, len(shape), m.spec.Task, want)}
	}
	if shape[1] >= 0 {
		return m.checkChannels(shape[1])
	}
	return nil
}

// checkChannels compares the number of channels that came out with the labels. Channels beyond those that
// labels name are left alone with the pick threshold.
func (m *model) checkChannels(n int) error {
	if n == m.channels || m.channels == 0 && n > 0 || n > m.channels && m.spec.partial() {
		return nil
	}
	how := fmt.Sprintf("pick %s with these labels", m.spec.Decode.Pick)
	if m.spec.Decode.Pick == "" {
		how = "this " + string(m.spec.Task)
	}
	return &MismatchError{What: fmt.Sprintf("output %q has %s, %s wants %d", m.output, count(n, "channel"), how, m.channels)}
}
