package convert

import (
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/nitrain/nitrain/onnx"
)

// value is what an ONNX name stands for while a graph is built for one set of input shapes: an array that
// the host knows, a node of the GoMLX graph, or both (a constant that some node needed).
type value struct {
	dtype onnx.DType
	shape []int
	// host is set for constants: operators whose inputs are all constants run on the host.
	host *host
	// hint is a parameter's stored value. It serves operators that need a number while the graph is built
	// (the scales of a Resize, an exponent) and never replaces the node.
	hint *host
	// late computes the array of a constant that has none yet; nil where the value is no constant.
	late func() (*host, error)
	node *graph.Node
	// base, if there is one, differs from node by one number a channel (axis 1). Normalisations that remove
	// such a shift start from it: the shift's gradient is then exactly zero and not rounding noise.
	base *graph.Node
	// param names the parameter whose value this is, through Identity.
	param string
	// list holds the elements of a sequence; then everything else is empty.
	list []*value
	// isList tells an empty sequence from an array.
	isList bool
	// none marks an optional that holds nothing.
	none bool
	// missing marks a value whose node could not be built; what depends on it is skipped.
	missing bool
}

// hostValue returns a constant.
func hostValue(h *host) *value { return &value{dtype: h.dtype, shape: h.shape, host: h} }

// rank returns the number of axes.
func (v *value) rank() int { return len(v.shape) }

// known returns the array if its elements can be used while the graph is built.
func (v *value) known() (*host, bool) {
	if v.host == nil && v.late != nil {
		h, err := v.late()
		if err != nil {
			failWith(err)
		}
		v.host = h
	}
	if v.host != nil {
		return v.host, true
	}
	return v.hint, v.hint != nil
}

// goType returns the GoMLX type in which values of an ONNX type are computed: half precision floats take
// the graph's own float type, and so do the small floats; whole numbers of less than a byte take a byte.
func goType(t onnx.DType, float dtypes.DType) (dtypes.DType, bool) {
	switch t {
	case onnx.Float32, onnx.Float16, onnx.BFloat16:
		return float, true
	case onnx.Float64:
		return dtypes.Float64, true
	case onnx.Bool:
		return dtypes.Bool, true
	case onnx.Int8, onnx.Int4, onnx.Int2:
		return dtypes.Int8, true
	case onnx.Int16:
		return dtypes.Int16, true
	case onnx.Int32:
		return dtypes.Int32, true
	case onnx.Int64:
		return dtypes.Int64, true
	case onnx.Uint8, onnx.Uint4, onnx.Uint2:
		return dtypes.Uint8, true
	case onnx.Uint16:
		return dtypes.Uint16, true
	case onnx.Uint32:
		return dtypes.Uint32, true
	case onnx.Uint64:
		return dtypes.Uint64, true
	}
	if _, ok := smallFloat(t); ok {
		return float, true
	}
	return dtypes.InvalidDType, false
}

// constant makes a graph constant of a host array.
func constant(g *graph.Graph, h *host, dtype dtypes.DType) *graph.Node {
	if n := h.len(); n > 1 && uniform(h) {
		scalar := constant(g, h.pick(nil, []int{0}), dtype)
		return graph.BroadcastToDims(scalar, h.shape...)
	}
	t := tensors.FromShape(shapes.Make(dtype, h.shape...))
	t.MustMutableFlatData(func(flat any) { fillFlat(flat, h) })
	return graph.ConstTensor(g, t)
}

// uniform says whether all elements are the same.
func uniform(h *host) bool {
	if isReal(h.dtype) {
		return !slices.ContainsFunc(h.floats, func(v float64) bool { return v != h.floats[0] })
	}
	return !slices.ContainsFunc(h.ints, func(v int64) bool { return v != h.ints[0] })
}

// fillFlat writes a host array into the flat storage of a GoMLX tensor.
func fillFlat(flat any, h *host) {
	switch d := flat.(type) {
	case []float32:
		for i := range d {
			d[i] = float32(h.at(i))
		}
	case []float64:
		for i := range d {
			d[i] = h.at(i)
		}
	case []bool:
		for i := range d {
			d[i] = h.at(i) != 0
		}
	case []int8:
		fillInts(d, h)
	case []int16:
		fillInts(d, h)
	case []int32:
		fillInts(d, h)
	case []int64:
		fillInts(d, h)
	case []uint8:
		fillInts(d, h)
	case []uint16:
		fillInts(d, h)
	case []uint32:
		fillInts(d, h)
	case []uint64:
		fillInts(d, h)
	default:
		fail("no constants of type %T", flat)
	}
}

// fillInts is fillFlat for one integer type.
func fillInts[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64](d []T, h *host) {
	for i := range d {
		if isReal(h.dtype) {
			d[i] = T(toInt(h.floats[i]))
		} else {
			d[i] = T(h.ints[i])
		}
	}
}

// Types of indices and of truth values in the graph.
const (
	indexType = dtypes.Int64
	boolType  = dtypes.Bool
)
