package oip

import "github.com/nitrain/nitrain/onnx"

// datatype pairs the protocol's name of an element type with ours.
type datatype struct {
	name  string
	dtype onnx.DType
}

func datatypes() []datatype {
	return []datatype{
		{"BOOL", onnx.Bool},
		{"UINT8", onnx.Uint8},
		{"UINT16", onnx.Uint16},
		{"UINT32", onnx.Uint32},
		{"UINT64", onnx.Uint64},
		{"INT8", onnx.Int8},
		{"INT16", onnx.Int16},
		{"INT32", onnx.Int32},
		{"INT64", onnx.Int64},
		{"FP16", onnx.Float16},
		{"FP32", onnx.Float32},
		{"FP64", onnx.Float64},
		{"BF16", onnx.BFloat16},
		{"BYTES", onnx.String},
	}
}

// Datatype returns the protocol's name of an element type; types that it has no name for keep ONNX's.
func Datatype(d onnx.DType) string {
	for _, t := range datatypes() {
		if t.dtype == d {
			return t.name
		}
	}
	return d.String()
}

// ParseDatatype returns the element type of a name.
func ParseDatatype(name string) (onnx.DType, bool) {
	for _, t := range datatypes() {
		if t.name == name {
			return t.dtype, true
		}
	}
	return onnx.Undefined, false
}
