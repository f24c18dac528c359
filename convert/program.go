package convert

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/distributed"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/nitrain/nitrain/onnx"
)

// program is a compiled GoMLX graph with named inputs and outputs, in order.
type program struct {
	graph   *graph.Graph
	backend *Backend
	inputs  []string
	outputs []string
	divided map[string]bool // inputs that each device has a part of
}

// port is an input of a program to be.
type port struct {
	name    string
	shape   shapes.Shape
	divided bool // along axis 0, among the devices; others are on each device whole
}

// result is an output of a program to be.
type result struct {
	name string
	node *graph.Node
}

// compile builds and compiles a graph.
func compile(b *Backend, name string, ports []port, build func(g *graph.Graph, in map[string]*graph.Node) []result) (p *program, err error) {
	return compileOn(b, nil, name, ports, build)
}

// compileOn builds and compiles a graph for the devices of a mesh; nil is one device.
func compileOn(b *Backend, mesh *distributed.DeviceMesh, name string, ports []port, build func(g *graph.Graph, in map[string]*graph.Node) []result) (p *program, err error) {
	defer recoverTo(&err)
	g := graph.NewGraph(b.compute, name)
	if mesh != nil {
		if err := g.SetAutoSharding(mesh); err != nil {
			return nil, err
		}
	}
	p = &program{graph: g, backend: b, divided: map[string]bool{}}
	in := make(map[string]*graph.Node, len(ports))
	for i, port := range ports {
		in[port.name] = graph.ShardedParameter(g, fmt.Sprintf("p%d", i), port.shape, port.sharding(mesh))
		p.inputs = append(p.inputs, port.name)
		p.divided[port.name] = port.divided
	}
	var nodes []*graph.Node
	var whole []*distributed.ShardingSpec
	for _, r := range build(g, in) {
		p.outputs = append(p.outputs, r.name)
		nodes = append(nodes, r.node)
		if mesh != nil {
			whole = append(whole, distributed.NewReplicatedShardingSpec(mesh))
		}
	}
	if len(nodes) == 0 {
		fail("the graph has no outputs")
	}
	if err := g.CompileWithSharding(nodes, whole); err != nil {
		return nil, fmt.Errorf("convert: engine: %w", firstLine(err))
	}
	return p, nil
}

// devices returns on how many devices the program runs.
func (p *program) devices() int { return p.graph.NumDevices() }

// run executes a program of one device.
func (p *program) run(in map[string]*tensors.Tensor) (map[string]*tensors.Tensor, error) {
	out, err := p.runOn([]map[string]*tensors.Tensor{in}, nil)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// runOn executes the program with the inputs of each device. Tensors in donate give their memory up and must not be used
// afterwards. Where the engine is stopped before it overwrites any of it, the first device's inputs are tensors of what was
// donated, as it was.
func (p *program) runOn(in []map[string]*tensors.Tensor, donate map[string]bool) (out []map[string]*tensors.Tensor, err error) {
	given := map[string]compute.Buffer{}
	defer func() {
		if err != nil {
			restore(in[0], given)
		}
	}()
	defer recoverTo(&err)
	if len(in) != p.devices() {
		return nil, fmt.Errorf("convert: want inputs for %d devices, got %d", p.devices(), len(in))
	}
	args := make([]any, 0, len(p.inputs)*len(in))
	for device, feed := range in {
		for _, name := range p.inputs {
			t := feed[name]
			if t == nil {
				return nil, fmt.Errorf("convert: input %q is missing", name)
			}
			var arg any = t
			if donate[name] {
				if device == 0 {
					if given[name], err = t.Buffer(p.backend.compute, 0); err != nil {
						return nil, err
					}
				}
				if arg, err = graph.DonateTensorBuffer(t, p.backend.compute, compute.DeviceNum(device)); err != nil {
					return nil, err
				}
			}
			args = append(args, arg)
		}
	}
	results := p.graph.Run(args...)
	for device := range in {
		outputs := make(map[string]*tensors.Tensor, len(p.outputs))
		for i, name := range p.outputs {
			outputs[name] = results[device*len(p.outputs)+i]
		}
		out = append(out, outputs)
	}
	return out, nil
}

// restore makes tensors of buffers that were to be donated and are still there.
func restore(in map[string]*tensors.Tensor, given map[string]compute.Buffer) {
	for name, buffer := range given {
		if t, err := tensors.FromBuffer(buffer); err == nil {
			in[name] = t
		}
	}
}

// close frees the compiled graph.
func (p *program) close() { p.graph.Finalize() }

// free lets go of the memory of tensors, on the device too.
func free(list ...*tensors.Tensor) {
	for _, t := range list {
		if t != nil {
			// An error here means that the memory is gone already.
			_ = t.FinalizeAll()
		}
	}
}

// upload makes a GoMLX tensor of an ONNX one; half-precision floats become float, which is the graph's type.
func upload(t *onnx.Tensor, float dtypes.DType) (out *tensors.Tensor, err error) {
	defer recoverTo(&err)
	dtype, ok := goType(t.DType(), float)
	if !ok {
		return nil, fmt.Errorf("convert: values of type %v are not supported", t.DType())
	}
	h, err := hostTensor(t)
	if err != nil {
		return nil, err
	}
	return uploadHost(h, dtype), nil
}

// uploadHost makes a GoMLX tensor of an array.
func uploadHost(h *host, dtype dtypes.DType) *tensors.Tensor {
	t := tensors.FromShape(shapes.Make(dtype, h.shape...))
	t.MustMutableFlatData(func(flat any) { fillFlat(flat, h) })
	return t
}

// uploadFloats makes a float32 or float64 GoMLX tensor.
func uploadFloats(values []float32, shape []int, dtype dtypes.DType) *tensors.Tensor {
	t := tensors.FromShape(shapes.Make(dtype, shape...))
	t.MustMutableFlatData(func(flat any) {
		switch d := flat.(type) {
		case []float32:
			copy(d, values)
		case []float64:
			for i, v := range values {
				d[i] = float64(v)
			}
		}
	})
	return t
}

// download copies a GoMLX tensor into an ONNX one of the wanted type.
func download(t *tensors.Tensor, want onnx.DType) (out *onnx.Tensor, err error) {
	defer recoverTo(&err)
	shape := t.Shape().Dimensions
	if want == onnx.Undefined {
		want = onnxType(t.DType())
	}
	if _, ok := smallFloat(want); ok || want.Known() && want.Bits() > 0 && want.Bits() < 8 {
		return downloadHost(t, want).tensor()
	}
	if t.DType() == dtypes.Float32 && want.Float() && want != onnx.Float64 {
		return fromFloats(tensors.MustCopyFlatData[float32](t), shape, want)
	}
	if native, ok := goType(want, dtypes.Float32); !ok || native != t.DType() {
		if t.DType() != dtypes.Float64 {
			return nil, fmt.Errorf("convert: want values of type %v, got %v", want, t.DType())
		}
		wide := tensors.MustCopyFlatData[float64](t)
		values := make([]float32, len(wide))
		for i, v := range wide {
			values[i] = float32(v)
		}
		return fromFloats(values, shape, want)
	}
	var raw []byte
	if err := t.ConstBytes(func(data []byte) { raw = append(raw, data...) }); err != nil {
		return nil, err
	}
	return onnx.NewTensor(want, shape, raw)
}

// fromFloats makes a tensor of any float type.
func fromFloats(values []float32, shape []int, want onnx.DType) (*onnx.Tensor, error) {
	t, err := onnx.FromFloat32(shape, values)
	if err != nil || want == onnx.Float32 {
		return t, err
	}
	t, _, err = t.Convert(want)
	return t, err
}

// onnxType is the ONNX type of a GoMLX type.
func onnxType(d dtypes.DType) onnx.DType {
	for t := onnx.Float32; t <= onnx.Uint64; t++ {
		if g, ok := goType(t, dtypes.Float32); ok && g == d && t != onnx.Float16 {
			return t
		}
	}
	return onnx.Undefined
}
