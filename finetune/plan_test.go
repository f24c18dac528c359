package finetune

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

func tinySpec(t *testing.T) predict.Spec {
	t.Helper()
	s, err := predict.ReadSpec(tinyModel(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDefaults(t *testing.T) {
	spec := tinySpec(t)
	cases := []dataset.Case{{ID: "a", Images: []string{"x/a.nii.gz"}}, {ID: "b", Images: []string{"x/b.nii.gz"}}, {ID: "c", Images: []string{"c.nii"}}}
	p, err := newPlan(Defaults(), spec, cases, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.Steps != 300 || p.Batch != 1 || p.Patch != [3]int{8, 8, 8} || p.Whole || p.Augment != AugmentLight || p.Loss != DiceCE ||
		p.Optimizer != Adam || p.Rate != 1e-3 || p.Schedule != Cosine || p.ValidateEvery != 30 || p.BatchNorm != FrozenNorm {
		t.Errorf("got %+v", p.Config)
	}
	c := Defaults()
	c.Order, c.Optimizer = []string{"b.nii.gz", "a", "c", "b"}, AdamW
	if p, err = newPlan(c, spec, cases, nil); err != nil {
		t.Fatal(err)
	}
	if p.Steps != 4 || p.Augment != AugmentNone || p.Schedule != Constant || p.WeightDecay != 0.01 {
		t.Errorf("with an order: %+v", p.Config)
	}
	for i, want := range []int{1, 0, 2, 1, 1, 0} {
		if got := p.caseOf(i); got != want {
			t.Errorf("sample %d: want case %d, got %d", i, want, got)
		}
	}
	c = Defaults()
	c.Epochs, c.Batch, c.Whole, c.Pad = 3, 2, true, [3]int{16, 16, 16}
	spec.Tile = nil
	if p, err = newPlan(c, spec, cases, nil); err != nil {
		t.Fatal(err)
	}
	if p.Steps != 5 || len(p.spec.Prepare) != len(spec.Prepare)+1 {
		t.Errorf("epochs: %d steps, %d steps of preparation", p.Steps, len(p.spec.Prepare))
	}
	again, err := newPlan(c, p.spec, cases, nil)
	if err != nil || len(again.spec.Prepare) != len(p.spec.Prepare) {
		t.Errorf("padded twice: %v", err)
	}
}

func TestShuffleVisitsEveryCaseOncePerEpoch(t *testing.T) {
	p := &plan{Config: Config{Seed: 5}, cases: 7}
	var first []int
	for epoch := range 4 {
		var seen []int
		for i := range 7 {
			seen = append(seen, p.caseOf(7*epoch+i))
		}
		if epoch == 0 {
			first = slices.Clone(seen)
		} else if slices.Equal(first, seen) {
			t.Error("two epochs have the same order")
		}
		slices.Sort(seen)
		if !slices.Equal(seen, []int{0, 1, 2, 3, 4, 5, 6}) {
			t.Errorf("epoch %d visits %v", epoch, seen)
		}
	}
}

func TestClasses(t *testing.T) {
	spec := tinySpec(t)
	class := classOf(&spec)
	if class(0) != 0 || class(2) != 1 || class(5) != 2 {
		t.Error("argmax: labels 0, 2, 5 are channels 0, 1, 2")
	}
	spec.Decode.Pick = predict.Threshold
	class = classOf(&spec)
	if class(0) != -1 || class(2) != 0 || class(5) != 1 {
		t.Error("threshold: labels 2 and 5 are channels 0 and 1, background is none")
	}
	spec.Labels = spec.Labels[:2]
	class = classOf(&spec)
	if class(0) != 0 || class(2) != 1 {
		t.Error("one channel: classes 0 and 1")
	}
}

func TestSides(t *testing.T) {
	for name, want := range map[string]bool{"Left-Hippocampus": true, "kidney_right": true, "ctx-lh-insula": true, "cleft": false, "bright": false, "liver": false, "L": true} {
		if got := hasSides([]predict.Label{{Name: name}}); got != want {
			t.Errorf("%q: want %v", name, want)
		}
	}
	g := imageio.Grid{Size: [3]int{4, 4, 4}, Affine: imageio.Affine{{0, 0.2, -2, 0}, {1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 0, 1}}}
	if sideways(g) != 2 {
		t.Errorf("want axis 2, got %d", sideways(g))
	}
}

func TestOrderFiles(t *testing.T) {
	for text, want := range map[string][]string{
		"step\tfile\n2\tb\n1\ta\n2\tc\n": {"a", "b", "c"},
		"case\nx\ny\n":                   {"x", "y"},
		"step,id\n1,q\n":                 {"q"},
	} {
		got, err := parseOrder([]byte(text))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: want %v, got %v, %v", text, want, got, err)
		}
	}
	for text, want := range map[string]string{"": "header", "file\n": "header", "a\tb\n1\t2\n": "want a column file", "step\tfile\nx\ta\n": "line 2", "file\tcase\na\tb\n": "want one of"} {
		if _, err := parseOrder([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want %q, got %v", text, want, err)
		}
	}
}

func TestConfigJSON(t *testing.T) {
	var c Config
	if err := json.Unmarshal([]byte(`{"steps":5,"patch":[8,8,4],"loss-options":"smooth=1,background=false","lr":0.1}`), &c); err != nil {
		t.Fatal(err)
	}
	if c.Foreground != 0.5 || c.LossOptions.SmoothDen != 1 || c.LossOptions.Background || c.LossOptions.CEWeight != 1 {
		t.Errorf("got %+v", c)
	}
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var again Config
	if err := json.Unmarshal(raw, &again); err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(again)
	if string(a) != string(raw) {
		t.Errorf("%s became %s", raw, a)
	}
	for _, bad := range []string{`{"stepz":5}`, `{"loss-options":{"smoth":1}}`, `{"loss-options":"smooth"}`, `{"loss-options":"background=maybe,x=1"}`} {
		if err := json.Unmarshal([]byte(bad), &c); err == nil {
			t.Errorf("%s: want an error", bad)
		}
	}
}

func TestHeads(t *testing.T) {
	cases := tinyCases(t, t.TempDir(), 1)
	for how, check := range map[InitHead]func(w []float32) bool{
		ZeroHead: func(w []float32) bool { return slices.Max(w) == 0 && slices.Min(w) == 0 },
		KaimingHead: func(w []float32) bool {
			return slices.Max(w) > 0.1 && slices.Max(w) <= 0.3536 && slices.Min(w) >= -0.3536
		},
		KeepHead: func(w []float32) bool { return slices.Max(w) > 0.3536 },
	} {
		c := tinyConfig(3)
		c.InitHead = how
		trainer := newTiny(t, plainEngine(t), cases, nil, c)
		w, err := trainer.graph.Value("last.weight")
		if err != nil || !check(w) {
			t.Errorf("%s: last layer %v, %v", how, w, err)
		}
		if w, err = trainer.graph.Value("first.weight"); err != nil || slices.Max(w) < 0.5 {
			t.Errorf("%s: first layer %v, %v", how, w, err)
		}
	}
}

// TestBatchesAreFunctionsOfTheirNumber also sees that a whole batch of different sizes is refused.
func TestBatchesAreFunctionsOfTheirNumber(t *testing.T) {
	dir := t.TempDir()
	cases := tinyCases(t, dir, 3)
	c := tinyConfig(6)
	c.CacheBytes = 9000 // room for one of the three
	small, large := newTiny(t, plainEngine(t), cases, nil, c), newTiny(t, plainEngine(t), cases, nil, tinyConfig(6))
	bytesOf := func(l load) []byte {
		if l.err != nil {
			t.Fatal(l.err)
		}
		var all []byte
		for _, b := range l.batches {
			for _, name := range []string{"image", classesName} {
				raw, err := b[name].Bytes()
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, raw...)
			}
		}
		return all
	}
	backwards := map[int][]byte{}
	for _, i := range []int{5, 3, 0} {
		backwards[i] = bytesOf(small.batches.step(i))
	}
	for i := range 6 {
		got := bytesOf(large.batches.step(i))
		if want, ok := backwards[i]; ok && !slices.Equal(got, want) {
			t.Errorf("step %d depends on what was made before, or on the cache", i)
		}
	}
	if len(small.batches.shelf.kept) != 1 || len(large.batches.shelf.kept) != 3 {
		t.Errorf("kept %d and %d cases", len(small.batches.shelf.kept), len(large.batches.shelf.kept))
	}
	im := imageio.New(imageio.Grid{Size: [3]int{5, 5, 5}, Affine: imageio.Identity()}, 1, imageio.Intensity)
	label := imageio.New(im.Grid, 1, imageio.Label)
	if err := imageio.Write(cases[2].Images[0], im); err != nil {
		t.Fatal(err)
	}
	if err := imageio.Write(cases[2].Label, label); err != nil {
		t.Fatal(err)
	}
	c.Whole = true
	_, err := New(t.Context(), tinyModel(t), plainEngine(t), cases, nil, c)
	var config *ConfigError
	if !errors.As(err, &config) || !strings.Contains(err.Error(), "case2 [5 5 5]") {
		t.Errorf("want an error about sizes, got %v", err)
	}
}

// TestProbabilitiesAreUnderstood trains on a graph that ends in a softmax: the loss is that of the scores.
func TestProbabilitiesAreUnderstood(t *testing.T) {
	cases := tinyCases(t, t.TempDir(), 1)
	var losses []float64
	for _, end := range []bool{false, true} {
		m := tinyModel(t)
		if end {
			g := m.Graph()
			g.Nodes[2].Outputs[0] = "raw"
			g.Nodes = append(g.Nodes, &onnx.Node{Name: "soft", OpType: "Softmax", Inputs: []string{"raw"}, Outputs: []string{"scores"}, Attrs: []onnx.Attr{onnx.IntAttr("axis", 1)}})
			spec := tinySpec(t)
			spec.Decode.Activation = predict.None
			if err := predict.WriteSpec(m, spec); err != nil {
				t.Fatal(err)
			}
		}
		trainer, err := New(t.Context(), m, plainEngine(t), cases, nil, tinyConfig(4))
		if err != nil {
			t.Fatal(err)
		}
		defer trainer.Close()
		if err := trainer.Run(t.Context(), func(e Event) {
			if e.Kind == Stepped {
				losses = append(losses, e.Loss)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 4 {
		if d := losses[i] - losses[4+i]; d > 1e-4 || d < -1e-4 {
			t.Errorf("step %d: %g with scores, %g with probabilities", i+1, losses[i], losses[4+i])
		}
	}
}
