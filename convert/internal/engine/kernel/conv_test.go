//go:build cgo

package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// The tests of the C code also run under the address sanitizer: go test -asan -run 'Convolution|Matmul|Pooling'.

// each calls f for every index of a space.
func each(n [3]int, f func(i [3]int)) {
	for z := range n[0] {
		for y := range n[1] {
			for x := range n[2] {
				f([3]int{z, y, x})
			}
		}
	}
}

func at(n [3]int, base int, i [3]int) int { return ((base*n[0]+i[0])*n[1]+i[1])*n[2] + i[2] }

// pairs calls f for every product of the convolution: of x[i] and w[j] for y[k].
func (c Convolution) pairs(f func(i, j, k int)) {
	in, out := c.In/c.Groups, c.Out/c.Groups
	each(c.To, func(p [3]int) {
		each(c.Kernel, func(t [3]int) {
			var q [3]int
			for a := range q {
				q[a] = p[a]*c.Stride[a] + t[a]*c.Dilation[a] - c.Before[a]
				if q[a] < 0 || q[a] >= c.Size[a] {
					return
				}
			}
			for n := range c.Batch {
				for o := range c.Out {
					for i := range in {
						f(at(c.Size, n*c.In+o/out*in+i, q), at(c.Kernel, o*in+i, t), at(c.To, n*c.Out+o, p))
					}
				}
			}
		})
	})
}

// sizes returns how many elements x, w and y have.
func (c Convolution) sizes() (x, w, y int) {
	return c.Batch * c.In * int(volume(c.Size)), c.Out * c.In / c.Groups * int(volume(c.Kernel)), c.Batch * c.Out * int(volume(c.To))
}

// reference computes the pass in float64, and the sum of magnitudes that bounds its error.
func (c Convolution) reference(a, b, bias []float32) (want, size []float64) {
	x, w, y := c.sizes()
	n := map[Pass]int{Forward: y, Input: x, Weights: w}[c.Pass]
	want, size = make([]float64, n), make([]float64, n)
	if bias != nil {
		for i := range want {
			want[i] = float64(bias[i/int(volume(c.To))%c.Out])
			size[i] = math.Abs(want[i])
		}
	}
	c.pairs(func(i, j, k int) {
		var to int
		var v float64
		switch c.Pass {
		case Forward:
			to, v = k, float64(a[i])*float64(b[j])
		case Input:
			to, v = i, float64(a[k])*float64(b[j])
		case Weights:
			to, v = j, float64(a[i])*float64(b[k])
		}
		want[to] += v
		size[to] += math.Abs(v)
	})
	if c.Relu && c.Pass == Forward {
		for i, v := range want {
			want[i] = max(v, 0)
		}
	}
	return want, size
}

func random(rng *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

// compute runs an operation with outputs and scratch memory full of NaN, and sees that it stays within.
func compute(t testing.TB, team *Team, op Operation, n int, ins ...[]float32) []float32 {
	t.Helper()
	out, scratch := aligned(4*n), aligned(op.Scratch(team.Threads()))
	for _, b := range [][]byte{out, scratch} {
		for i := range b {
			b[i] = 0xff
		}
	}
	var in [][]byte
	for _, v := range ins {
		in = append(in, floats(v...))
	}
	op.Run(team, [][]byte{out}, in, scratch)
	if !untouched(out) || !untouched(scratch) {
		t.Fatalf("%+v: writes past the end", op)
	}
	return float32s(out)
}

// near checks sums of products whose magnitudes add up to size: each rounding is at most 2^-24 of it, and with blocks of
// sums errors grow slower than the number of terms.
func near(t *testing.T, op any, got []float32, want, size []float64) {
	t.Helper()
	for i := range want {
		if !(math.Abs(float64(got[i])-want[i]) <= 4e-6*size[i]+1e-30) {
			t.Fatalf("%+v: element %d of %d: want %g, got %g", op, i, len(want), want[i], got[i])
		}
	}
}

// draw makes a random convolution with one to three axes.
func draw(rng *rand.Rand) Convolution {
	c := Convolution{
		Pass: Pass(rng.IntN(3)), Batch: 1 + rng.IntN(3), Groups: 1,
		Size: [3]int{1, 1, 1}, To: [3]int{1, 1, 1}, Kernel: [3]int{1, 1, 1}, Stride: [3]int{1, 1, 1}, Dilation: [3]int{1, 1, 1},
		Bias: rng.IntN(2) == 0, Relu: rng.IntN(2) == 0,
	}
	in, out := 1+rng.IntN(9), 1+rng.IntN(20)
	switch rng.IntN(6) {
	case 0:
		c.Groups = 1 + rng.IntN(4)
	case 1:
		c.Groups, in, out = 1+rng.IntN(20), 1, 1+rng.IntN(2)
	case 2:
		in, out = 1+rng.IntN(40), 1+rng.IntN(40)
	}
	c.In, c.Out = in*c.Groups, out*c.Groups
	same := rng.IntN(3) == 0
	for a := rng.IntN(3); a < 3; a++ {
		most := 9
		if a == 2 {
			most = 40
		}
		c.Kernel[a], c.Stride[a], c.Dilation[a] = 1+rng.IntN(4), 1+rng.IntN(3), 1+rng.IntN(3)
		if rng.IntN(3) == 0 {
			c.Stride[a] = c.Kernel[a]
		}
		c.Size[a], c.To[a], c.Before[a] = 1+rng.IntN(most), 1+rng.IntN(most), rng.IntN(6)-2
		if same {
			c.Kernel[a], c.Stride[a], c.To[a] = 3, 1, c.Size[a]
			c.Before[a] = c.Dilation[a]
		}
	}
	return c
}

func testConvolution(t *testing.T, team *Team, rng *rand.Rand, c Convolution) {
	t.Helper()
	x, w, y := c.sizes()
	n := map[Pass][3]int{Forward: {y, x, w}, Input: {x, y, w}, Weights: {w, x, y}}[c.Pass]
	a, b := random(rng, n[1]), random(rng, n[2])
	var bias []float32
	ins := [][]float32{a, b}
	if c.Bias && c.Pass == Forward {
		bias = random(rng, c.Out)
		ins = append(ins, bias)
	}
	got := compute(t, team, c, n[0], ins...)
	want, size := c.reference(a, b, bias)
	near(t, c, got, want, size)
	if again := compute(t, team, c, n[0], ins...); !slices.Equal(got, again) {
		t.Fatalf("%+v: two runs differ", c)
	}
}

func TestConvolution(t *testing.T) {
	team := newTeam(t, 3)
	for _, lanes := range []int{4, 8, 16} {
		t.Run(strconv.Itoa(lanes), func(t *testing.T) {
			defer widest(lanes)()
			rng := rand.New(rand.NewPCG(uint64(lanes), 7))
			for range 300 {
				testConvolution(t, team, rng, draw(rng))
			}
		})
	}
}

// TestConvolutionLarge has shapes that random ones do not reach: many blocks of every kind.
func TestConvolutionLarge(t *testing.T) {
	one, three := [3]int{1, 1, 1}, [3]int{3, 3, 3}
	cases := []Convolution{
		{Batch: 1, In: 40, Out: 33, Groups: 1, Size: [3]int{6, 7, 8}, To: [3]int{6, 7, 8}, Kernel: three, Stride: one, Dilation: one, Before: one},
		{Batch: 2, In: 3, Out: 24, Groups: 1, Size: [3]int{1, 40, 50}, To: [3]int{1, 20, 25}, Kernel: [3]int{1, 7, 7}, Stride: [3]int{1, 2, 2}, Dilation: one, Before: [3]int{0, 3, 3}},
		{Batch: 2, In: 3, Out: 20, Groups: 1, Size: [3]int{1, 64, 80}, To: [3]int{1, 4, 5}, Kernel: [3]int{1, 16, 16}, Stride: [3]int{1, 16, 16}, Dilation: one},
		{Batch: 1, In: 5, Out: 5, Groups: 1, Size: [3]int{20, 24, 36}, To: [3]int{20, 24, 36}, Kernel: three, Stride: one, Dilation: [3]int{16, 16, 16}, Before: [3]int{16, 16, 16}},
		{Batch: 4, In: 70, Out: 130, Groups: 1, Size: [3]int{1, 4, 4}, To: [3]int{1, 4, 4}, Kernel: [3]int{1, 3, 3}, Stride: one, Dilation: one, Before: [3]int{0, 1, 1}},
		{Batch: 1, In: 2, Out: 3, Groups: 1, Size: [3]int{1, 1, 3000}, To: [3]int{1, 1, 2000}, Kernel: [3]int{1, 1, 1001}, Stride: one, Dilation: one},
		{Batch: 1, In: 33, Out: 17, Groups: 1, Size: [3]int{9, 9, 90}, To: [3]int{9, 9, 90}, Kernel: one, Stride: one, Dilation: one},
		{Batch: 1, In: 19, Out: 18, Groups: 1, Size: [3]int{8, 8, 50}, To: [3]int{4, 4, 25}, Kernel: [3]int{2, 2, 2}, Stride: [3]int{2, 2, 2}, Dilation: one},
	}
	for _, threads := range []int{1, 2} {
		team := newTeam(t, threads)
		for _, c := range cases {
			for pass := Forward; pass <= Weights; pass++ {
				c.Pass = pass
				testConvolution(t, team, rand.New(rand.NewPCG(1, 2)), c)
			}
		}
	}
}
