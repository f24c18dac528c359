//go:build cgo

package kernel

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

// reference returns y and, for a gradient g, that of x.
func (p Pooling) reference(x, g []float32) (y []float32, dx []float64) {
	dx = make([]float64, len(x))
	for n := range p.Planes {
		each(p.To, func(o [3]int) {
			best := -1
			each(p.Window, func(t [3]int) {
				var q [3]int
				for a := range q {
					q[a] = o[a]*p.Stride[a] + t[a]*p.Dilation[a] - p.Before[a]
					if q[a] < 0 || q[a] >= p.Size[a] {
						return
					}
				}
				if i := at(p.Size, n, q); best < 0 || x[i] > x[best] || x[i] != x[i] && x[best] == x[best] {
					best = i
				}
			})
			if best < 0 {
				y = append(y, float32(math.Inf(-1)))
				return
			}
			y = append(y, x[best])
			dx[best] += float64(g[at(p.To, n, o)])
		})
	}
	return y, dx
}

func drawPooling(rng *rand.Rand) Pooling {
	p := Pooling{
		Planes: 1 + rng.IntN(4),
		Size:   [3]int{1, 1, 1}, To: [3]int{1, 1, 1}, Window: [3]int{1, 1, 1}, Stride: [3]int{1, 1, 1}, Dilation: [3]int{1, 1, 1},
	}
	halves, threes := rng.IntN(3) == 0, rng.IntN(3) == 0
	for a := rng.IntN(3); a < 3; a++ {
		most := 10
		if a == 2 {
			most = 80
		}
		p.Size[a] = 1 + rng.IntN(most)
		switch {
		case halves:
			p.Window[a], p.Stride[a], p.To[a] = 2, 2, max(1, p.Size[a]/2)
		case threes:
			p.Window[a], p.Stride[a], p.Before[a], p.To[a] = 3, 2, 1, (p.Size[a]-1)/2+1
		default:
			p.Window[a], p.Stride[a], p.Dilation[a] = 1+rng.IntN(4), 1+rng.IntN(3), 1+rng.IntN(2)
			p.Before[a], p.To[a] = rng.IntN(4)-1, 1+rng.IntN(most)
		}
	}
	return p
}

func TestPooling(t *testing.T) {
	team := newTeam(t, 3)
	for _, lanes := range []int{4, 8, 16} {
		t.Run(strconv.Itoa(lanes), func(t *testing.T) {
			defer widest(lanes)()
			rng := rand.New(rand.NewPCG(uint64(lanes), 7))
			for range 300 {
				testPooling(t, team, rng, drawPooling(rng))
			}
		})
	}
}

// testPooling has many equal elements, so that which of them is first counts, and sometimes NaN.
func testPooling(t *testing.T, team *Team, rng *rand.Rand, p Pooling) {
	t.Helper()
	x, g := make([]float32, p.Planes*int(volume(p.Size))), make([]float32, p.Planes*int(volume(p.To)))
	nan := rng.IntN(4) == 0
	for i := range x {
		x[i] = float32(rng.IntN(5))
		if nan && rng.IntN(20) == 0 {
			x[i] = float32(math.NaN())
		}
	}
	for i := range g {
		g[i] = float32(rng.IntN(9)) // sums are exact
	}
	y, dx := p.reference(x, g)
	for i, v := range compute(t, team, p, len(y), x) {
		if v != y[i] && (v == v || y[i] == y[i]) {
			t.Fatalf("%+v: element %d: want %g, got %g", p, i, y[i], v)
		}
	}
	p.Gradient = true
	for i, v := range compute(t, team, p, len(x), x, g) {
		if float64(v) != dx[i] {
			t.Fatalf("%+v: gradient %d: want %g, got %g", p, i, dx[i], v)
		}
	}
}
