package volume

// Type is the type of a stored sample.
type Type uint8

// The types that files hold. The zero Type is none of them.
const (
	Invalid Type = iota
	Uint8
	Int8
	Uint16
	Int16
	Uint32
	Int32
	Uint64
	Int64
	Float32
	Float64
	Complex64
	Complex128
	RGB24
	RGBA32
)

// Size returns the bytes of one sample, colour components together.
func (t Type) Size() int {
	switch t {
	case Uint8, Int8:
		return 1
	case Uint16, Int16:
		return 2
	case RGB24:
		return 3
	case Uint32, Int32, Float32, RGBA32:
		return 4
	case Uint64, Int64, Float64, Complex64:
		return 8
	case Complex128:
		return 16
	}
	return 0
}

// Components returns 3 for RGB24, 4 for RGBA32 and else 1: real and imaginary part are one sample.
func (t Type) Components() int {
	switch t {
	case RGB24:
		return 3
	case RGBA32:
		return 4
	}
	return 1
}

// Integer reports whether samples are whole numbers.
func (t Type) Integer() bool { return t >= Uint8 && t <= Int64 }

// Complex reports whether samples have an imaginary part.
func (t Type) Complex() bool { return t == Complex64 || t == Complex128 }

// String returns the plain name: "int16", "rgb24".
func (t Type) String() string {
	names := [...]string{
		"invalid", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64",
		"float32", "float64", "complex64", "complex128", "rgb24", "rgba32",
	}
	if int(t) < len(names) {
		return names[t]
	}
	return "invalid"
}

// Numpy returns the type as numpy prints it on a little-endian machine: "int16", ">i2" for big-endian
// samples, a list of fields for colours.
func (t Type) Numpy(big bool) string {
	switch t {
	case RGB24:
		return "[('R', 'u1'), ('G', 'u1'), ('B', 'u1')]"
	case RGBA32:
		return "[('R', 'u1'), ('G', 'u1'), ('B', 'u1'), ('A', 'u1')]"
	}
	if !big || t.Size() == 1 {
		return t.String()
	}
	codes := [...]string{"", "", "", ">u2", ">i2", ">u4", ">i4", ">u8", ">i8", ">f4", ">f8", ">c8", ">c16"}
	return codes[t]
}
