package convert

import (
	"context"
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/nitrain/nitrain/onnx"
)

// gradient is Gradient.
func (g *Graph) gradient(ctx context.Context, b *Backend, inputs, cotangents map[string]*onnx.Tensor, training bool) (out *Gradients, err error) {
	defer recoverTo(&err)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if _, err := g.shapeKey(inputs); err != nil {
		return nil, err
	}
	r := &Runner{graph: g, backend: b, float: b.float, mode: Mode{Training: training}, params: map[string]held{}, programs: map[string]*program{}}
	defer func() { _ = r.Close() }()
	p, err := r.compileGradient(inputs, cotangents)
	if err != nil {
		return nil, err
	}
	r.programs["gradient"] = p
	feed, own, err := r.feed(inputs)
	defer func() { free(own...) }()
	if err != nil {
		return nil, err
	}
	for name, t := range cotangents {
		up, err := upload(t, r.float)
		if err != nil {
			return nil, fmt.Errorf("convert: cotangent %q: %w", name, err)
		}
		own = append(own, up)
		feed[cotKey(name)] = up
	}
	got, err := p.run(feed)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, t := range got {
			free(t)
		}
	}()
	return g.readGradients(got)
}

func cotKey(name string) string  { return "cot/" + name }
func outKey(name string) string  { return "out/" + name }
func gradKey(name string) string { return "grad/" + name }

// compileGradient builds outputs, loss and gradients.
func (r *Runner) compileGradient(inputs, cotangents map[string]*onnx.Tensor) (*program, error) {
	g := r.graph
	ports := append(inputPorts(g.Inputs(), inputs, r.float), paramPorts(g.params, r.float)...)
	var infos []onnx.ValueInfo
	for _, info := range g.Outputs() {
		if cotangents[info.Name] != nil {
			infos = append(infos, info)
		}
	}
	for _, q := range inputPorts(infos, cotangents, r.float) {
		ports = append(ports, port{name: cotKey(q.name[len(inputKey("")):]), shape: q.shape})
	}
	return compile(r.backend, "gradient", ports, func(gg *graph.Graph, in map[string]*graph.Node) []result {
		b := &builder{graph: gg, float: r.float}
		outs, _ := g.build(b, modelInputs(g, in), paramNodes(g.params, in), r.mode)
		var loss *graph.Node
		var list []result
		for _, info := range g.Outputs() {
			y := outs[info.Name]
			list = append(list, result{outKey(info.Name), y})
			cot := in[cotKey(info.Name)]
			if cot == nil {
				continue
			}
			part := graph.ReduceAllSum(graph.Mul(y, cot))
			if loss == nil {
				loss = part
			} else {
				loss = graph.Add(loss, part)
			}
		}
		if loss == nil {
			fail("no output has a cotangent")
		}
		list = append(list, result{lossKey, loss})
		return append(list, r.gradientsOf(loss, in)...)
	})
}

// gradientsOf differentiates with respect to the float inputs and the parameters that are no state.
func (r *Runner) gradientsOf(loss *graph.Node, in map[string]*graph.Node) []result {
	var keys []string
	var wrt []*graph.Node
	for _, info := range r.graph.Inputs() {
		if n := in[inputKey(info.Name)]; n.DType().IsFloat() {
			keys, wrt = append(keys, inputKey(info.Name)), append(wrt, n)
		}
	}
	for _, p := range r.graph.params {
		if !p.State {
			keys, wrt = append(keys, paramKey(p.Name)), append(wrt, in[paramKey(p.Name)])
		}
	}
	var list []result
	for i, n := range graph.Gradient(loss, wrt...) {
		list = append(list, result{gradKey(keys[i]), n})
	}
	return list
}

// readGradients copies the results of a gradient program.
func (g *Graph) readGradients(got map[string]*tensors.Tensor) (*Gradients, error) {
	out := &Gradients{Outputs: map[string]*onnx.Tensor{}, Inputs: map[string]*onnx.Tensor{}, Params: map[string]*onnx.Tensor{}}
	out.Loss = scalarOf(got[lossKey])
	var err error
	for _, info := range g.Outputs() {
		if out.Outputs[info.Name], err = download(got[outKey(info.Name)], onnx.Undefined); err != nil {
			return nil, err
		}
	}
	for _, info := range g.Inputs() {
		if t := got[gradKey(inputKey(info.Name))]; t != nil {
			if out.Inputs[info.Name], err = download(t, onnx.Undefined); err != nil {
				return nil, err
			}
		}
	}
	for _, p := range g.params {
		if t := got[gradKey(paramKey(p.Name))]; t != nil {
			if out.Params[p.Name], err = download(t, onnx.Undefined); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// scalarOf reads a float scalar.
func scalarOf(t *tensors.Tensor) float64 {
	if t.DType() == dtypes.Float64 {
		return tensors.ToScalar[float64](t)
	}
	return float64(tensors.ToScalar[float32](t))
}

// scalarTensor makes a float scalar.
func scalarTensor(v float64, dtype dtypes.DType) *tensors.Tensor {
	if dtype == dtypes.Float64 {
		return tensors.FromScalar(v)
	}
	return tensors.FromScalar(float32(v))
}
