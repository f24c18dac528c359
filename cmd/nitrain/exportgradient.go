package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// gradientFlags are the flags of export --explain.
type gradientFlags struct {
	method, layer, size, output string
	steps                       int
	baseline                    float32
	signed                      bool
}

func (f *gradientFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.method, "explain", "", "write a gradient model by this `METHOD`: saliency, ig or gradcam")
	flags.IntVar(&f.steps, "steps", 0, "of --explain ig: steps that are built in (default 32)")
	flags.Float32Var(&f.baseline, "baseline", 0, "of --explain ig: intensity of the prepared image that stands for nothing")
	flags.StringVar(&f.layer, "layer", "", "of --explain gradcam: `NAME` of a value, node or module (default: the last feature map before the head)")
	flags.BoolVar(&f.signed, "signed", false, "of --explain gradcam: keep negative values")
	flags.StringVar(&f.size, "size", "", "of --explain: voxels `X,Y,Z` of the image (default: those of the model or of its Spec's tile)")
	flags.StringVar(&f.output, "explain-output", "", "of --explain: `NAME` of the output (default: the Spec's, else the first)")
}

// gradientModel makes the gradient model of m.
func (a *app) gradientModel(m *onnx.Model, f gradientFlags) (*onnx.Model, error) {
	switch convert.GradientMethod(f.method) {
	case convert.Saliency, convert.IntegratedGradients, convert.GradCAM:
	default:
		return nil, usageError{fmt.Errorf("--explain: want saliency, ig or gradcam, got %q", f.method)}
	}
	if err := pathFlags(f.steps, f.baseline); err != nil {
		return nil, err
	}
	o := convert.GradientOptions{Steps: f.steps, Baseline: []float32{f.baseline}, Layer: f.layer, Signed: f.signed, Output: f.output, Threads: a.threads}
	spec, err := predict.ReadSpec(m)
	if err != nil && !errors.Is(err, predict.ErrNoSpec) {
		return nil, err
	}
	if err == nil && o.Output == "" {
		o.Output = spec.Decode.Output
	}
	if o.Shape, err = gradientShape(m, spec, f.size); err != nil {
		return nil, err
	}
	io := convert.ImportOptions{}
	if len(m.Inputs()) == 1 && o.Shape != nil {
		io.InputShapes = map[string][]int{m.Inputs()[0].Name: append([]int{1}, o.Shape...)}
	}
	g, err := convert.Import(m, io)
	if err != nil {
		return nil, err
	}
	return g.GradientModel(convert.GradientMethod(f.method), o)
}

// gradientShape is the shape of one image, channels first: what the model fixes, then the size that is given, then the
// Spec's tile.
func gradientShape(m *onnx.Model, spec predict.Spec, size string) ([]int, error) {
	inputs := m.Inputs()
	if len(inputs) != 1 || len(inputs[0].Shape) < 3 {
		return nil, nil
	}
	shape := append([]int(nil), inputs[0].Shape[1:]...)
	if shape[0] < 0 {
		shape[0] = len(spec.Input.Channels)
	}
	voxels, err := parseSizes("--size", size)
	if err != nil {
		return nil, err
	}
	if voxels == [3]int{} && spec.Tile != nil {
		voxels = spec.Tile.Size
	}
	order := voxels[:min(len(shape)-1, 3)]
	if spec.Input.Layout != "" && spec.Input.Layout.Axes() == len(shape)-1 {
		order = spec.Input.Layout.Shape(voxels)
	}
	for i, n := range order {
		if shape[i+1] < 0 {
			shape[i+1] = n
		}
		if size != "" && shape[i+1] != n {
			return nil, usageError{fmt.Errorf("--size: the model wants %v, got %v", inputs[0].Shape[2:], order)}
		}
	}
	for _, n := range shape {
		if n <= 0 {
			return nil, usageError{fmt.Errorf("--size: the model leaves its sizes %v free: say for which ones the gradient model is to be made", inputs[0].Shape)}
		}
	}
	return shape, nil
}
