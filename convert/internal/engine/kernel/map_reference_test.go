//go:build cgo

package kernel

import (
	"encoding/binary"
	"math"
)

// evaluate is what a Map means, an index at a time. Sums are made in double precision; denormals are zeros.
func evaluate(m *Map, ins [][]byte) [][]float64 {
	outs := make([][]float64, len(m.Outs))
	for i, o := range m.Outs {
		n := 1
		for d, size := range m.Dims {
			if o.Reduce == None || !o.Over[d] {
				n *= size
			}
		}
		outs[i] = make([]float64, n)
		for k := range outs[i] {
			outs[i][k] = begun(o)
		}
	}
	index := make([]int, len(m.Dims))
	registers := make([]uint32, len(m.Loads)+len(m.Code))
	for n := product(m.Dims); n > 0; n-- {
		for i, l := range m.Loads {
			registers[i] = load(l, ins[i], index)
		}
		for i, in := range m.Code {
			registers[len(m.Loads)+i] = step(in, registers, index)
		}
		for i, o := range m.Outs {
			at := 0
			for d, size := range m.Dims {
				if o.Reduce == None || !o.Over[d] {
					at = at*size + index[d]
				}
			}
			outs[i][at] = joined(o, outs[i][at], value(o, registers[o.Register]))
		}
		for d := len(index) - 1; d >= 0; d-- {
			if index[d]++; index[d] < m.Dims[d] {
				break
			}
			index[d] = 0
		}
	}
	return outs
}

func value(o Result, r uint32) float64 {
	if o.Type == Float32 {
		return float64(math.Float32frombits(r))
	}
	return float64(int32(r))
}

func begun(o Result) float64 {
	switch o.Reduce {
	case Max:
		if o.Type != Float32 {
			return math.MinInt32
		}
		return math.Inf(-1)
	case Min:
		if o.Type != Float32 {
			return math.MaxInt32
		}
		return math.Inf(1)
	}
	return 0
}

func joined(o Result, a, b float64) float64 {
	switch o.Reduce {
	case Sum:
		return a + b
	case Max:
		return largest(a, b)
	case Min:
		return -largest(-a, -b)
	}
	return b
}

func load(l Load, b []byte, index []int) uint32 {
	at := l.Offset
	for d, i := range index {
		at += i * l.Strides[d]
	}
	switch l.Type {
	case Bool, Uint8:
		return uint32(b[at])
	case Float32:
		return math.Float32bits(flushed(math.Float32frombits(binary.NativeEndian.Uint32(b[4*at:]))))
	}
	return binary.NativeEndian.Uint32(b[4*at:])
}

func flushed(x float32) float32 {
	if math.Abs(float64(x)) < 0x1p-126 {
		return float32(math.Copysign(0, float64(x)))
	}
	return x
}

func step(in Instr, r []uint32, index []int) uint32 {
	f := func(i int) float64 { return float64(flushed(math.Float32frombits(r[i]))) }
	switch in.Op {
	case Constant:
		return in.Bits
	case Iota:
		return uint32(index[in.Axis])
	case Select:
		if r[in.A] != 0 {
			return r[in.B]
		}
		return r[in.C]
	case ToInt:
		return uint32(toInt(f(in.A)))
	case ToBool:
		return truth(f(in.A) != 0)
	case EqualF:
		return truth(f(in.A) == f(in.B))
	case NotEqualF:
		return truth(f(in.A) != f(in.B))
	case LessF:
		return truth(f(in.A) < f(in.B))
	case LessEqualF:
		return truth(f(in.A) <= f(in.B))
	case IsNaNF:
		return truth(math.IsNaN(f(in.A)))
	case IsFiniteF:
		return truth(!math.IsNaN(f(in.A)) && !math.IsInf(f(in.A), 0))
	case ToFloat:
		return math.Float32bits(float32(int32(r[in.A])))
	}
	if in.Op < EqualF || in.Op == MulAddF {
		var c float64
		if in.Op == MulAddF {
			c = f(in.C)
		}
		var b float64
		if len(in.operands()) > 1 {
			b = f(in.B)
		}
		return math.Float32bits(flushed(float32(float(in.Op, f(in.A), b, c))))
	}
	var b int32
	if len(in.operands()) > 1 {
		b = int32(r[in.B])
	}
	return uint32(whole(in.Op, int32(r[in.A]), b))
}

func toInt(x float64) int32 {
	if !(x >= math.MinInt32 && x <= math.MaxInt32) {
		return math.MinInt32
	}
	return int32(x)
}

func truth(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// float is an operation on floats, in double precision.
func float(op MapOp, a, b, c float64) float64 {
	switch op {
	case AddF:
		return a + b
	case SubF:
		return a - b
	case MulF:
		return a * b
	case DivF:
		return a / b
	case MaxF:
		return largest(a, b)
	case MinF:
		return -largest(-a, -b)
	case PowF:
		return math.Pow(a, b)
	case RemF:
		return math.Mod(a, b)
	case NegF:
		return -a
	case AbsF:
		return math.Abs(a)
	case SignF:
		switch {
		case a > 0:
			return 1
		case a < 0:
			return -1
		}
		return a
	case SqrtF:
		return math.Sqrt(a)
	case RsqrtF:
		return 1 / math.Sqrt(a)
	case ExpF:
		return math.Exp(a)
	case Expm1F:
		return math.Expm1(a)
	case LogF:
		return math.Log(a)
	case Log1pF:
		return math.Log1p(a)
	case TanhF:
		return math.Tanh(a)
	case LogisticF:
		return 1 / (1 + math.Exp(-a))
	case ErfF:
		return math.Erf(a)
	case SinF:
		return math.Sin(a)
	case CosF:
		return math.Cos(a)
	case FloorF:
		return math.Floor(a)
	case CeilF:
		return math.Ceil(a)
	case RoundF:
		return math.RoundToEven(a)
	}
	return a*b + c // MulAddF
}

func whole(op MapOp, a, b int32) int32 {
	switch op {
	case AddI:
		return a + b
	case SubI:
		return a - b
	case MulI:
		return a * b
	case MaxI:
		return max(a, b)
	case MinI:
		return min(a, b)
	case NegI:
		return -a
	case AbsI:
		return max(a, -a)
	case SignI:
		return int32(truth(a > 0)) - int32(truth(a < 0))
	case EqualI:
		return int32(truth(a == b))
	case NotEqualI:
		return int32(truth(a != b))
	case LessI:
		return int32(truth(a < b))
	case LessEqualI:
		return int32(truth(a <= b))
	case And:
		return a & b
	case Or:
		return a | b
	case Xor:
		return a ^ b
	case Not:
		return a ^ 1
	}
	return int32(truth(a != 0)) // IntToBool
}

// largest is NaN where either is, which math.Max has otherwise for infinities.
func largest(a, b float64) float64 {
	if math.IsNaN(a) || math.IsNaN(b) {
		return math.NaN()
	}
	return math.Max(a, b)
}
