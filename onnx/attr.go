package onnx

import "github.com/nitrain/nitrain/onnx/internal/pb"

// AttrKind is the type of an attribute's value, numbered as AttributeProto.AttributeType.
type AttrKind int32

// The kinds of attributes.
const (
	KindUndefined     AttrKind = 0
	KindFloat         AttrKind = 1
	KindInt           AttrKind = 2
	KindString        AttrKind = 3
	KindTensor        AttrKind = 4
	KindGraph         AttrKind = 5
	KindFloats        AttrKind = 6
	KindInts          AttrKind = 7
	KindStrings       AttrKind = 8
	KindTensors       AttrKind = 9
	KindGraphs        AttrKind = 10
	KindSparseTensor  AttrKind = 11
	KindSparseTensors AttrKind = 12
	KindType          AttrKind = 13
	KindTypes         AttrKind = 14
)

// String returns the name used in messages: "int", "floats", "tensor", ...
func (k AttrKind) String() string {
	names := [...]string{
		"undefined", "float", "int", "string", "tensor", "graph", "floats", "ints", "strings",
		"tensors", "graphs", "sparse tensor", "sparse tensors", "type", "types",
	}
	if k >= 0 && int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Attr is an attribute of a node: a name and the one value that Kind says. Of the kinds sparse tensor and
// type only the presence is known; they are kept when the model is written.
type Attr struct {
	Name string
	Kind AttrKind
	// Ref names the attribute of the enclosing function that supplies the value; "" elsewhere.
	Ref string

	F       float32
	I       int64
	S       string
	T       *Tensor
	G       *Graph
	Floats  []float32
	Ints    []int64
	Strings []string
	Tensors []*Tensor
	Graphs  []*Graph

	from   origin
	fields uint32 // bit per value field found in the file, by AttrKind
}

// origin is the message in a file that a value was read from; the zero value is none.
type origin struct {
	src  *pb.Source
	body pb.Span
}

func (o origin) known() bool { return o.src != nil }

// IntAttr returns an attribute with an integer.
func IntAttr(name string, v int64) Attr { return Attr{Name: name, Kind: KindInt, I: v} }

// FloatAttr returns an attribute with a number.
func FloatAttr(name string, v float32) Attr { return Attr{Name: name, Kind: KindFloat, F: v} }

// StringAttr returns an attribute with a string.
func StringAttr(name, v string) Attr { return Attr{Name: name, Kind: KindString, S: v} }

// IntsAttr returns an attribute with a list of integers.
func IntsAttr(name string, v ...int64) Attr { return Attr{Name: name, Kind: KindInts, Ints: v} }

// FloatsAttr returns an attribute with a list of numbers.
func FloatsAttr(name string, v ...float32) Attr { return Attr{Name: name, Kind: KindFloats, Floats: v} }

// TensorAttr returns an attribute with a tensor.
func TensorAttr(name string, t *Tensor) Attr { return Attr{Name: name, Kind: KindTensor, T: t} }

// GraphAttr returns an attribute with a subgraph.
func GraphAttr(name string, g *Graph) Attr { return Attr{Name: name, Kind: KindGraph, G: g} }
