package convert

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/convert/internal/engine"
	"github.com/nitrain/nitrain/onnx"
)

// maxElements bounds the elements of an input and of every value that is made of it.
const maxElements = 1 << 32

// check builds the model once, without compiling it, to find every node that cannot be built. Free input
// sizes are guessed; then only reasons that lie in the nodes themselves count.
func (g *Graph) check() error {
	inner, err := engine.New(engine.Options{Kind: engine.Go})
	if err != nil {
		return err
	}
	defer inner.Finalize()
	b := &builder{graph: graph.NewGraph(inner, "check"), float: dtypes.Float32, collect: true}
	defer b.graph.Finalize()
	guessed := false
	in := map[string]*graph.Node{}
	for i, info := range g.Inputs() {
		shape, guess := g.checkShape(info)
		guessed = guessed || guess
		dtype, ok := goType(info.DType, b.float)
		if n, err := onnx.Elements(shape); err != nil || n > maxElements {
			return fmt.Errorf("convert: input %q: want at most %d elements, got shape %v", info.Name, maxElements, shape)
		}
		switch {
		case info.Kind != "":
			return notTensor("input", info)
		case !ok:
			return &UnsupportedError{Nodes: []Unsupported{{Op: "input", Node: info.Name, Reason: "values of type " + info.DType.String() + " are not supported"}}}
		}
		in[info.Name] = graph.Parameter(b.graph, "i"+string(rune('a'+i)), shapes.Make(dtype, shape...))
	}
	params := map[string]*graph.Node{}
	for _, p := range g.params {
		params[p.Name] = graph.Parameter(b.graph, "w"+p.Name, shapes.Make(b.float, p.Shape...))
	}
	for _, info := range g.Outputs() {
		if info.Kind != "" {
			return notTensor("output", info)
		}
	}
	if err := try(func() { g.buildValues(b, in, params, Mode{}) }); err != nil {
		return err
	}
	g.types = map[string]onnx.DType{}
	for name, v := range b.top.values {
		g.types[name] = v.dtype
	}
	var nodes []Unsupported
	for _, u := range b.refused {
		if !u.shape || !guessed {
			nodes = append(nodes, u)
		}
	}
	if len(nodes) > 0 {
		return &UnsupportedError{Nodes: nodes}
	}
	return nil
}

// checkShape returns the sizes that an input is checked with, and whether some were guessed.
func (g *Graph) checkShape(info onnx.ValueInfo) (shape []int, guessed bool) {
	return g.shapeAt(info, usualSize)
}

// usualSize is what free axes but the first are taken for.
const usualSize = 64

// shapeAt is checkShape with another size for free axes.
func (g *Graph) shapeAt(info onnx.ValueInfo, size int) (shape []int, guessed bool) {
	if s := g.options.InputShapes[info.Name]; s != nil {
		return s, false
	}
	for i, d := range info.Shape {
		if d < 0 {
			guessed = true
			d = size
			if i == 0 {
				d = 1
			}
		}
		shape = append(shape, d)
	}
	return shape, guessed || info.Shape == nil
}

// notTensor says that an input or output is a sequence, an optional or the like.
func notTensor(what string, info onnx.ValueInfo) error {
	return &UnsupportedError{Nodes: []Unsupported{{Op: what, Node: info.Name, Reason: "it is of kind " + info.Kind + "; inputs and outputs of a graph are tensors"}}}
}
