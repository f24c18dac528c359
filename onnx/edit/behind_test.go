package edit_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/edit"
	"github.com/nitrain/nitrain/onnx/ort"
)

// drawn is a small model under construction.
type drawn struct {
	t *testing.T
	m *onnx.Model
}

func draw(t *testing.T) drawn {
	t.Helper()
	if _, _, err := ort.Library(""); err != nil {
		t.Skip(err)
	}
	m := onnx.New(8, "drawn", onnx.Opset{Version: 13})
	return drawn{t, m}
}

func (d drawn) input(shape ...int) {
	d.must(d.m.AddInput(onnx.ValueInfo{Name: "x", DType: onnx.Float32, Shape: shape, Dims: make([]string, len(shape))}))
}

func (d drawn) output(name string, dtype onnx.DType, shape ...int) {
	d.must(d.m.AddOutput(onnx.ValueInfo{Name: name, DType: dtype, Shape: shape, Dims: make([]string, len(shape))}))
}

// weights stores numbers that all differ.
func (d drawn) weights(name string, shape ...int) {
	n := 1
	for _, s := range shape {
		n *= s
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32((i*37+len(name)*11)%101)/50 - 1
	}
	x, err := onnx.FromFloat32(shape, v)
	d.must(err)
	d.must(d.m.AddInitializer(name, x))
}

func (d drawn) ints(name string, v ...int64) {
	x, err := onnx.FromInt64([]int{len(v)}, v)
	d.must(err)
	d.must(d.m.AddInitializer(name, x))
}

func (d drawn) node(op, inputs, outputs string, attrs ...onnx.Attr) {
	n := &onnx.Node{Name: op + "_" + outputs, OpType: op, Inputs: strings.Split(inputs, " "), Outputs: strings.Split(outputs, " "), Attrs: attrs}
	d.must(d.m.InsertNode(len(d.m.Graph().Nodes), n))
}

func (d drawn) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// heads are models of three classes; keeping class 0 must keep its channel.
func heads() map[string]func(d drawn) {
	return map[string]func(d drawn){
		"depth to space DCR": func(d drawn) { blocks(d, "DCR") },
		"depth to space CRD": func(d drawn) { blocks(d, "CRD") },
		"pixel shuffle by reshape": func(d drawn) {
			d.input(2, 4, 5, 6)
			d.weights("w", 12, 4, 1, 1)
			d.node("Conv", "x w", "y")
			d.ints("six", 2, 3, 2, 2, 5, 6)
			d.node("Reshape", "y six", "a")
			d.node("Transpose", "a", "b", onnx.IntsAttr("perm", 0, 1, 4, 2, 5, 3))
			d.ints("four", 2, 3, 10, 12)
			d.node("Reshape", "b four", "out")
			d.output("out", onnx.Float32, 2, 3, 10, 12)
		},
		"gated halves": func(d drawn) {
			d.input(1, 4, 5, 6)
			d.weights("w", 6, 4, 1, 1)
			d.weights("bias", 6)
			d.node("Conv", "x w bias", "y")
			d.ints("sizes", 3, 3)
			d.node("Split", "y sizes", "a b", onnx.IntAttr("axis", 1))
			d.node("Sigmoid", "b", "s")
			d.node("Mul", "a s", "out")
			d.output("out", onnx.Float32, 1, 3, 5, 6)
		},
		"grouped convolution": func(d drawn) {
			d.input(1, 6, 5, 6)
			d.weights("w", 3, 2, 3, 3)
			d.node("Conv", "x w", "out", onnx.IntAttr("group", 3), onnx.IntsAttr("pads", 1, 1, 1, 1))
			d.output("out", onnx.Float32, 1, 3, 5, 6)
		},
		"grouped transposed convolution": func(d drawn) {
			d.input(1, 6, 5, 6)
			d.weights("w", 6, 1, 2, 2)
			d.weights("bias", 3)
			d.node("ConvTranspose", "x w bias", "out", onnx.IntAttr("group", 3), onnx.IntsAttr("strides", 2, 2))
			d.output("out", onnx.Float32, 1, 3, 10, 12)
		},
		"upsampling of each class": func(d drawn) {
			d.input(1, 4, 5, 6)
			d.weights("w", 3, 4, 1, 1)
			d.node("Conv", "x w", "y")
			v := slices.Repeat([]float32{1, 2, 3, 4}, 3)
			up, err := onnx.FromFloat32([]int{3, 1, 2, 2}, v)
			d.must(err)
			d.must(d.m.AddInitializer("up", up))
			d.node("ConvTranspose", "y up", "out", onnx.IntAttr("group", 3), onnx.IntsAttr("strides", 2, 2))
			d.output("out", onnx.Float32, 1, 3, 10, 12)
		},
		"gemm untransposed": func(d drawn) {
			d.input(2, 4)
			d.weights("w", 4, 3)
			d.weights("bias", 1, 3)
			d.node("Gemm", "x w bias", "out")
			d.output("out", onnx.Float32, 2, 3)
		},
		"weights on the left": func(d drawn) {
			d.input(2, 4, 6)
			d.weights("w", 3, 4)
			d.node("MatMul", "w x", "y")
			d.node("Transpose", "y", "out", onnx.IntsAttr("perm", 0, 2, 1))
			d.output("out", onnx.Float32, 2, 6, 3)
		},
		"einsum": func(d drawn) {
			d.input(2, 6, 4)
			d.weights("w", 3, 4)
			d.node("Einsum", "x w", "y", onnx.StringAttr("equation", "btd,cd->btc"))
			d.weights("bias", 3)
			d.node("Add", "y bias", "out")
			d.output("out", onnx.Float32, 2, 6, 3)
		},
		"norm, slope and scale": func(d drawn) {
			d.input(2, 4, 5, 6)
			d.weights("w", 3, 4, 1, 1)
			d.weights("scale", 3)
			d.weights("slope", 3, 1, 1)
			d.weights("by", 1, 3, 1, 1)
			d.node("Conv", "x w", "y")
			d.node("InstanceNormalization", "y scale scale", "n")
			d.node("PRelu", "n slope", "p")
			d.node("Mul", "p by", "out")
			d.output("out", onnx.Float32, 2, 3, 5, 6)
		},
		"shared and transposed": func(d drawn) {
			d.input(2, 3)
			d.weights("w", 3, 3)
			d.node("Transpose", "w", "wt", onnx.IntsAttr("perm", 1, 0))
			d.node("MatMul", "x wt", "a")
			d.node("Relu", "a", "r")
			d.node("MatMul", "r wt", "out")
			d.output("out", onnx.Float32, 2, 3)
		},
		"pooled": func(d drawn) {
			d.input(2, 4, 5, 6)
			d.weights("w", 3, 4, 1, 1)
			d.node("Conv", "x w", "y")
			d.node("ReduceMean", "y", "out", onnx.IntsAttr("axes", 2, 3), onnx.IntAttr("keepdims", 0))
			d.output("out", onnx.Float32, 2, 3)
		},
	}
}

func blocks(d drawn, mode string) {
	d.input(1, 4, 5, 6)
	d.weights("w", 12, 4, 1, 1)
	d.weights("bias", 12)
	d.node("Conv", "x w bias", "y")
	d.node("DepthToSpace", "y", "out", onnx.IntAttr("blocksize", 2), onnx.StringAttr("mode", mode))
	d.output("out", onnx.Float32, 1, 3, 10, 12)
}

func TestBehindTheHead(t *testing.T) {
	for name, build := range heads() {
		t.Run(name, func(t *testing.T) {
			d := draw(t)
			build(d)
			in := inputs(d.m)
			before := runModel(t, d.m, in)
			for _, v := range onnx.Check(d.m) {
				t.Fatal(v)
			}
			c, err := edit.Classes{Count: 5, From: map[int]int{0: 0}, Seed: 3}.Apply(d.m)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range onnx.Check(d.m) {
				t.Error(v)
			}
			sameFirstChannel(t, d.m, before["out"], runModel(t, d.m, in)["out"], c)
		})
	}
}

// TestRefused wants the node's name and an unchanged model.
func TestRefused(t *testing.T) {
	cases := map[string]func(d drawn){
		"Slice_out": func(d drawn) {
			d.ints("from", 1)
			d.ints("to", 3)
			d.ints("axes", 1)
			d.node("Slice", "y from to axes", "out")
			d.output("out", onnx.Float32, 1, 2, 5, 6)
		},
		"Gather_out": func(d drawn) {
			d.ints("one", 1, 0)
			d.node("Gather", "y one", "out", onnx.IntAttr("axis", 1))
			d.output("out", onnx.Float32, 1, 2, 5, 6)
		},
		"Cosine_out": func(d drawn) {
			d.node("Det", "y", "out")
			d.m.Graph().Nodes[1].Name = "Cosine_out"
			d.output("out", onnx.Float32, 1, 3)
		},
	}
	for name, build := range cases {
		d := draw(t)
		d.input(1, 4, 5, 6)
		d.weights("w", 3, 4, 1, 1)
		d.node("Conv", "x w", "y")
		build(d)
		before, err := onnx.Encode(d.m)
		d.must(err)
		_, err = edit.Classes{Count: 5}.Apply(d.m)
		var e *edit.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: want an error with its name, got %v", name, err)
		}
		after, err := onnx.Encode(d.m)
		d.must(err)
		if !slices.Equal(before, after) {
			t.Errorf("%s: the model changed", name)
		}
	}
}

// TestOneChannelLast has one class and one channel, both moved by Reshape as tf2onnx writes it.
func TestOneChannelLast(t *testing.T) {
	d := draw(t)
	d.input(1, 5, 6, 1)
	d.ints("in", -1, 1, 5, 6)
	d.node("Reshape", "x in", "a")
	d.weights("w", 1, 1, 3, 3)
	d.node("Conv", "a w", "y", onnx.IntsAttr("pads", 1, 1, 1, 1))
	d.ints("back", -1, 5, 6, 1)
	d.node("Reshape", "y back", "out")
	d.output("out", onnx.Float32, 1, 5, 6, 1)
	in := inputs(d.m)
	before := runModel(t, d.m, in)["out"]
	c, err := edit.Classes{Count: 5, From: map[int]int{0: 0}}.Apply(d.m)
	if err != nil {
		t.Fatal(err)
	}
	sameFirstChannel(t, d.m, before, runModel(t, d.m, in)["out"], c)
	if _, err := (edit.Channels{Count: 3}).Apply(d.m); err != nil {
		t.Fatal(err)
	}
	if got := runModel(t, d.m, inputs(d.m))["out"].Shape(); !slices.Equal(got, []int{1, 5, 6, 5}) {
		t.Errorf("got shape %v", got)
	}
}

func TestArgMaxFollows(t *testing.T) {
	d := draw(t)
	d.input(1, 4, 5, 6)
	d.weights("w", 3, 4, 1, 1)
	d.node("Conv", "x w", "y")
	d.node("ArgMax", "y", "labels", onnx.IntAttr("axis", 1))
	d.node("Softmax", "y", "p", onnx.IntAttr("axis", 1))
	d.output("p", onnx.Float32, 1, 3, 5, 6)
	d.output("labels", onnx.Int64, 1, 1, 5, 6)
	if _, err := (edit.Classes{Count: 5}).Apply(d.m); err != nil {
		t.Fatal(err)
	}
	if got := runModel(t, d.m, inputs(d.m))["p"].Shape(); got[1] != 5 {
		t.Errorf("got shape %v", got)
	}
}

// TestChannels wants what timm's adapt_input_conv keeps: the sum over equal channels.
func TestChannels(t *testing.T) {
	for _, now := range []int{1, 2, 4, 5} {
		d := draw(t)
		d.input(1, 3, 5, 6)
		d.weights("w", 2, 3, 1, 1)
		d.node("Conv", "x w", "out")
		d.output("out", onnx.Float32, 1, 2, 5, 6)
		ones := func(n int) map[string]*onnx.Tensor {
			x, err := onnx.FromFloat32([]int{1, n, 5, 6}, slices.Repeat([]float32{1}, 30*n))
			d.must(err)
			return map[string]*onnx.Tensor{"x": x}
		}
		before := runModel(t, d.m, ones(3))["out"]
		if _, err := (edit.Channels{Count: now}).Apply(d.m); err != nil {
			t.Fatal(err)
		}
		w, _ := d.m.Initializer("w")
		v, err := w.Float32()
		d.must(err)
		if now == 1 || now == 2 {
			was := first(t, before, 1)[0]
			got := first(t, runModel(t, d.m, ones(now))["out"], 1)[0]
			if now == 1 && got != was {
				t.Errorf("one channel: want %g, got %g", was, got)
			}
		}
		if len(v) != 2*now {
			t.Errorf("want %d weights, got %d", 2*now, len(v))
		}
	}
}

func TestEnds(t *testing.T) {
	d := draw(t)
	blocks(d, "CRD")
	in := inputs(d.m)
	if err := edit.AddOutput(d.m, "y"); err != nil {
		t.Fatal(err)
	}
	if err := edit.Rename(d.m, "y", "features"); err != nil {
		t.Fatal(err)
	}
	if err := edit.Cut(d.m, "features"); err != nil {
		t.Fatal(err)
	}
	out := runModel(t, d.m, in)
	if len(out) != 1 || out["features"] == nil || len(d.m.Graph().Nodes) != 1 {
		t.Errorf("got outputs %v, %d nodes", out, len(d.m.Graph().Nodes))
	}
	if err := edit.Rename(d.m, "x", "features"); err == nil {
		t.Error("a name that is taken was given again")
	}
}
