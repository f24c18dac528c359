package convert

import (
	"bytes"
	"fmt"
	"os"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/convert/internal/engine"
	"github.com/nitrain/nitrain/onnx"
)

// gradientSource makes the gradient models of one graph, method and image shape.
type gradientSource struct {
	graph   *Graph
	method  GradientMethod
	options GradientOptions
	info    GradientInfo
	input   onnx.ValueInfo
	shape   []int        // of one image
	layers  []*onnx.Node // that Grad-CAM may read, the best first
	backend compute.Backend
}

func (g *Graph) newGradientSource(method GradientMethod, o GradientOptions) (*gradientSource, error) {
	s := &gradientSource{graph: g, method: method, options: o}
	if err := s.bind(); err != nil {
		return nil, fmt.Errorf("convert: gradient model: %w", err)
	}
	library, err := s.library()
	if err != nil {
		return nil, err
	}
	// GoMLX skips the forms that carry our gradients when this variable switches its fused operations off.
	if err := os.Unsetenv("GOMLX_FUSION"); err != nil {
		return nil, err
	}
	s.backend, err = engine.NewRecorder(engine.Options{Library: library, Threads: o.Threads})
	return s, err
}

func (s *gradientSource) library() (string, error) {
	if s.options.Library != "" {
		return s.options.Library, nil
	}
	return library()
}

// bind compares the options with the model.
func (s *gradientSource) bind() error {
	inputs := s.graph.Inputs()
	if len(inputs) != 1 || !inputs[0].DType.Float() {
		return fmt.Errorf("want a model with 1 input of floats, got %d inputs", len(inputs))
	}
	s.input = inputs[0]
	switch s.method {
	case Saliency, IntegratedGradients, GradCAM:
	default:
		return fmt.Errorf("want method saliency, ig or gradcam, got %q", string(s.method))
	}
	if s.options.Steps < 0 || s.options.Steps > 1<<16 {
		return fmt.Errorf("steps: want 1 to 65536, got %d", s.options.Steps)
	}
	if s.options.Steps == 0 {
		s.options.Steps = 32
	}
	if err := s.bindShape(); err != nil {
		return err
	}
	if n := len(s.options.Baseline); n > 1 && n != product(s.shape) {
		return fmt.Errorf("baseline: want 1 value or %d, got %d", product(s.shape), n)
	}
	outputs := s.graph.Outputs()
	if s.options.Output == "" {
		s.options.Output = outputs[0].Name
	}
	if !slices.ContainsFunc(outputs, func(v onnx.ValueInfo) bool { return v.Name == s.options.Output }) {
		return fmt.Errorf("the model has no output %q", s.options.Output)
	}
	s.info = GradientInfo{Method: s.method, Shape: s.shape, Output: s.options.Output}
	switch s.method {
	case IntegratedGradients:
		s.info.Steps, s.info.Baseline = s.options.Steps, baselineText(s.options.Baseline)
	case GradCAM:
		s.info.Signed = s.options.Signed
		return s.bindLayer()
	}
	return nil
}

func baselineText(v []float32) string {
	switch len(v) {
	case 0:
		return "0"
	case 1:
		return fmt.Sprint(v[0])
	}
	return "image"
}

// bindShape fills the sizes of one image from the options and the model.
func (s *gradientSource) bindShape() error {
	declared, given := s.input.Shape, s.options.Shape
	if declared == nil {
		declared = append([]int{-1}, slices.Repeat([]int{-1}, len(given))...)
	}
	if len(declared) < 3 {
		return fmt.Errorf("input %q: want batch, channels and spatial sizes, got %d axes", s.input.Name, len(declared))
	}
	if given == nil {
		given = make([]int, len(declared)-1)
	}
	if len(given) != len(declared)-1 {
		return fmt.Errorf("shape: want %d sizes, got %v", len(declared)-1, given)
	}
	s.shape = slices.Clone(given)
	for i, want := range declared[1:] {
		switch {
		case s.shape[i] <= 0 && want > 0:
			s.shape[i] = want
		case s.shape[i] <= 0:
			return fmt.Errorf("shape: input %q leaves its sizes %v free: say for which ones the model is to be made", s.input.Name, declared)
		case want > 0 && s.shape[i] != want:
			return fmt.Errorf("shape: input %q wants %v, got %v", s.input.Name, declared[1:], given)
		}
	}
	return nil
}

// core exports the model with its gradient (for GradCAM: with the layer's map) at one batch size.
func (s *gradientSource) core(batch int) (m *onnx.Model, err error) {
	defer recoverTo(&err)
	gg := graph.NewGraph(s.backend, "gradient")
	defer gg.Finalize()
	x := graph.Parameter(gg, "image", shapes.Make(dtypes.Float32, append([]int{batch}, s.shape...)...))
	b := &builder{graph: gg, float: dtypes.Float32}
	out, _ := s.graph.build(b, map[string]*graph.Node{s.input.Name: asInput(x, s.input.DType)}, nil, Mode{})
	y := out[s.options.Output]
	if y == nil || !y.DType().IsFloat() || y.Rank() < 2 || y.Shape().Dimensions[0] != batch {
		return nil, fmt.Errorf("output %q: want floats with one row for each image of a batch of %d", s.options.Output, batch)
	}
	y = graph.ConvertDType(y, dtypes.Float32)
	w := graph.Parameter(gg, "weight", y.Shape())
	score := graph.ReduceAllSum(graph.Mul(y, w))
	names := []string{GradientOutput, GradientAttribution}
	results := []*graph.Node{y}
	if s.method == GradCAM {
		names[1] = GradientMap
		layer, err := s.layerNode(b)
		if err != nil {
			return nil, err
		}
		results = append(results, camOf(layer, graph.Gradient(score, layer)[0], s.options.Signed))
	} else {
		results = append(results, graph.Gradient(score, x)[0])
	}
	if err := gg.Compile(results...); err != nil {
		return nil, fmt.Errorf("engine: %w", firstLine(err))
	}
	var raw bytes.Buffer
	if err := engine.Save(gg.Executable(), &raw, []string{GradientImage, GradientWeight}, names); err != nil {
		return nil, err
	}
	return onnx.Read(bytes.NewReader(raw.Bytes()), int64(raw.Len()))
}

// asInput gives the image the type that the graph computes with for the input's type.
func asInput(x *graph.Node, dtype onnx.DType) *graph.Node {
	t, _ := goType(dtype, dtypes.Float32)
	return graph.ConvertDType(x, t)
}

// camOf is the sum of a layer's channels weighted by the spatial mean of their gradients.
func camOf(layer, gradient *graph.Node, signed bool) *graph.Node {
	var space []int
	for a := 2; a < layer.Rank(); a++ {
		space = append(space, a)
	}
	weight := graph.ReduceAndKeep(gradient, graph.ReduceMean, space...)
	cam := graph.ReduceAndKeep(graph.Mul(layer, weight), graph.ReduceSum, 1)
	if signed {
		return cam
	}
	return relu(cam)
}
