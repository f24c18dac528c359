package convert

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// bindLayer finds the node whose output Grad-CAM reads.
func (s *gradientSource) bindLayer() error {
	if s.options.Layer == "" {
		return s.bestLayers()
	}
	reached := s.ancestors(s.options.Output)
	n := s.namedLayer(s.options.Layer)
	if n == nil {
		return &layerError{s.options.Layer, s.layerNames(reached)}
	}
	if !reached[n] {
		return fmt.Errorf("layer %q: output %q does not depend on it", s.options.Layer, s.options.Output)
	}
	s.layers = []*onnx.Node{n}
	return nil
}

// layerError is a name that no layer has.
type layerError struct {
	name  string
	known []string
}

func (e *layerError) Error() string {
	return fmt.Sprintf("layer %q: the model has none of that name", e.name)
}

// Hint lists the layers that there are, the last ones first.
func (e *layerError) Hint() string {
	return "layers, from the output backwards: " + strings.Join(e.known, ", ")
}

// layerNames lists the convolutions from the output backwards, at most twelve.
func (s *gradientSource) layerNames(reached map[*onnx.Node]bool) []string {
	var names []string
	for _, n := range slices.Backward(s.graph.nodes) {
		if reached[n] && convolves(n) && len(names) < 12 {
			names = append(names, layerName(n))
		}
	}
	return names
}

// layerName is what a node is called: its name, else that of its output.
func layerName(n *onnx.Node) string {
	if n.Name != "" {
		return n.Name
	}
	return n.Output(0)
}

// namedLayer finds a node by the name of its output, its own, or that of the module with its weights; else the last
// node of the module of that name ("layer4"), as exporters of PyTorch write modules into the names of nodes.
func (s *gradientSource) namedLayer(name string) *onnx.Node {
	for _, n := range s.graph.nodes {
		if slices.Contains(n.Outputs, name) {
			return n
		}
	}
	for _, n := range s.graph.nodes {
		if n.Name == name {
			return n
		}
	}
	for _, p := range s.graph.params {
		if p.Alias != name+".weight" && p.Name != name+".weight" {
			continue
		}
		for _, slot := range p.slots {
			if slices.Contains(s.graph.nodes, slot.Node) {
				return slot.Node
			}
		}
	}
	for _, n := range slices.Backward(s.graph.nodes) {
		if strings.Contains(n.Name, "/"+name+"/") {
			return n
		}
	}
	return nil
}

// ancestors are the nodes that values depend on.
func (s *gradientSource) ancestors(todo ...string) map[*onnx.Node]bool {
	makers := map[string]*onnx.Node{}
	for _, n := range s.graph.nodes {
		for _, o := range n.Outputs {
			makers[o] = n
		}
	}
	reached := map[*onnx.Node]bool{}
	for len(todo) > 0 {
		n := makers[todo[len(todo)-1]]
		todo = todo[:len(todo)-1]
		if n != nil && !reached[n] {
			reached[n] = true
			todo = append(todo, n.Inputs...)
		}
	}
	return reached
}

// bestLayers lists the feature maps that the heads of the output are computed from, the last first: the one that
// Grad-CAM's paper reads, before pooling and classification, is the first of them with spatial extent.
func (s *gradientSource) bestLayers() error {
	heads, err := onnx.Heads(s.graph.source, s.options.Output)
	if err != nil {
		return err
	}
	var from []string
	for _, h := range heads {
		from = append(from, h.Node.Inputs...)
	}
	reached := s.ancestors(from...)
	maps := map[string]bool{}
	for _, n := range s.graph.nodes {
		if convolves(n) || keepsMap(n) && slices.ContainsFunc(n.Inputs, func(in string) bool { return maps[in] }) {
			maps[n.Output(0)] = true
			if reached[n] {
				s.layers = append(s.layers, n)
			}
		}
	}
	slices.Reverse(s.layers)
	return nil
}

// keepsMap tells operators that make a feature map of one: what a transformer does with its tokens is not among them.
func keepsMap(n *onnx.Node) bool {
	switch n.OpType {
	case "Relu", "LeakyRelu", "PRelu", "Elu", "Celu", "Selu", "Sigmoid", "HardSigmoid", "HardSwish", "Softplus", "Tanh", "Gelu",
		"Mish", "Swish", "Clip", "Add", "Sub", "Mul", "Div", "Sum", "Max", "Concat", "Dropout", "Identity", "Pad",
		"BatchNormalization", "InstanceNormalization", "GroupNormalization", "LRN",
		"MaxPool", "AveragePool", "Resize", "Upsample", "DepthToSpace", "SpaceToDepth":
		return n.StandardDomain()
	}
	return false
}

func convolves(n *onnx.Node) bool {
	return n.StandardDomain() && (n.OpType == "Conv" || n.OpType == "ConvTranspose")
}

// layerNode is the chosen layer in a graph that b has built: the first of the candidates that has space.
func (s *gradientSource) layerNode(b *builder) (*graph.Node, error) {
	for _, n := range s.layers {
		v, ok := b.top.lookup(n.Output(0))
		if ok && v.node != nil && v.rank() == len(s.shape)+1 && product(v.shape[2:]) > 1 && v.node.DType().IsFloat() {
			s.info.Layer = layerName(n)
			return v.node, nil
		}
	}
	if s.options.Layer != "" {
		return nil, fmt.Errorf("layer %q: want a layer whose result has batch, channels and %d spatial axes", s.options.Layer, len(s.shape)-1)
	}
	return nil, fmt.Errorf("nothing before the head of output %q has spatial extent: name a layer", s.options.Output)
}
