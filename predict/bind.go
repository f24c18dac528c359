package predict

import (
	"fmt"
	"slices"

	"github.com/nitrain/nitrain/onnx"
)

// bindInput finds the model's input and compares it with the Spec.
func (p *Predictor) bindInput() error {
	inputs := p.run.Inputs()
	name := p.spec.Input.Name
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
	p.input = inputs[at]
	switch p.input.DType {
	case onnx.Float32, onnx.Float16, onnx.Float64, onnx.BFloat16:
	default:
		return &MismatchError{What: fmt.Sprintf("input %q takes %v, want a float type", name, p.input.DType)}
	}
	if p.input.Shape == nil {
		return nil
	}
	return p.bindShape()
}

// bindShape compares an input's shape, as far as it is fixed, with layout, channels and tile.
func (p *Predictor) bindShape() error {
	shape, in := p.input.Shape, p.spec.Input
	if want := 2 + in.Layout.Axes(); len(shape) != want {
		return &MismatchError{What: fmt.Sprintf("input %q has %d axes, layout %s wants %d", in.Name, len(shape), in.Layout, want)}
	}
	if c := shape[1]; c >= 0 && c != len(in.Channels) {
		return &MismatchError{What: fmt.Sprintf("input %q has %s, the Spec names %d", p.input.Name, count(c, "channel"), len(in.Channels))}
	}
	if p.spec.Tile == nil {
		return nil
	}
	for a, want := range in.Layout.Shape(p.spec.Tile.Size) {
		if got := shape[2+a]; got >= 0 && want > 0 && got != want {
			return &MismatchError{What: fmt.Sprintf("input %q has the sizes %v, tiles have %v", p.input.Name, shape[2:], in.Layout.Shape(p.spec.Tile.Size))}
		}
	}
	return nil
}

// bindOutput finds the model's output and compares it with the labels.
func (p *Predictor) bindOutput() error {
	outputs := p.run.Outputs()
	name := p.spec.Decode.Output
	if name == "" && len(outputs) > 0 {
		name = outputs[0].Name
	}
	at := slices.IndexFunc(outputs, func(v onnx.ValueInfo) bool { return v.Name == name })
	if at < 0 {
		return &MismatchError{What: fmt.Sprintf("it has no output %q", name)}
	}
	p.output = name
	shape := outputs[at].Shape
	if shape == nil {
		return nil
	}
	want := 2
	if p.spec.Task == Segmentation {
		want += p.spec.Input.Layout.Axes()
	}
	if len(shape) < 2 || p.spec.Task == Segmentation && len(shape) != want {
		return &MismatchError{What: fmt.Sprintf("output %q has %d axes, a %s wants %d", name, len(shape), p.spec.Task, want)}
	}
	if shape[1] >= 0 {
		return p.checkChannels(shape[1])
	}
	return nil
}

// checkChannels compares the number of channels that came out with the labels.
func (p *Predictor) checkChannels(n int) error {
	if n == len(p.values) {
		return nil
	}
	return &MismatchError{What: fmt.Sprintf("output %q has %s, pick %s with these labels wants %d",
		p.output, count(n, "channel"), p.spec.Decode.Pick, len(p.values))}
}
