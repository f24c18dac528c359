package convert

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/ort"
)

// TestOperatorsAgainstRuntime compares the outputs of every case, and of many more combinations of
// attributes, with onnxruntime, an implementation of which no line is ours.
//
// Both compute in float32; right ones differ by about 1e-6 of the largest value.
func TestOperatorsAgainstRuntime(t *testing.T) {
	if _, _, err := ort.Library(""); err != nil {
		t.Skipf("onnxruntime cannot be loaded: %v", err)
	}
	ref, err := NewBackend(BackendOptions{Device: "go"})
	if err != nil {
		t.Fatal(err)
	}
	defer ref.Close()
	compared, left, refused := 0, 0, map[string]int{}
	for _, o := range append(opCases(t), formCases(t)...) {
		if otherwise(o) != "" {
			left++
			continue
		}
		m := o.model(onnx.Float32)
		raw, err := onnx.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ort.OpenBytes(raw, ort.Options{})
		if err != nil {
			if strings.Contains(err.Error(), "NOT_IMPLEMENTED") || strings.Contains(err.Error(), "opset") || strings.Contains(err.Error(), "No Op registered") {
				refused[o.op]++
				continue
			}
			if strings.Contains(err.Error(), "onnxruntime library") {
				t.Skip(err)
			}
			t.Errorf("%s: onnxruntime: %v", o, err)
			continue
		}
		t.Run(o.String(), func(t *testing.T) { o.compare(t, ref, s, m) })
		s.Close()
		compared++
	}
	t.Logf("%d cases compared, %d left out by name; onnxruntime does not know %v", compared, left, refused)
}

// otherwise says why a case is not compared: the runtime departs from the text of ONNX, or lacks the form.
func otherwise(o opCase) string {
	has := func(name string) bool {
		return slices.ContainsFunc(o.attrs, func(a onnx.Attr) bool { return a.Name == name })
	}
	text := func(name string) string {
		for _, a := range o.attrs {
			if a.Name == name {
				return a.S
			}
		}
		return ""
	}
	switch {
	case o.op == "BatchNormalization" && o.outputs > 1:
		return "a Runner computes in inference form, the runtime in training form"
	case strings.HasSuffix(o.op, "Pool") && text("auto_pad") == "VALID" && has("ceil_mode"):
		return "the runtime rounds up what the text rounds down; we refuse"
	case o.op == "ConvTranspose" && strings.HasPrefix(text("auto_pad"), "SAME") && (has("output_padding") || shorter(o)):
		return "the runtime departs from the text (a result of input times stride)"
	case o.op == "LRN" && even(o):
		return "the runtime wants an odd size; the suite has even ones"
	case o.op == "Attention" && o.at != nil && has("is_causal"):
		return "the runtime counts positions from the first key, not from the end of the valid ones"
	case o.op == "Attention" && o.opset > 24:
		return "the runtime does not know the opset"
	case has("layout"):
		return "the runtime has no recurrent layers with the batch first"
	case has("activations") && !has("activation_alpha"):
		return "the runtime takes 0 where the text has the default of the operator of that name"
	}
	return ""
}

// shorter says whether some kernel is shorter than its stride.
func shorter(o opCase) bool {
	for _, a := range o.attrs {
		if a.Name != "strides" {
			continue
		}
		for i, s := range a.Ints {
			if o.shapes[1][2+i] < int(s) {
				return true
			}
		}
	}
	return false
}

// even says whether attribute size is even.
func even(o opCase) bool {
	return slices.ContainsFunc(o.attrs, func(a onnx.Attr) bool { return a.Name == "size" && a.I%2 == 0 })
}

// compare runs a case on both.
func (o opCase) compare(t *testing.T, ref *Backend, s onnx.Runner, m *onnx.Model) {
	rng := rand.New(rand.NewPCG(7, uint64(len(o.op))))
	in := o.tensors(o.draw(rng), onnx.Float32)
	want, err := s.Run(context.Background(), in)
	if err != nil {
		t.Skipf("onnxruntime: %v", err)
	}
	g, err := Import(m, ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := g.Runner(ref)
	defer r.Close()
	got, err := r.Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	if rel, err := relative(got["y"], want["y"], 1e-3); err != nil || rel > 1e-4 {
		t.Errorf("differs by %g (%v)", rel, err)
	}
}
