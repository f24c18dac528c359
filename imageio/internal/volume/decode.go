package volume

import (
	"encoding/binary"
	"math"
)

// Floats decodes len(dst) samples of one component from src, scaling each in float64.
// A complex sample gives its magnitude. src must hold len(dst) * t.Size() bytes.
func Floats(dst []float32, src []byte, t Type, big bool, slope, inter float64) {
	if slope != 1 || inter != 0 || t.Complex() {
		scaledFloats(dst, src, t, big, slope, inter)
		return
	}
	if big {
		plainFloats(dst, src, t, binary.BigEndian)
		return
	}
	plainFloats(dst, src, t, binary.LittleEndian)
}

// byteOrder is instantiated with concrete types so that the loads are inlined.
type byteOrder interface {
	Uint16([]byte) uint16
	Uint32([]byte) uint32
	Uint64([]byte) uint64
}

func plainFloats[O byteOrder](dst []float32, src []byte, t Type, o O) {
	switch t {
	case Uint8, RGB24, RGBA32:
		for i := range dst {
			dst[i] = float32(src[i])
		}
	case Int8:
		for i := range dst {
			dst[i] = float32(int8(src[i]))
		}
	case Uint16:
		for i := range dst {
			dst[i] = float32(o.Uint16(src[2*i:]))
		}
	case Int16:
		for i := range dst {
			dst[i] = float32(int16(o.Uint16(src[2*i:])))
		}
	case Uint32:
		for i := range dst {
			dst[i] = float32(o.Uint32(src[4*i:]))
		}
	case Int32:
		for i := range dst {
			dst[i] = float32(int32(o.Uint32(src[4*i:])))
		}
	case Uint64:
		for i := range dst {
			dst[i] = float32(o.Uint64(src[8*i:]))
		}
	case Int64:
		for i := range dst {
			dst[i] = float32(int64(o.Uint64(src[8*i:])))
		}
	case Float32:
		for i := range dst {
			dst[i] = math.Float32frombits(o.Uint32(src[4*i:]))
		}
	case Float64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(o.Uint64(src[8*i:])))
		}
	}
}

func scaledFloats(dst []float32, src []byte, t Type, big bool, slope, inter float64) {
	var block [512]float64
	for len(dst) > 0 {
		n := min(len(dst), len(block))
		if t.Complex() {
			var parts [1024]float64
			Float64s(parts[:2*n], src, t, big)
			for i := range n {
				block[i] = math.Hypot(Scale(parts[2*i], slope, inter), Scale(parts[2*i+1], slope, inter))
			}
		} else {
			Float64s(block[:n], src, t, big)
			for i, v := range block[:n] {
				block[i] = Scale(v, slope, inter)
			}
		}
		for i, v := range block[:n] {
			dst[i] = float32(v)
		}
		dst, src = dst[n:], src[n*t.Size():]
	}
}

// Scale applies slope and intercept as nibabel does: a step that changes nothing is left out, so that not
// even the sign of a zero differs, and the product is rounded before the sum on every machine.
func Scale(v, slope, inter float64) float64 {
	if slope != 1 {
		v = float64(v * slope)
	}
	if inter != 0 {
		v += inter
	}
	return v
}

// Float64s decodes numbers, exactly but for 64-bit integers beyond 2^53. A complex sample gives two.
func Float64s(dst []float64, src []byte, t Type, big bool) {
	if big {
		float64s(dst, src, t, binary.BigEndian)
		return
	}
	float64s(dst, src, t, binary.LittleEndian)
}

func float64s[O byteOrder](dst []float64, src []byte, t Type, o O) {
	switch t {
	case Uint8, RGB24, RGBA32:
		for i := range dst {
			dst[i] = float64(src[i])
		}
	case Int8:
		for i := range dst {
			dst[i] = float64(int8(src[i]))
		}
	case Uint16:
		for i := range dst {
			dst[i] = float64(o.Uint16(src[2*i:]))
		}
	case Int16:
		for i := range dst {
			dst[i] = float64(int16(o.Uint16(src[2*i:])))
		}
	case Uint32:
		for i := range dst {
			dst[i] = float64(o.Uint32(src[4*i:]))
		}
	case Int32:
		for i := range dst {
			dst[i] = float64(int32(o.Uint32(src[4*i:])))
		}
	case Uint64:
		for i := range dst {
			dst[i] = float64(o.Uint64(src[8*i:]))
		}
	case Int64:
		for i := range dst {
			dst[i] = float64(int64(o.Uint64(src[8*i:])))
		}
	case Float32, Complex64:
		for i := range dst {
			dst[i] = float64(math.Float32frombits(o.Uint32(src[4*i:])))
		}
	case Float64, Complex128:
		for i := range dst {
			dst[i] = math.Float64frombits(o.Uint64(src[8*i:]))
		}
	}
}
