package convert

import (
	"context"
	"fmt"
	"runtime"
	"sort"
	"strings"
	"sync"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/nitrain/nitrain/onnx"
)

// Runner returns the model with its current values as an onnx.Runner on b. The graph is compiled at the
// first Run of each combination of input shapes and kept until CloseRunner; parameters are inputs of it,
// so changes of them are seen by the next Run. It may be shared by goroutines.
func (g *Graph) Runner(b *Backend) *Runner {
	return &Runner{graph: g, backend: b, float: b.float, programs: map[string]*program{}, params: map[string]held{}}
}

// Runner computes a Graph's outputs.
type Runner struct {
	graph   *Graph
	backend *Backend
	float   dtypes.DType
	mode    Mode // Random is never set
	precise bool // outputs of half precision come as the float32 that they are computed in

	mu       sync.Mutex
	programs map[string]*program
	params   map[string]held
}

// held is a parameter on the device, and the version that it has there.
type held struct {
	version int
	tensor  *tensors.Tensor
}

var _ onnx.Runner = (*Runner)(nil)

// Inputs lists the model's inputs.
func (r *Runner) Inputs() []onnx.ValueInfo { return r.graph.Inputs() }

// Outputs lists the model's outputs.
func (r *Runner) Outputs() []onnx.ValueInfo { return r.graph.Outputs() }

// Run computes every output. When ctx is cancelled the CPU engine ends within one operation; others finish first.
func (r *Runner) Run(ctx context.Context, inputs map[string]*onnx.Tensor) (map[string]*onnx.Tensor, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, err := r.program(inputs)
	if err != nil {
		return nil, err
	}
	feed, own, err := r.feed(inputs)
	defer free(own...)
	if err != nil {
		return nil, err
	}
	var got map[string]*tensors.Tensor
	err = p.interruptibly(ctx, func() (err error) {
		got, err = p.run(feed)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make(map[string]*onnx.Tensor, len(got))
	for _, info := range r.graph.Outputs() {
		want := info.DType
		if r.precise && half(want) {
			want = onnx.Float32
		}
		if out[info.Name], err = download(got[info.Name], want); err != nil {
			break
		}
	}
	for _, t := range got {
		free(t)
	}
	if err == nil {
		err = ctx.Err()
	}
	return out, err
}

// program finds or compiles the graph for the shapes of the inputs.
func (r *Runner) program(inputs map[string]*onnx.Tensor) (*program, error) {
	key, err := r.graph.shapeKey(inputs)
	if err != nil {
		return nil, err
	}
	if p := r.programs[key]; p != nil {
		return p, nil
	}
	ports := append(inputPorts(r.graph.Inputs(), inputs, r.float), paramPorts(r.graph.params, r.float)...)
	p, err := compile(r.backend, "forward", ports, func(gg *graph.Graph, in map[string]*graph.Node) []result {
		b := &builder{graph: gg, float: r.float}
		out, _ := r.graph.build(b, modelInputs(r.graph, in), paramNodes(r.graph.params, in), r.mode)
		var list []result
		for _, info := range r.graph.Outputs() {
			list = append(list, result{info.Name, out[info.Name]})
		}
		return list
	})
	if err == nil {
		r.programs[key] = p
	}
	return p, err
}

// feed gathers the inputs of a program; own are those that the caller frees.
func (r *Runner) feed(inputs map[string]*onnx.Tensor) (feed map[string]*tensors.Tensor, own []*tensors.Tensor, err error) {
	feed = map[string]*tensors.Tensor{}
	for _, info := range r.graph.Inputs() {
		t, err := upload(inputs[info.Name], r.float)
		if err != nil {
			return nil, own, fmt.Errorf("convert: input %q: %w", info.Name, err)
		}
		own = append(own, t)
		feed[inputKey(info.Name)] = t
	}
	r.graph.values.RLock()
	defer r.graph.values.RUnlock()
	fresh := 0
	for _, q := range r.graph.params {
		h, ok := r.params[q.Name]
		if !ok || h.version != q.version {
			free(h.tensor)
			if h.tensor, err = q.upload(r.float); err != nil {
				return nil, own, err
			}
			h.version = q.version
			r.params[q.Name] = h
			// What a large weight was read into is handed back before the next ones are read.
			if fresh += q.Len(); fresh > largeWeights {
				runtime.GC()
				fresh = 0
			}
		}
		feed[paramKey(q.Name)] = h.tensor
	}
	return feed, own, nil
}

// Close frees the compiled graphs and the parameters on the device.
func (r *Runner) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.programs {
		p.close()
	}
	for _, h := range r.params {
		free(h.tensor)
	}
	r.programs, r.params = map[string]*program{}, map[string]held{}
	return nil
}

// upload makes a GoMLX tensor of the current value. The caller holds the lock of values.
func (p *Param) upload(float dtypes.DType) (*tensors.Tensor, error) {
	if p.value != nil {
		return uploadFloats(p.value, p.Shape, float), nil
	}
	v, err := p.stored.Float32()
	if err != nil {
		return nil, err
	}
	return uploadFloats(v, p.Shape, float), nil
}

// Keys keep the names of inputs, parameters and others apart in one program.
func inputKey(name string) string { return "in/" + name }
func paramKey(name string) string { return "param/" + name }

// inputPorts describes tensors as inputs of a program.
func inputPorts(infos []onnx.ValueInfo, given map[string]*onnx.Tensor, float dtypes.DType) []port {
	var out []port
	for _, info := range infos {
		t := given[info.Name]
		d, ok := goType(t.DType(), float)
		if !ok {
			fail("convert: input %q: values of type %v are not supported", info.Name, t.DType())
		}
		out = append(out, port{name: inputKey(info.Name), shape: shapes.Make(d, t.Shape()...)})
	}
	return out
}

// paramPorts describes parameters as inputs of a program.
func paramPorts(params []*Param, float dtypes.DType) []port {
	var out []port
	for _, p := range params {
		out = append(out, port{name: paramKey(p.Name), shape: shapes.Make(float, p.Shape...)})
	}
	return out
}

// modelInputs picks the nodes of the model's inputs.
func modelInputs(g *Graph, in map[string]*graph.Node) map[string]*graph.Node {
	out := map[string]*graph.Node{}
	for _, info := range g.Inputs() {
		out[info.Name] = in[inputKey(info.Name)]
	}
	return out
}

// paramNodes picks the nodes of parameters.
func paramNodes(params []*Param, in map[string]*graph.Node) map[string]*graph.Node {
	out := map[string]*graph.Node{}
	for _, p := range params {
		if n := in[paramKey(p.Name)]; n != nil {
			out[p.Name] = n
		}
	}
	return out
}

// shapeKey checks the inputs against the model and tells combinations of shapes apart.
func (g *Graph) shapeKey(inputs map[string]*onnx.Tensor) (string, error) {
	var parts []string
	for _, info := range g.Inputs() {
		t := inputs[info.Name]
		if t == nil {
			return "", fmt.Errorf("convert: input %q is missing", info.Name)
		}
		// The graph computes half precision in float32, so an input of that type is as good.
		if t.DType() != info.DType && (!half(info.DType) || t.DType() != onnx.Float32) {
			return "", fmt.Errorf("convert: input %q: want %v, got %v", info.Name, info.DType, t.DType())
		}
		if err := fits(info, t.Shape()); err != nil {
			return "", err
		}
		parts = append(parts, fmt.Sprint(info.Name, t.Shape()))
	}
	sort.Strings(parts)
	return strings.Join(parts, ";"), nil
}

// half reports whether a type is a float of 16 bits.
func half(t onnx.DType) bool { return t == onnx.Float16 || t == onnx.BFloat16 }

// fits compares a shape with what the model declares.
func fits(info onnx.ValueInfo, shape []int) error {
	if info.Shape == nil {
		return nil
	}
	ok := len(shape) == len(info.Shape)
	for i := 0; ok && i < len(shape); i++ {
		ok = info.Shape[i] < 0 || info.Shape[i] == shape[i]
	}
	if !ok {
		return fmt.Errorf("convert: input %q: want shape %v, got %v", info.Name, info.Shape, shape)
	}
	return nil
}
