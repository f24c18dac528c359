//go:build cgo

package kernel

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

func (m Matmul) reference(a, b []float32) (want, size []float64) {
	want, size = make([]float64, m.Batch*m.M*m.N), make([]float64, m.Batch*m.M*m.N)
	for n := range m.Batch {
		for i := range m.M {
			for j := range m.N {
				to := (n*m.M+i)*m.N + j
				for k := range m.K {
					v := float64(a[n*m.A[0]+i*m.A[1]+k*m.A[2]]) * float64(b[n*m.B[0]+k*m.B[1]+j*m.B[2]])
					want[to] += v
					size[to] += math.Abs(v)
				}
			}
		}
	}
	return want, size
}

// layout returns strides for [batch, rows, columns], dense in a random order of axes, and how many elements that takes.
func (m Matmul) layout(rng *rand.Rand, rows, columns int) (strides [3]int, n int) {
	dims, n := [3]int{m.Batch, rows, columns}, 1
	for _, axis := range rng.Perm(3) {
		if axis == 0 && rng.IntN(4) == 0 {
			continue // repeated
		}
		strides[axis] = n
		n *= dims[axis]
	}
	return strides, n
}

func testMatmul(t *testing.T, team *Team, rng *rand.Rand, m Matmul) {
	t.Helper()
	var na, nb int
	m.A, na = m.layout(rng, m.M, m.K)
	m.B, nb = m.layout(rng, m.K, m.N)
	a, b := random(rng, na), random(rng, nb)
	want, size := m.reference(a, b)
	near(t, m, compute(t, team, m, len(want), a, b), want, size)
}

func TestMatmul(t *testing.T) {
	team := newTeam(t, 3)
	for _, lanes := range []int{4, 8, 16} {
		t.Run(strconv.Itoa(lanes), func(t *testing.T) {
			defer widest(lanes)()
			rng := rand.New(rand.NewPCG(uint64(lanes), 7))
			size := func() int {
				if rng.IntN(3) == 0 {
					return 1 + rng.IntN(8)
				}
				return 1 + rng.IntN(120)
			}
			for range 150 {
				testMatmul(t, team, rng, Matmul{Batch: 1 + rng.IntN(3), M: size(), N: size(), K: size()})
			}
			for _, m := range []Matmul{
				{Batch: 1, M: 5, N: 3, K: 50000},
				{Batch: 1, M: 17, N: 40, K: 9000},
				{Batch: 1, M: 300, N: 900, K: 20},
				{Batch: 1, M: 2, N: 1000, K: 300},
				{Batch: 1, M: 1000, N: 1, K: 300},
			} {
				for range 3 {
					testMatmul(t, team, rng, m)
				}
			}
		})
	}
}
