//go:build cgo

package kernel

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// TestAssemble compares random fills, slices, transpositions, reversals, repetitions and interleavings with copies made an
// element at a time.
func TestAssemble(t *testing.T) {
	team := newTeam(t, 3)
	for _, wide := range []int{4, 8, 16} {
		t.Run(strconv.Itoa(wide), func(t *testing.T) {
			defer widest(wide)()
			for seed := range uint64(60) {
				g := &generator{rand.New(rand.NewPCG(seed, 9))}
				a, ins := g.assemble()
				want, got := assembled(a, ins), aligned(a.Size*a.Width)
				a.Run(team, [][]byte{got}, ins, nil)
				if !slices.Equal(got, want) || !untouched(got) {
					t.Fatalf("seed %d: the result differs: %+v", seed, a)
				}
			}
		})
	}
}

func assembled(a *Assemble, ins [][]byte) []byte {
	out := make([]byte, a.Size*a.Width)
	for i := range out {
		out[i] = 0xa5
		if a.Filled {
			out[i] = a.Fill[i%a.Width]
		}
	}
	for i, p := range a.Parts {
		index := make([]int, len(p.Dims))
		for range product(p.Dims) {
			from, to := p.From.Offset, p.To.Offset
			for d, k := range index {
				from += k * p.From.Strides[d]
				to += k * p.To.Strides[d]
			}
			copy(out[to*a.Width:(to+1)*a.Width], ins[i][from*a.Width:])
			for d := len(index) - 1; d >= 0; d-- {
				if index[d]++; index[d] < p.Dims[d] {
					break
				}
				index[d] = 0
			}
		}
	}
	return out
}

// assemble makes parts that lie one after another along an axis of the output, each with gaps in front.
func (g *generator) assemble() (*Assemble, [][]byte) {
	a := &Assemble{Width: []int{1, 2, 4, 8, 16}[g.IntN(5)], Filled: g.IntN(4) > 0}
	for i := range a.Fill {
		a.Fill[i] = byte(g.IntN(3))
	}
	sizes := []int{1, 2, 3, 7, 16, 40, 100, 333}
	dims := make([]int, 1+g.IntN(4))
	for d := range dims {
		dims[d] = 1
		if size := sizes[g.IntN(len(sizes))]; product(dims)*size < 40000 {
			dims[d] = size
		}
	}
	along, parts, at := g.IntN(len(dims)), 1+g.IntN(3), 0
	lengths := make([]int, parts)
	starts := make([]int, parts)
	for i := range parts {
		lengths[i] = g.IntN(dims[along] + 1)
		starts[i] = at + g.IntN(3)
		at = starts[i] + lengths[i]
	}
	whole := slices.Clone(dims)
	whole[along] = at + g.IntN(3)
	a.Size = product(whole)
	strides := make([]int, len(dims))
	for d, stride := len(dims)-1, 1; d >= 0; d-- {
		strides[d] = stride
		stride *= whole[d]
	}
	var ins [][]byte
	for i := range parts {
		p := Part{Dims: slices.Clone(dims), To: View{starts[i] * strides[along], slices.Clone(strides)}}
		p.Dims[along] = max(1, lengths[i])
		l, _ := g.load(p.Dims)
		p.From = l.View
		p.Dims[along] = lengths[i]
		n := l.Offset + 1
		for d, size := range p.Dims {
			n += max(0, (size-1)*l.Strides[d])
		}
		b := aligned(max(1, n) * a.Width)
		for k := range b {
			b[k] = byte(g.IntN(256))
		}
		a.Parts = append(a.Parts, p)
		ins = append(ins, b)
	}
	return a, ins
}
