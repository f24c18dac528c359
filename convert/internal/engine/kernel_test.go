//go:build cgo

package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// A draw is a random convolution.
type draw struct {
	x, w                       []int
	strides, dilations, inputs []int
	pads                       [][2]int
}

// newDraw makes one whose output is not empty. Widths reach over several vectors; heights stay small.
func newDraw(rng *rand.Rand, inputs bool) draw {
	for {
		d := 1 + rng.IntN(3)
		c := draw{x: []int{1 + rng.IntN(2), 1 + rng.IntN(9)}, w: []int{1 + rng.IntN(19)}}
		c.w = append(c.w, c.x[1])
		fits := true
		for axis := range d {
			size := 1 + rng.IntN(9)
			if axis == d-1 {
				size = 1 + rng.IntN(60)
			}
			k, stride, dilation, u := 1+rng.IntN(5), 1+rng.IntN(2), 1+rng.IntN(3), 1
			if inputs {
				u = 1 + rng.IntN(3)
			}
			pad := [2]int{rng.IntN(5) - 1, rng.IntN(5) - 1}
			fits = fits && (size-1)*u+1+pad[0]+pad[1] >= (k-1)*dilation+1 && size > 2
			c.x, c.w = append(c.x, size), append(c.w, k)
			c.strides, c.dilations, c.inputs = append(c.strides, stride), append(c.dilations, dilation), append(c.inputs, u)
			c.pads = append(c.pads, pad)
		}
		if fits {
			return c
		}
	}
}

func (c draw) String() string {
	return fmt.Sprintf("x %v w %v strides %v dilations %v input dilations %v pads %v", c.x, c.w, c.strides, c.dilations, c.inputs, c.pads)
}

// run computes the convolution, and where no input is dilated the gradient of the kernel, on b.
func (c draw) run(b compute.Backend, stuffed bool) ([][]float64, error) {
	plain := !slices.ContainsFunc(c.inputs, func(u int) bool { return u > 1 })
	exec, err := NewExec(b, func(x, w *Node) []*Node {
		inputs, pads, z := c.inputs, c.pads, x
		if stuffed {
			z, pads = cropped(stuff(x, inputs), pads)
		}
		if plain || stuffed {
			inputs = nil
		}
		y := ConvGeneral(z, w, channelsFirst(len(c.strides)), c.strides, pads, inputs, c.dilations, 1, 1)
		if !plain {
			return []*Node{y}
		}
		weights := Const(y.Graph(), tensors.FromFlatDataAndDimensions(float32s(random(5, y.Shape().Size())), y.Shape().Dimensions...))
		return []*Node{y, c.weightGradient(x, weights, stuffed)}
	})
	if err != nil {
		return nil, err
	}
	defer exec.Finalize()
	out, err := exec.Call(tensors.FromFlatDataAndDimensions(float32s(random(1, size(c.x))), c.x...),
		tensors.FromFlatDataAndDimensions(float32s(random(2, size(c.w))), c.w...))
	if err != nil {
		return nil, err
	}
	var values [][]float64
	for _, o := range out {
		values = append(values, flat(o))
	}
	return values, nil
}

// weightGradient is the convolution that GoMLX makes of the kernel's gradient, g being that of the output.
func (c draw) weightGradient(x, g *Node, crop bool) *Node {
	axes := channelsFirst(len(c.strides))
	axes.InputBatch, axes.InputChannels = 1, 0
	axes.KernelInputChannels, axes.KernelOutputChannels = 0, 1
	axes.OutputBatch, axes.OutputChannels = 1, 0
	pads := slices.Clone(c.pads)
	for i := range pads {
		reach := (c.w[2+i]-1)*c.dilations[i] + (g.Shape().Dimensions[2+i]-1)*c.strides[i] + 1
		pads[i][1] = reach - c.x[2+i] - pads[i][0]
	}
	if crop {
		x, pads = cropped(x, pads)
	}
	return ConvGeneral(x, g, axes, c.dilations, pads, nil, c.strides, 1, 1)
}

// cropped carries negative padding out: onnxruntime reads outside its arrays for some.
func cropped(x *Node, pads [][2]int) (*Node, [][2]int) {
	specs, rest := []SliceAxisSpec{AxisRange(), AxisRange()}, slices.Clone(pads)
	for i, p := range pads {
		specs = append(specs, AxisRange(max(0, -p[0]), x.Shape().Dimensions[2+i]-max(0, -p[1])))
		rest[i] = [2]int{max(0, p[0]), max(0, p[1])}
	}
	return Slice(x, specs...), rest
}

// stuff dilates by reshaping, as any backend can.
func stuff(x *Node, inputs []int) *Node {
	for i, u := range inputs {
		axis := 2 + i
		dims := slices.Clone(x.Shape().Dimensions)
		parts := []*Node{ExpandAxes(x, axis+1)}
		if u > 1 {
			parts = append(parts, Zeros(x.Graph(), ExpandAxes(x, axis+1).Shape().Clone()))
			for range u - 2 {
				parts = append(parts, parts[1])
			}
		}
		n := dims[axis]
		dims[axis] = n * u
		x = Reshape(Concatenate(parts, axis+1), dims...)
		specs := make([]SliceAxisSpec, x.Rank())
		for a := range specs {
			specs[a] = AxisRange()
		}
		specs[axis] = AxisRange(0, (n-1)*u+1)
		x = Slice(x, specs...)
	}
	return x
}

// TestKernels compares random convolutions and weight gradients with onnxruntime's own, for each width of vectors.
func TestKernels(t *testing.T) {
	ours, theirs := repaired(t), bare(t)
	defer narrow(16)
	for _, inputs := range []bool{false, true} {
		rng := rand.New(rand.NewPCG(3, 1))
		for i := range 60 {
			c := newDraw(rng, inputs)
			want, err := c.run(theirs, true)
			if err != nil {
				t.Fatalf("%v: onnxruntime: %v", c, err)
			}
			narrow([]int{16, 8, 4}[i%3])
			got, err := c.run(ours, false)
			if err != nil {
				t.Fatalf("%v: %v", c, err)
			}
			for j := range want {
				if err := close32(got[j], want[j]); err != nil {
					t.Errorf("%v: result %d: %v", c, j, err)
				}
			}
		}
	}
}

// TestKernelsRepeat wants the same bits for one thread and for three.
func TestKernelsRepeat(t *testing.T) {
	c := draw{x: []int{2, 5, 9, 8, 40}, w: []int{7, 5, 3, 3, 3}, strides: per(3, 1), dilations: per(3, 1), inputs: per(3, 1), pads: per(3, [2]int{1, 1})}
	var first [][]float64
	for _, threads := range []int{1, 3} {
		o := options(t)
		o.Threads = threads
		b, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.run(b, false)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = got
		}
		for j := range got {
			for i, v := range got[j] {
				if math.Float64bits(v) != math.Float64bits(first[j][i]) {
					t.Fatalf("result %d, value %d: %g with one thread, %g with %d", j, i, first[j][i], v, threads)
				}
			}
		}
		b.Finalize()
	}
}
