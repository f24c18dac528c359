package convert

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// small describes a floating point type of at most a byte, as the ONNX text "Float stored in 8 bits" and
// the OCP microscaling formats define them: sign, exponent, mantissa.
type small struct {
	mantissa, bias int
	bits           int
	largest        float64
	infinite       bool // has infinities
	unsignedZero   bool // FNUZ: one zero; its negative is the only NaN
	unsigned       bool // exponent only
	noNaN          bool
}

// smallFloat returns the description of a small floating point type.
func smallFloat(t onnx.DType) (small, bool) {
	switch t {
	case onnx.Float8E4M3FN:
		return small{mantissa: 3, bias: 7, bits: 8, largest: 448}, true
	case onnx.Float8E4M3FNUZ:
		return small{mantissa: 3, bias: 8, bits: 8, largest: 240, unsignedZero: true}, true
	case onnx.Float8E5M2:
		return small{mantissa: 2, bias: 15, bits: 8, largest: 57344, infinite: true}, true
	case onnx.Float8E5M2FNUZ:
		return small{mantissa: 2, bias: 16, bits: 8, largest: 57344, unsignedZero: true}, true
	case onnx.Float4E2M1:
		return small{mantissa: 1, bias: 1, bits: 4, largest: 6, noNaN: true}, true
	case onnx.Float8E8M0:
		return small{bias: 127, bits: 8, largest: 0x1p127, unsigned: true}, true
	}
	return small{}, false
}

// isReal says whether values of the type are real numbers on the host and in the graph.
func isReal(t onnx.DType) bool {
	if t.Float() {
		return true
	}
	_, small := smallFloat(t)
	return small
}

// lowest exponent of a normal number.
func (f small) lowest() int { return 1 - f.bias }

// beyond is what a number above the largest becomes.
func (f small) beyond(saturate bool) float64 {
	switch {
	case saturate || f.noNaN:
		return f.largest
	case f.infinite:
		return math.Inf(1)
	}
	return math.NaN()
}

// round returns the nearest number of the type, ties to even.
func (f small) round(v float64, saturate bool) float64 {
	switch {
	case math.IsNaN(v) && f.noNaN:
		return 0
	case math.IsNaN(v):
		return v
	case math.Abs(v) > f.largest && math.IsInf(v, 0):
		return math.Copysign(f.beyond(saturate), v)
	}
	_, e := math.Frexp(v) // v = m * 2^e, m in [0.5, 1)
	step := math.Ldexp(1, max(e-1, f.lowest())-f.mantissa)
	r := math.RoundToEven(v/step) * step
	if math.Abs(r) > f.largest {
		r = math.Copysign(f.beyond(saturate), v)
	}
	return r
}

// power returns the power of two that a number becomes: up, down or nearest.
func (f small) power(v float64, mode string, saturate bool) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return math.NaN()
	}
	m, e := math.Frexp(math.Abs(v))
	e--
	if v == 0 || e < -f.bias {
		m, e = 0.5, -f.bias
	}
	switch {
	case mode == "up" && m > 0.5, mode == "nearest" && m >= 0.75:
		e++
	}
	if e > f.bias {
		if !saturate {
			return math.NaN()
		}
		e = f.bias
	}
	return math.Ldexp(1, e)
}

// decode returns the number that a code stands for.
func (f small) decode(code int) float64 {
	if f.unsigned {
		if code == 0xff {
			return math.NaN()
		}
		return math.Ldexp(1, code-f.bias)
	}
	sign := 1.0
	negative := code>>(f.bits-1)&1 == 1
	if negative {
		sign = -1
	}
	body := code & (1<<(f.bits-1) - 1)
	if f.unsignedZero && negative && body == 0 {
		return math.NaN()
	}
	e, m := body>>f.mantissa, body&(1<<f.mantissa-1)
	v := math.Ldexp(float64(m), f.lowest()-f.mantissa)
	if e > 0 {
		v = math.Ldexp(float64(m|1<<f.mantissa), e-f.bias-f.mantissa)
	}
	if v > f.largest {
		if f.infinite && m == 0 {
			return sign * math.Inf(1)
		}
		return math.NaN()
	}
	return sign * v
}

// encode returns the code of a number of the type.
func (f small) encode(v float64) byte {
	for code := range 1 << f.bits {
		d := f.decode(code)
		if d == v && math.Signbit(d) == math.Signbit(v) || math.IsNaN(d) && math.IsNaN(v) {
			return byte(code)
		}
	}
	return 0 // the negative zero of a type that has none
}

// roundNode is round in the graph; its derivative is zero.
func (f small) roundNode(x *graph.Node, saturate bool) *graph.Node {
	x = graph.StopGradient(x)
	shape := dims(x)
	full := func(v float64) *graph.Node { return broadcast(scalar(x, v), shape) }
	a := graph.Abs(x)
	step := full(math.Ldexp(1, f.lowest()-f.mantissa))
	_, top := math.Frexp(f.largest)
	for e := f.lowest() + 1; e < top; e++ {
		step = graph.Where(graph.GreaterOrEqual(a, full(math.Ldexp(1, e))), full(math.Ldexp(1, e-f.mantissa)), step)
	}
	r := graph.Mul(graph.Round(graph.Div(a, step)), step)
	r = graph.Where(graph.GreaterThan(r, full(f.largest)), full(f.beyond(saturate)), r)
	if f.noNaN {
		r = graph.Where(graph.Equal(x, x), r, full(0))
	}
	return graph.Where(graph.LessThan(x, full(0)), graph.Neg(r), r)
}

// castReal converts an array of numbers to a real type, with the attributes of Cast.
func (h *host) castReal(to onnx.DType, saturate bool, mode string) *host {
	out := newHost(to, h.shape)
	f, isSmall := smallFloat(to)
	for i := range h.len() {
		v := h.at(i)
		switch {
		case isSmall && f.unsigned:
			v = f.power(v, mode, saturate)
		case isSmall:
			v = f.round(v, saturate)
		case to == onnx.Float32:
			v = float64(float32(v))
		}
		out.floats[i] = v
	}
	return out
}

// narrow brings whole numbers of a GoMLX type to the range of an ONNX type of less than a byte, keeping
// the low bits.
func narrow(x *graph.Node, t onnx.DType) *graph.Node {
	bits := t.Bits()
	if bits == 0 || bits >= 8 {
		return x
	}
	mask := scalar(x, float64(int(1)<<bits-1))
	x = graph.BitwiseAnd(x, mask)
	if t == onnx.Int4 || t == onnx.Int2 {
		// The sign bit counts negative.
		high := scalar(x, float64(int(1)<<(bits-1)))
		x = graph.Sub(graph.BitwiseXor(x, high), high)
	}
	return x
}

// toWhole converts real numbers in the graph to a type of whole numbers, rounding towards zero.
func (c *call) toWhole(x *graph.Node, to onnx.DType) *graph.Node {
	if bits := to.Bits(); bits < 8 {
		x = narrow(graph.ConvertDType(truncated(x), dtypes.Int32), to)
		return graph.ConvertDType(x, c.goType(to))
	}
	return graph.ConvertDType(truncated(x), c.goType(to))
}

// tensor returns the array as a tensor of its type.
func (h *host) tensor() (*onnx.Tensor, error) {
	if f, ok := smallFloat(h.dtype); ok {
		return packed(h.dtype, h.shape, func(i int) byte { return f.encode(h.floats[i]) })
	}
	if h.dtype.Bits() < 8 {
		return packed(h.dtype, h.shape, func(i int) byte { return byte(h.ints[i]) })
	}
	native, ok := goType(h.dtype, dtypes.Float32)
	if !ok {
		return nil, &unsupported{"values of type " + h.dtype.String() + " are not supported"}
	}
	t := uploadHost(h, native)
	defer free(t)
	return download(t, h.dtype)
}

// packed makes a tensor of elements of at most a byte, the first in the low bits.
func packed(t onnx.DType, shape []int, code func(i int) byte) (*onnx.Tensor, error) {
	n := product(shape)
	bits := t.Bits()
	each := 8 / bits
	raw := make([]byte, (n+each-1)/each)
	for i := range n {
		raw[i/each] |= (code(i) & byte(1<<bits-1)) << (bits * (i % each))
	}
	return onnx.NewTensor(t, shape, raw)
}

// unpacked reads a tensor of small floats.
func unpacked(t *onnx.Tensor, f small) ([]float64, error) {
	raw, err := t.Bytes()
	if err != nil {
		return nil, err
	}
	each := 8 / f.bits
	out := make([]float64, t.Len())
	for i := range out {
		out[i] = f.decode(int(raw[i/each]>>(f.bits*(i%each))) & (1<<f.bits - 1))
	}
	return out, nil
}

// foldBitCast is BitCast of constants: the same bytes under another type.
func foldBitCast(c *call) []*host {
	t, err := c.in[0].host.tensor()
	if err != nil {
		failWith(err)
	}
	raw, err := t.Bytes()
	if err != nil {
		failWith(err)
	}
	to := onnx.DType(c.intAttr("to", 0))
	if to.Bits() != t.DType().Bits() {
		fail("the bits of %v are not those of %v", t.DType(), to)
	}
	t, err = onnx.NewTensor(to, t.Shape(), raw)
	if err != nil {
		failWith(err)
	}
	h, err := hostTensor(t)
	if err != nil {
		failWith(err)
	}
	return []*host{h}
}
