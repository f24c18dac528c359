package convert

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// opDFT is the discrete Fourier transform, as products with matrices of cosines and sines. The last axis
// of the input holds real parts alone or real and imaginary parts.
func opDFT(c *call) []*value {
	x := c.x(0)
	rank := x.Rank()
	a := c.intAttr("axis", 1)
	if c.opset >= 20 {
		a = -2
		if c.has(2) {
			a = c.ints(2, "the axis")[0]
		}
	}
	a = axis(a, rank)
	if a == rank-1 {
		fail("axis %d holds the real and imaginary parts", a)
	}
	inverse, half := c.intAttr("inverse", 0) == 1, c.intAttr("onesided", 0) == 1
	length := dims(x)[a]
	if inverse && half {
		length = 2 * (length - 1)
	}
	if c.has(1) {
		length = c.ints(1, "the length")[0]
	}
	if length < 1 {
		fail("want a positive length, got %d", length)
	}
	return c.out(fourier(x, a, length, inverse, half))
}

// fourier transforms axis a to the given length; half keeps the frequencies that a real signal needs.
func fourier(x *graph.Node, a, length int, inverse, half bool) *graph.Node {
	last := x.Rank() - 1
	s := dims(x)
	full := inverse && half // a real signal from half of its frequencies
	in, out := length, length
	if half {
		if full {
			in = length/2 + 1
		} else {
			out = length/2 + 1
		}
	}
	amounts := make([][2]int, x.Rank())
	amounts[a] = [2]int{0, in - s[a]}
	x = pad(x, 0, amounts)
	cos, sin := newHost(onnx.Float64, []int{out, in}), newHost(onnx.Float64, []int{out, in})
	for o := range out {
		for i := range in {
			angle := 2 * math.Pi * float64(o*i%length) / float64(length)
			weight := 1.0
			if inverse {
				weight = 1 / float64(length)
			} else {
				angle = -angle
			}
			if full && i > 0 && 2*i != length {
				weight *= 2 // the frequency and its mirror image
			}
			cos.floats[o*in+i], sin.floats[o*in+i] = weight*math.Cos(angle), weight*math.Sin(angle)
		}
	}
	re := cut(x, last, 0, 1, 1)
	var im *graph.Node
	if s[last] == 2 {
		im = cut(x, last, 1, 2, 1)
	}
	real, imag := alongAxis(re, a, cos), alongAxis(re, a, sin)
	if im != nil {
		real = graph.Sub(real, alongAxis(im, a, sin))
		imag = graph.Add(imag, alongAxis(im, a, cos))
	}
	if full {
		return real
	}
	return graph.Concatenate([]*graph.Node{real, imag}, last)
}

// opSTFT is the Fourier transform of windows along a signal [B, n, 1 or 2].
func opSTFT(c *call) []*value {
	x := c.x(0)
	if x.Rank() == 2 {
		x = reshape(x, append(dims(x), 1)...)
	}
	s := dims(x)
	step := c.ints(1, "the step between windows")[0]
	length := s[1]
	if c.has(2) {
		length = product(c.arg(2).shape)
	}
	if c.has(3) {
		length = c.ints(3, "the length of a window")[0]
	}
	if step < 1 || length < 1 || length > s[1] {
		fail("windows of %d every %d do not fit a signal of %d", length, step, s[1])
	}
	frames := (s[1]-length)/step + 1
	countable(frames)
	countable(frames * length)
	var picks []int
	for f := range frames {
		picks = append(picks, rangeOf(f*step, f*step+length)...)
	}
	y := reshape(gatherAxis(x, 1, picks), s[0], frames, length, s[2])
	if c.has(2) {
		y = graph.Mul(y, reshape(c.x(2), 1, 1, length, 1))
	}
	return c.out(fourier(y, 2, length, false, c.intAttr("onesided", 1) == 1))
}

// foldWindow is HannWindow, HammingWindow or BlackmanWindow: a0 - a1*cos + a2*cos of twice the angle.
func foldWindow(a0, a1, a2 float64) func(c *call) []*host {
	return func(c *call) []*host {
		n := c.ints(0, "the length of a window")[0]
		if n < 0 || n > maxFold {
			fail("want a length from 0 to %d, got %d", maxFold, n)
		}
		turn := float64(n)
		if c.intAttr("periodic", 1) == 0 {
			turn--
		}
		out := newHost(onnx.DType(c.intAttr("output_datatype", int(onnx.Float32))), []int{n})
		for i := range n {
			angle := 2 * math.Pi * float64(i) / turn
			out.set(i, a0-a1*math.Cos(angle)+a2*math.Cos(2*angle))
		}
		return []*host{out}
	}
}

// foldMelWeights is MelWeightMatrix: triangles, evenly spaced on the mel scale.
func foldMelWeights(c *call) []*host {
	bins, length := c.ints(0, "the number of bands")[0], c.ints(1, "the length of the transform")[0]
	rate, low, high := c.number(2, "the sample rate"), c.number(3, "the lowest frequency"), c.number(4, "the highest frequency")
	if bins < 1 || length < 1 || bins > maxFold || length > maxFold || rate <= 0 {
		fail("%d bands of a transform of %d", bins, length)
	}
	mel := func(hz float64) float64 { return 2595 * math.Log10(1+hz/700) }
	rows := length/2 + 1
	edge := make([]int, bins+2)
	step := (mel(high) - mel(low)) / float64(len(edge))
	for i := range edge {
		hz := 700 * (math.Pow(10, (float64(i)*step+mel(low))/2595) - 1)
		edge[i] = clampInt(int(math.Floor(float64(length+1)*hz/rate)), 0, rows-1)
	}
	out := newHost(onnx.DType(c.intAttr("output_datatype", int(onnx.Float32))), []int{rows, bins})
	for b := range bins {
		from, top, to := edge[b], edge[b+1], edge[b+2]
		for r := from; r < top; r++ {
			out.set(r*bins+b, float64(r-from)/float64(top-from))
		}
		out.set(top*bins+b, 1)
		for r := top; r < to; r++ {
			out.set(r*bins+b, float64(to-r)/float64(to-top))
		}
	}
	return []*host{out}
}
