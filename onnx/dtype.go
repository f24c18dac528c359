package onnx

import "fmt"

// DType is the type of a tensor's elements, numbered as TensorProto.DataType.
type DType int32

// The element types of ONNX.
const (
	Undefined  DType = 0
	Float32    DType = 1
	Uint8      DType = 2
	Int8       DType = 3
	Uint16     DType = 4
	Int16      DType = 5
	Int32      DType = 6
	Int64      DType = 7
	String     DType = 8
	Bool       DType = 9
	Float16    DType = 10
	Float64    DType = 11
	Uint32     DType = 12
	Uint64     DType = 13
	Complex64  DType = 14
	Complex128 DType = 15
	BFloat16   DType = 16

	Float8E4M3FN   DType = 17
	Float8E4M3FNUZ DType = 18
	Float8E5M2     DType = 19
	Float8E5M2FNUZ DType = 20
	Uint4          DType = 21
	Int4           DType = 22
	Float4E2M1     DType = 23
	Float8E8M0     DType = 24
	Uint2          DType = 25
	Int2           DType = 26
)

// Size returns the bytes that an element takes, 0 for strings and for types of less than a byte.
func (d DType) Size() int { return d.Bits() / 8 }

// Bits returns the bits that an element takes in raw data, 0 for strings and unknown types.
func (d DType) Bits() int {
	switch d {
	case Uint2, Int2:
		return 2
	case Uint4, Int4, Float4E2M1:
		return 4
	case Uint8, Int8, Bool, Float8E4M3FN, Float8E4M3FNUZ, Float8E5M2, Float8E5M2FNUZ, Float8E8M0:
		return 8
	case Uint16, Int16, Float16, BFloat16:
		return 16
	case Float32, Int32, Uint32:
		return 32
	case Float64, Int64, Uint64, Complex64:
		return 64
	case Complex128:
		return 128
	default:
		return 0
	}
}

// Float reports whether the type is a real floating point type that trains: float16, bfloat16, float32, float64.
func (d DType) Float() bool {
	return d == Float32 || d == Float64 || d == Float16 || d == BFloat16
}

// Integer reports whether the type is a signed or unsigned integer of at least a byte.
func (d DType) Integer() bool {
	switch d {
	case Uint8, Int8, Uint16, Int16, Uint32, Int32, Uint64, Int64:
		return true
	default:
		return false
	}
}

// Known reports whether d is an element type of ONNX.
func (d DType) Known() bool { return d >= Float32 && d <= Int2 }

// bytesFor returns the bytes that n elements take; elements of less than a byte are packed.
func (d DType) bytesFor(n int) int {
	bits := d.Bits()
	if bits >= 8 {
		return n * (bits / 8)
	}
	return (n*bits + 7) / 8
}

// String returns the name that numpy and ml_dtypes use: "float32", "int64", "bfloat16", ...
func (d DType) String() string {
	names := [...]string{
		"undefined", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string",
		"bool", "float16", "float64", "uint32", "uint64", "complex64", "complex128", "bfloat16",
		"float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "uint4", "int4", "float4_e2m1fn",
		"float8_e8m0fnu", "uint2", "int2",
	}
	if d >= 0 && int(d) < len(names) {
		return names[d]
	}
	return fmt.Sprintf("type %d", int32(d))
}
