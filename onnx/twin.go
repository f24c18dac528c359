package onnx

import (
	"bytes"
	"slices"
)

// Twin is a parameter that an exporter wrote twice: a module that is used several times, whose weight was folded
// or transposed for each use, or an embedding whose transpose reads out.
type Twin struct {
	First, Other string // stored names
	// Transposed says that Other is the transpose of First.
	Transposed bool
}

// Twins finds parameters that were one in the source. Names have to say so and values have to be equal: equal
// names, but for the number of the call, of two tensors of which one has no name of the source; or an
// embedding and a nameless linear weight.
func Twins(params []Param) []Twin {
	var out []Twin
	taken := map[string]bool{}
	for i := range params {
		a := &params[i]
		if !a.mayBeTwin() || taken[a.Name] {
			continue
		}
		for k := range params {
			b := &params[k]
			if k == i || !b.mayBeTwin() || taken[b.Name] || sourceName(b.Name) || k < i && !sourceName(a.Name) {
				continue
			}
			if t, ok := twins(a, b); ok {
				out = append(out, t)
				taken[b.Name] = true
			}
		}
	}
	return out
}

// mayBeTwin leaves out what is too small to be equal for a reason.
func (p *Param) mayBeTwin() bool {
	return p.Trainable && p.Tie != FalseTie && len(p.Slots) > 0 && p.Tensor.Len() >= fewValues
}

// fewValues is the size below which equal values prove nothing.
const fewValues = 8

func twins(a, b *Param) (Twin, bool) {
	t := Twin{First: a.Name, Other: b.Name}
	if a.Tensor.dtype != b.Tensor.dtype || a.Tensor.Len() != b.Tensor.Len() {
		return t, false
	}
	readout := a.Role == Embedding && b.Role == LinearWeight
	called := a.Role == b.Role && a.Alias != a.Name && a.Alias != "" && recall(b.Alias, a.Alias)
	named := a.Role == b.Role && dotted(a.Name) && recall(b.Alias, a.Name)
	if !readout && !called && !named {
		return t, false
	}
	if _, equal := uniform(a.Tensor); equal {
		return t, false
	}
	x, err := a.Tensor.Bytes()
	if err != nil {
		return t, false
	}
	y, err := b.Tensor.Bytes()
	if err != nil {
		return t, false
	}
	if slices.Equal(a.Tensor.shape, b.Tensor.shape) && bytes.Equal(x, y) {
		return t, true
	}
	t.Transposed = true
	s := a.Tensor.shape
	if len(s) != 2 || !slices.Equal(b.Tensor.shape, []int{s[1], s[0]}) {
		return t, false
	}
	return t, bytes.Equal(transposedBytes(x, s[0], s[1], a.Tensor.dtype.Size()), y)
}

// transposedBytes transposes a matrix of elements of some bytes each.
func transposedBytes(x []byte, rows, columns, size int) []byte {
	out := make([]byte, 0, len(x))
	for c := range columns {
		for r := range rows {
			at := (r*columns + c) * size
			out = append(out, x[at:at+size]...)
		}
	}
	return out
}
