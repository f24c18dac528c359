package ort

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/nitrain/nitrain/onnx"
)

// annex is what a model gets added so that the binding can run it. The binding cannot take over outputs
// without axes, outputs of half precision, or run a model that has no inputs. So such an output is computed in
// a form that passes (float32, one axis) together with its shape, and a model without inputs gets an unused one.
//
// Nothing in the model is parsed or changed: serialized protobuf messages merge when they are put one behind
// the other, so the added nodes are simply appended to the model's bytes.
type annex struct {
	forms []form // one per output
	dummy bool   // the unused input exists
}

// form is how an output is fetched.
type form int

const (
	direct    form = iota // as it is
	widened               // as float32
	flat                  // in one axis, with its shape
	flatWiden             // both
)

const prefix = "nitrain.ort/" // of every added name

func newAnnex(inputs, outputs []onnx.ValueInfo) annex {
	a := annex{dummy: len(inputs) == 0, forms: make([]form, len(outputs))}
	for i, v := range outputs {
		half := isHalf(v.DType)
		switch {
		case half && len(v.Shape) == 0:
			a.forms[i] = flatWiden
		case half:
			a.forms[i] = widened
		case len(v.Shape) == 0:
			a.forms[i] = flat
		}
	}
	return a
}

func isHalf(d onnx.DType) bool { return d == onnx.Float16 || d == onnx.BFloat16 }

// empty reports whether the model runs as it is.
func (a annex) empty() bool {
	for _, f := range a.forms {
		if f != direct {
			return false
		}
	}
	return !a.dummy
}

// names returns the names of the inputs to feed and of the outputs to fetch.
func (a annex) names(inputs, outputs []onnx.ValueInfo) (in, out []string) {
	for _, v := range inputs {
		in = append(in, v.Name)
	}
	if a.dummy {
		in = append(in, prefix+"unused")
	}
	for i, v := range outputs {
		switch a.forms[i] {
		case direct:
			out = append(out, v.Name)
		case widened:
			out = append(out, added(i, "wide"))
		default:
			out = append(out, added(i, "flat"), added(i, "shape"))
		}
	}
	return in, out
}

// fetched returns how many tensors the outputs are fetched as.
func (a annex) fetched() int {
	n := len(a.forms)
	for _, f := range a.forms {
		if f == flat || f == flatWiden {
			n++
		}
	}
	return n
}

func added(i int, what string) string { return fmt.Sprintf("%s%d/%s", prefix, i, what) }

// bytes returns what to append to the model.
func (a annex) bytes(outputs []onnx.ValueInfo) []byte {
	var g message // GraphProto: node 1, initializer 5, input 11, output 12
	if a.dummy {
		g.message(11, tensorInfo(prefix+"unused", onnx.Uint8, []int{1}))
	}
	needsMinusOne := false
	for i, v := range outputs {
		from := v.Name
		if f := a.forms[i]; f == widened || f == flatWiden {
			g.message(1, node("Cast", []string{from}, added(i, "wide"), "to", int64(onnx.Float32)))
			from = added(i, "wide")
		}
		switch f := a.forms[i]; f {
		case direct:
		case widened:
			g.message(12, tensorInfo(from, onnx.Float32, nil))
		case flat, flatWiden:
			dtype := v.DType
			if f == flatWiden {
				dtype = onnx.Float32
			}
			needsMinusOne = true
			g.message(1, node("Reshape", []string{from, prefix + "-1"}, added(i, "flat"), "", 0))
			g.message(1, node("Shape", []string{v.Name}, added(i, "shape"), "", 0))
			g.message(12, tensorInfo(added(i, "flat"), dtype, []int{-1}))
			g.message(12, tensorInfo(added(i, "shape"), onnx.Int64, []int{-1}))
		}
	}
	if needsMinusOne {
		g.message(5, int64Tensor(prefix+"-1", -1))
	}
	var model message
	model.message(7, g) // ModelProto.graph
	return model
}

// collect puts the model's outputs together from the fetched tensors.
func (a annex) collect(outputs []onnx.ValueInfo, fetched []*onnx.Tensor) (map[string]*onnx.Tensor, error) {
	out := make(map[string]*onnx.Tensor, len(outputs))
	for i, v := range outputs {
		t, rest, shape := fetched[0], fetched[1:], fetched[0].Shape()
		if f := a.forms[i]; f == flat || f == flatWiden {
			raw, err := rest[0].Bytes()
			if err != nil {
				return nil, err
			}
			shape, rest = dims(raw), rest[1:]
		}
		fetched = rest
		t, err := restore(t, v.DType, shape)
		if err != nil {
			return nil, fmt.Errorf("output %q: %w", v.Name, err)
		}
		out[v.Name] = t
	}
	return out, nil
}

// restore returns t with the type and the shape that the model gave it.
func restore(t *onnx.Tensor, dtype onnx.DType, shape []int) (*onnx.Tensor, error) {
	raw, err := t.Bytes()
	if err != nil {
		return nil, err
	}
	if t.DType() != dtype {
		if raw, err = narrow(raw, dtype); err != nil {
			return nil, err
		}
	}
	return onnx.NewTensor(dtype, shape, raw)
}

// narrow turns float32 values that came from a half-precision type back into it; that loses nothing.
func narrow(raw []byte, dtype onnx.DType) ([]byte, error) {
	out := make([]byte, len(raw)/2)
	for i := 0; i < len(raw); i += 4 {
		bits := binary.LittleEndian.Uint32(raw[i:])
		half := uint16(bits >> 16)
		switch dtype {
		case onnx.BFloat16:
		case onnx.Float16:
			half = float16Bits(bits)
		default:
			return nil, errors.New("its type is not the one that the model declares")
		}
		binary.LittleEndian.PutUint16(out[i/2:], half)
	}
	return out, nil
}

// float16Bits returns the float16 of a float32 that is one exactly (IEEE 754, both as bits). NaNs keep the
// upper bits of their payload.
func float16Bits(bits uint32) uint16 {
	sign := uint16(bits>>16) & 0x8000
	exponent, fraction := int(bits>>23&0xff)-127, bits&0x7fffff
	switch {
	case exponent == 128:
		return sign | 0x7c00 | uint16(fraction>>13)
	case exponent >= -14:
		return sign | uint16(exponent+15)<<10 | uint16(fraction>>13)
	case exponent >= -24:
		return sign | uint16((fraction|0x800000)>>(-exponent-1))
	default:
		return sign
	}
}

// dims reads the int64 elements of a shape.
func dims(raw []byte) []int {
	out := make([]int, 0, len(raw)/8)
	for i := 0; i+8 <= len(raw); i += 8 {
		out = append(out, int(min(binary.LittleEndian.Uint64(raw[i:]), math.MaxInt64)))
	}
	return out
}
