package convert

import (
	"slices"

	"github.com/nitrain/nitrain/onnx"
)

// finish makes a method's model from the core: the output with its gradient, or with Grad-CAM's map.
func (m GradientMethod) finish(core *onnx.Model, s *gradientSource) *onnx.Model {
	switch m {
	case IntegratedGradients:
		return overSteps(core, s.options.Steps, s.baseline())
	case GradCAM:
		return upsampled(core, s.shape)
	}
	return core
}

// baseline is the baseline as a tensor that broadcasts to a batch of images.
func (s *gradientSource) baseline() *onnx.Tensor {
	v := s.options.Baseline
	if len(v) > 1 {
		return floats(append([]int{1}, s.shape...), v...)
	}
	if len(v) == 0 {
		v = []float32{0}
	}
	return floats(nil, v...)
}

// floats and whole make tensors whose length is known to fit.
func floats(shape []int, v ...float32) *onnx.Tensor {
	t, err := onnx.FromFloat32(shape, v)
	if err != nil {
		failWith(err)
	}
	return t
}

func whole(shape []int, v ...int64) *onnx.Tensor {
	t, err := onnx.FromInt64(shape, v)
	if err != nil {
		failWith(err)
	}
	return t
}

// assembly is a graph being put together from nodes.
type assembly struct {
	model *onnx.Model
	nodes []*onnx.Node
}

// around starts a model with the inputs of core and its initializers, which a loop's body reads from outside.
func around(core *onnx.Model) *assembly {
	m := onnx.New(core.IRVersion, "gradient", core.Opsets...)
	g := m.Graph()
	g.Inputs, g.Initializers = core.Inputs(), core.Graph().Initializers
	return &assembly{model: m}
}

func (a *assembly) constant(name string, t *onnx.Tensor) string {
	if err := a.model.AddInitializer(name, t); err != nil {
		failWith(err)
	}
	return name
}

// add records a node with one output, which it returns.
func (a *assembly) add(op, output string, inputs []string, attrs ...onnx.Attr) string {
	a.nodes = append(a.nodes, &onnx.Node{OpType: op, Inputs: inputs, Outputs: []string{output}, Attrs: attrs})
	return output
}

// body returns the nodes of core for the inside of a loop, with its inputs and outputs under other names.
func body(core *onnx.Model, names map[string]string) []*onnx.Node {
	nodes := slices.Clone(core.Graph().Nodes)
	for _, n := range nodes {
		for _, list := range [][]string{n.Inputs, n.Outputs} {
			for i, name := range list {
				if to, ok := names[name]; ok {
					list[i] = to
				}
			}
		}
		for _, sub := range n.Subgraphs() {
			renameOuter(sub, names)
		}
	}
	return nodes
}

// renameOuter renames what a loop inside reads from outside. Its own values have names of their own.
func renameOuter(g *onnx.Graph, names map[string]string) {
	for _, n := range g.Nodes {
		for i, name := range n.Inputs {
			if to, ok := names[name]; ok {
				n.Inputs[i] = to
			}
		}
		for _, sub := range n.Subgraphs() {
			renameOuter(sub, names)
		}
	}
}

func tensorInfo(name string, dtype onnx.DType, shape ...int) onnx.ValueInfo {
	return onnx.ValueInfo{Name: name, DType: dtype, Shape: append([]int{}, shape...), Dims: make([]string, len(shape))}
}

// loop is a Loop of count turns around nodes: its body's inputs and outputs beyond counter and condition.
func (a *assembly) loop(prefix string, count string, carried []string, inner *onnx.Graph, outputs ...string) {
	yes, err := onnx.NewTensor(onnx.Bool, nil, []byte{1})
	if err != nil {
		failWith(err)
	}
	on := a.constant(prefix+"on", yes)
	inner.Inputs = append([]onnx.ValueInfo{tensorInfo(prefix+"turn", onnx.Int64), tensorInfo(prefix+"go", onnx.Bool)}, inner.Inputs...)
	inner.Outputs = append([]onnx.ValueInfo{tensorInfo(prefix+"still", onnx.Bool)}, inner.Outputs...)
	inner.Nodes = append(inner.Nodes, &onnx.Node{OpType: "Identity", Inputs: []string{prefix + "go"}, Outputs: []string{prefix + "still"}})
	a.nodes = append(a.nodes, &onnx.Node{
		OpType: "Loop", Inputs: append([]string{count, on}, carried...), Outputs: outputs,
		Attrs: []onnx.Attr{onnx.GraphAttr("body", inner)},
	})
}

// overSteps makes integrated gradients of a model of gradients: m turns on the way from the baseline and one at the
// image itself, whose gradient does not count.
func overSteps(core *onnx.Model, m int, baseline *onnx.Tensor) *onnx.Model {
	a := around(core)
	places, counts := make([]float32, m+1), make([]float32, m+1)
	for i := range m {
		places[i], counts[i] = (float32(i)+0.5)/float32(m), 1/float32(m)
	}
	places[m] = 1
	a.constant("ig/places", floats([]int{m + 1}, places...))
	a.constant("ig/counts", floats([]int{m + 1}, counts...))
	a.constant("ig/turns", whole(nil, int64(m+1)))
	a.constant("ig/baseline", baseline)
	a.add("Sub", "ig/way", []string{GradientImage, "ig/baseline"})
	a.add("Sub", "ig/start", []string{GradientImage, GradientImage})
	image, weight := core.Inputs()[0], core.Inputs()[1]
	inner := assembly{model: a.model}
	inner.add("Gather", "ig/place", []string{"ig/places", "ig/turn"})
	inner.add("Gather", "ig/count", []string{"ig/counts", "ig/turn"})
	inner.add("Mul", "ig/part", []string{"ig/way", "ig/place"})
	inner.add("Add", "ig/image", []string{"ig/baseline", "ig/part"})
	inner.nodes = append(inner.nodes, body(core, map[string]string{
		GradientImage: "ig/image", GradientOutput: "ig/output", GradientAttribution: "ig/gradient",
	})...)
	inner.add("Mul", "ig/share", []string{"ig/gradient", "ig/count"})
	inner.add("Add", "ig/sum", []string{"ig/before", "ig/share"})
	g := &onnx.Graph{
		Name: "step", Nodes: inner.nodes,
		Inputs:  []onnx.ValueInfo{named(image, "ig/before"), named(weight, "ig/unused")},
		Outputs: []onnx.ValueInfo{named(image, "ig/sum"), named(weight, "ig/output")},
	}
	a.loop("ig/", "ig/turns", []string{"ig/start", GradientWeight}, g, "ig/total", GradientOutput)
	a.add("Mul", GradientAttribution, []string{"ig/total", "ig/way"})
	a.model.Graph().Nodes = a.nodes
	a.model.Graph().Outputs = core.Outputs()
	return a.model
}

func named(v onnx.ValueInfo, name string) onnx.ValueInfo {
	v.Name = name
	return v
}

// upsampled adds Grad-CAM's map at the size of the image.
func upsampled(core *onnx.Model, shape []int) *onnx.Model {
	a := around(core)
	a.nodes = core.Graph().Nodes
	size := make([]int64, len(shape)-1)
	for i, n := range shape[1:] {
		size[i] = int64(n)
	}
	a.constant("cam/size", whole([]int{len(size)}, size...))
	a.constant("cam/two", whole([]int{1}, 2))
	a.constant("cam/none", whole([]int{1}, 0))
	a.add("Shape", "cam/shape", []string{GradientMap})
	a.add("Slice", "cam/first", []string{"cam/shape", "cam/none", "cam/two"})
	a.add("Concat", "cam/sizes", []string{"cam/first", "cam/size"}, onnx.IntAttr("axis", 0))
	a.add("Resize", GradientAttribution, []string{GradientMap, "", "", "cam/sizes"},
		onnx.StringAttr("mode", "linear"), onnx.StringAttr("coordinate_transformation_mode", "half_pixel"))
	outputs := core.Outputs()
	full := tensorInfo(GradientAttribution, onnx.Float32, append([]int{outputs[1].Shape[0], 1}, shape[1:]...)...)
	full.Dims[0] = outputs[1].Dims[0]
	a.model.Graph().Nodes = a.nodes
	a.model.Graph().Outputs = []onnx.ValueInfo{outputs[0], full, outputs[1]}
	return a.model
}

// overBatch puts a loop over the images of a batch around a model for one.
func overBatch(core *onnx.Model) *onnx.Model {
	a := around(core)
	a.constant("each/zero", whole(nil, 0))
	a.constant("each/axis", whole([]int{1}, 0))
	a.add("Shape", "each/shape", []string{GradientImage})
	a.add("Gather", "each/count", []string{"each/shape", "each/zero"})
	inner := assembly{model: a.model}
	inner.add("Unsqueeze", "each/index", []string{"each/turn", "each/axis"})
	names := map[string]string{}
	for _, info := range core.Inputs() {
		names[info.Name] = inner.add("Gather", "each/"+info.Name, []string{info.Name, "each/index"}, onnx.IntAttr("axis", 0))
	}
	for _, info := range core.Outputs() {
		names[info.Name] = "each/" + info.Name
	}
	inner.nodes = append(inner.nodes, body(core, names)...)
	g := &onnx.Graph{Name: "image"}
	var outputs []string
	for _, info := range core.Outputs() {
		one := inner.add("Squeeze", "each/one/"+info.Name, []string{"each/" + info.Name, "each/axis"})
		g.Outputs = append(g.Outputs, tensorInfo(one, info.DType, info.Shape[1:]...))
		outputs = append(outputs, info.Name)
		a.model.Graph().Outputs = append(a.model.Graph().Outputs, freed(info))
	}
	g.Nodes = inner.nodes
	a.loop("each/", "each/count", nil, g, outputs...)
	a.model.Graph().Nodes = a.nodes
	a.model.Graph().Inputs = []onnx.ValueInfo{freed(core.Inputs()[0]), freed(core.Inputs()[1])}
	return a.model
}
