package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nitrain/nitrain/onnx"
)

// TestDemoClaims runs what the demo only suggests: that the pretrained weights matter, that a run repeats
// itself exactly, and that an interrupted and resumed run ends with the same weights. It works in the folder
// that `make demo` left, and writes its figures to docs/acceptance/demo.md.
func TestDemoClaims(t *testing.T) {
	if os.Getenv("NITRAIN_ACCEPTANCE") != "1" {
		t.Skip("minutes of training: NITRAIN_ACCEPTANCE=1 (make acceptance)")
	}
	t.Chdir("../..")
	if _, err := os.Stat("demo/tuned.onnx"); err != nil {
		t.Skip("the demo's folder is absent (make demo)")
	}
	dir := t.TempDir()
	s := shell{ctx: t.Context()}
	finetune := func(model, run string) []string {
		return []string{"finetune", model, "--data", "demo/train/cases.csv", "--config", "testdata/models/finetune_b.yaml", "-o", run, "--quiet"}
	}
	tuned := func(run string) scores {
		out := filepath.Join(dir, filepath.Base(run)+".onnx")
		s.run("bin/nitrain", "export", run, "-o", out)
		return s.evaluate(out, "demo/test/cases.csv")
	}
	before, after := s.evaluate("demo/model.onnx", "demo/test/cases.csv"), s.evaluate("demo/tuned.onnx", "demo/test/cases.csv")

	random := filepath.Join(dir, "random.onnx")
	if err := randomise("demo/model.onnx", random); err != nil {
		t.Fatal(err)
	}
	s.run("bin/nitrain", finetune(random, filepath.Join(dir, "scratch"))...)
	scratch := tuned(filepath.Join(dir, "scratch"))

	s.run("bin/nitrain", finetune("demo/model.onnx", filepath.Join(dir, "again"))...)
	again := tuned(filepath.Join(dir, "again"))

	interrupt(t, finetune("demo/model.onnx", filepath.Join(dir, "resumed")), filepath.Join(dir, "resumed"))
	s.run("bin/nitrain", "finetune", "--resume", filepath.Join(dir, "resumed"), "--quiet")
	tuned(filepath.Join(dir, "resumed"))
	if s.err != nil {
		t.Fatal(s.err)
	}
	first := weights(t, "demo/tuned.onnx")
	sameAgain := bytes.Equal(first, weights(t, filepath.Join(dir, "again.onnx")))
	sameResumed := bytes.Equal(first, weights(t, filepath.Join(dir, "resumed.onnx")))
	if !sameAgain || again.mean() != after.mean() {
		t.Error("a second run gives other weights or scores")
	}
	if !sameResumed {
		t.Error("an interrupted and resumed run gives other weights")
	}
	if before.mean() >= 0.5 || after.mean() < 0.85 || scratch.mean() > after.mean()-0.1 {
		t.Errorf("dice before %.3f, after %.3f, from random weights %.3f: want below 0.5, at least 0.85, and 0.1 below that",
			before.mean(), after.mean(), scratch.mean())
	}
	writeClaims(t, before, after, scratch, sameAgain, sameResumed)
}

// interrupt starts a run, sends it an interrupt when it has made some steps, and waits for its end.
func interrupt(t *testing.T, args []string, run string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bin/nitrain", args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range 6000 {
		time.Sleep(100 * time.Millisecond)
		events, err := os.ReadFile(filepath.Join(run, "events.jsonl"))
		if err == nil && strings.Count(string(events), `"step":`) > 50 {
			break
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Fatalf("an interrupted run ends with code %d (%v), want 130", code, err)
	}
}

// weights returns the bytes of all parameters.
func weights(t *testing.T, path string) []byte {
	t.Helper()
	m, err := onnx.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var all []byte
	for _, p := range onnx.Params(m) {
		raw, err := p.Tensor.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, raw...)
	}
	return all
}

// randomise writes a model whose weights are drawn as PyTorch draws those of new layers: convolutions
// uniformly within 1/sqrt(fan in), norms 1 and 0.
func randomise(from, to string) error {
	m, err := onnx.ReadFile(from)
	if err != nil {
		return err
	}
	defer m.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	bound := 0.0
	for _, init := range m.Graph().Initializers {
		shape := init.Tensor.Shape()
		v := make([]float32, init.Tensor.Len())
		switch {
		case len(shape) > 1: // a convolution's weight; its bias follows
			bound = 1 / math.Sqrt(float64(init.Tensor.Len()/shape[0]))
			fill(v, rng, bound)
		case strings.HasSuffix(init.Name, ".1.weight") || strings.HasSuffix(init.Name, ".4.weight"):
			for i := range v {
				v[i] = 1
			}
		case strings.HasSuffix(init.Name, ".1.bias") || strings.HasSuffix(init.Name, ".4.bias"):
		default:
			fill(v, rng, bound)
		}
		t, err := onnx.FromFloat32(shape, v)
		if err != nil {
			return err
		}
		if err := m.SetInitializer(init.Name, t); err != nil {
			return err
		}
	}
	return onnx.WriteFile(to, m)
}

func fill(v []float32, rng *rand.Rand, bound float64) {
	for i := range v {
		v[i] = float32(bound * (2*rng.Float64() - 1))
	}
}

func writeClaims(t *testing.T, before, after, scratch scores, again, resumed bool) {
	t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "# What the demo claims\n\nWritten by `make acceptance` after `make demo`. Mean Dice of the held-out heads:\n\n")
	fmt.Fprintf(&text, "| label | before | fine-tuned | same steps from random weights |\n|---|---|---|---|\n")
	for i, l := range after.Labels {
		fmt.Fprintf(&text, "| %s | %.3f | %.3f | %.3f |\n", l.Name, before.Labels[i].Dice, l.Dice, scratch.Labels[i].Dice)
	}
	fmt.Fprintf(&text, "| mean | %.3f | %.3f | %.3f |\n", before.mean(), after.mean(), scratch.mean())
	fmt.Fprintf(&text, "\n- a second run ends with the same weights, bit for bit: %v\n- an interrupted and resumed run ends with the same weights, bit for bit: %v\n", again, resumed)
	if err := os.MkdirAll("docs/acceptance", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("docs/acceptance/demo.md", []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestMean keeps the demo's mean that of its labels.
func TestMean(t *testing.T) {
	var s scores
	s.Labels = append(s.Labels, struct {
		Value int
		Name  string
		Dice  float64
	}{1, "a", 0.5}, struct {
		Value int
		Name  string
		Dice  float64
	}{2, "b", 1})
	if s.mean() != 0.75 {
		t.Errorf("mean %g, want 0.75", s.mean())
	}
	s = shellScores(t)
	if len(s.Labels) != 0 {
		t.Error("a shell that failed must not evaluate")
	}
}

func shellScores(t *testing.T) scores {
	t.Helper()
	s := shell{ctx: context.Background(), err: os.ErrInvalid}
	return s.evaluate("m", "d")
}
