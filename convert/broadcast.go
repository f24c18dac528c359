package convert

import (
	"slices"

	"github.com/nitrain/nitrain/onnx"
)

// run is a stretch of elements along the innermost axes of a broadcast result: at is its first element there,
// from each operand's, step how far an operand goes on for each element: 1, or 0 where it is broadcast (or more,
// where only its outer axes move).
type run struct {
	at, n      int
	from, step []int
}

// runs calls fn with the stretches that make up an array of shape out, in order, for operands of the given
// shapes, which broadcast to it. The run is reused between calls.
func runs(out []int, operands [][]int, fn func(r run)) {
	if product(out) == 0 {
		return
	}
	sizes, steps := merged(out, operands)
	last := len(sizes) - 1
	r := run{n: sizes[last], from: make([]int, len(operands)), step: make([]int, len(operands))}
	for k := range operands {
		r.step[k] = steps[k][last]
	}
	index := make([]int, last)
	for {
		fn(r)
		r.at += r.n
		a := last - 1
		for ; a >= 0; a-- {
			index[a]++
			for k := range operands {
				r.from[k] += steps[k][a]
			}
			if index[a] < sizes[a] {
				break
			}
			for k := range operands {
				r.from[k] -= index[a] * steps[k][a]
			}
			index[a] = 0
		}
		if a < 0 {
			return
		}
	}
}

// merged joins neighbouring axes through which every operand goes in equal steps. steps has, for each operand,
// the distance between neighbours along each joined axis, 0 where it is broadcast. There is at least one axis.
func merged(out []int, operands [][]int) (sizes []int, steps [][]int) {
	full := make([][]int, len(operands))
	for k, shape := range operands {
		full[k] = make([]int, len(out))
		lead := len(out) - len(shape)
		for a, step := range strides(shape) {
			if shape[a] != 1 {
				full[k][lead+a] = step
			}
		}
	}
	steps = make([][]int, len(operands))
	for a, n := range out {
		joins := len(sizes) > 0 && !slices.ContainsFunc(full, func(s []int) bool { return s[a-1] != s[a]*n })
		if joins {
			sizes[len(sizes)-1] *= n
		} else {
			sizes = append(sizes, n)
		}
		for k := range operands {
			if joins {
				steps[k][len(steps[k])-1] = full[k][a]
			} else {
				steps[k] = append(steps[k], full[k][a])
			}
		}
	}
	if len(sizes) == 0 {
		sizes = []int{1}
		for k := range operands {
			steps[k] = []int{0}
		}
	}
	return sizes, steps
}

// expand broadcasts to a shape.
func (h *host) expand(shape []int) *host {
	if slices.Equal(h.shape, shape) {
		return h
	}
	out := newHost(h.dtype, shape)
	runs(shape, [][]int{h.shape}, func(r run) {
		if isReal(h.dtype) {
			spread(out.floats[r.at:][:r.n], h.floats[r.from[0]:], r.step[0])
		} else {
			spread(out.ints[r.at:][:r.n], h.ints[r.from[0]:], r.step[0])
		}
	})
	return out
}

// spread copies elements that lie step apart.
func spread[T float64 | int64](dst, src []T, step int) {
	switch step {
	case 1:
		copy(dst, src)
	case 0:
		v := src[0]
		for i := range dst {
			dst[i] = v
		}
	default:
		for i := range dst {
			dst[i] = src[i*step]
		}
	}
}

// zip applies a function elementwise to broadcast arrays of one kind and gives the result its type.
func zip(dtype onnx.DType, a, b *host, onFloats func(x, y float64) float64, onInts func(x, y int64) int64) *host {
	out := newHost(dtype, broadcastShape(a.shape, b.shape))
	whole := onInts != nil && !isReal(a.dtype) && !isReal(b.dtype) && !isReal(dtype)
	real := isReal(a.dtype) && isReal(b.dtype)
	truths := real && dtype == onnx.Bool
	real = real && isReal(dtype)
	runs(out.shape, [][]int{a.shape, b.shape}, func(r run) {
		i, j := r.from[0], r.from[1]
		for k := r.at; k < r.at+r.n; k++ {
			switch {
			case whole:
				out.ints[k] = wrap(onInts(a.ints[i], b.ints[j]), dtype)
			case real:
				out.floats[k] = onFloats(a.floats[i], b.floats[j])
			case truths:
				out.ints[k] = truth(onFloats(a.floats[i], b.floats[j]) != 0)
			default:
				out.set(k, onFloats(a.at(i), b.at(j)))
			}
			i, j = i+r.step[0], j+r.step[1]
		}
	})
	return out
}

// choose takes, element by element, a where the condition holds and b elsewhere; all broadcast together.
func choose(condition, a, b *host) *host {
	out := newHost(a.dtype, broadcastShape(condition.shape, a.shape, b.shape))
	real := isReal(out.dtype)
	runs(out.shape, [][]int{condition.shape, a.shape, b.shape}, func(r run) {
		for k := range r.n {
			from, at := b, r.from[2]+k*r.step[2]
			if condition.ints[r.from[0]+k*r.step[0]] != 0 {
				from, at = a, r.from[1]+k*r.step[1]
			}
			if real {
				out.floats[r.at+k] = from.floats[at]
			} else {
				out.ints[r.at+k] = from.ints[at]
			}
		}
	})
	return out
}
