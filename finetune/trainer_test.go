package finetune

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/internal/record"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

func TestTrainerLearnsAndExports(t *testing.T) {
	dir := t.TempDir()
	cases := tinyCases(t, dir, 5)
	trainer := newTiny(t, plainEngine(t), cases[:4], cases[4:], tinyConfig(40))
	run := filepath.Join(dir, "run")
	if err := trainer.Record(run, "tiny.onnx"); err != nil {
		t.Fatal(err)
	}
	var events []Event
	if err := trainer.Run(t.Context(), func(e Event) { events = append(events, e) }); err != nil {
		t.Fatal(err)
	}
	var scores []float64
	steps := 0
	for _, e := range events {
		switch e.Kind {
		case Validated:
			scores = append(scores, e.Validation.Score)
		case Stepped:
			steps++
			if e.Step != steps || len(e.Cases) != 2 || e.Steps != 40 {
				t.Fatalf("event %+v", e)
			}
		}
	}
	if len(scores) != 11 || scores[10] < 0.8 || scores[10] < scores[0]+0.2 {
		t.Errorf("scores %v: want 11 that rise to 0.8", scores)
	}
	if events[0].Kind != Started || events[len(events)-1].Kind != Finished {
		t.Errorf("first %s, last %s", events[0].Kind, events[len(events)-1].Kind)
	}
	folder, err := OpenFolder(run)
	if err != nil {
		t.Fatal(err)
	}
	for name, get := range map[string]func() (*onnx.Model, error){"best": trainer.Best, "last": trainer.Last, "folder best": folder.Best, "folder last": folder.Last} {
		m, err := get()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		spec, err := predict.ReadSpec(m)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p := spec.Provenance
		if p == nil || p.Trained == nil || p.Trained.Cases != 4 || len(p.SHA256) != 64 || len(p.Trained.Data) != 64 || p.Source != "tiny.onnx" {
			t.Errorf("%s: provenance %+v", name, p)
		}
		if strings.HasSuffix(name, "best") && p.Trained.Score != slices.Max(scores) {
			t.Errorf("%s: score %g, want %g", name, p.Trained.Score, slices.Max(scores))
		}
		m.Close()
	}
	for _, f := range []string{record.Events, record.Metrics, record.Run, record.Status, record.Page, record.Last, record.Best} {
		if info, err := os.Stat(filepath.Join(run, f)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", f, err)
		}
	}
	page, _ := os.ReadFile(filepath.Join(run, record.Page))
	for _, w := range []string{"case4", "Learning rate", "data:image/png;base64,", "bright"} {
		if !bytes.Contains(page, []byte(w)) {
			t.Errorf("report lacks %q", w)
		}
	}
	if s, err := folder.Status(); err != nil || s.State != "finished" || s.Step != 40 {
		t.Errorf("status %+v, %v", s, err)
	}
	if again := newTiny(t, trainer.backend, cases[:4], cases[4:], tinyConfig(40)).Record(run, ""); again == nil {
		t.Error("a second run in the same folder: want an error")
	}
}

// TestExportKeepsWhatDidNotTrain also sees that no step at all gives the source's bytes.
func TestExportKeepsWhatDidNotTrain(t *testing.T) {
	dir := t.TempDir()
	cases := tinyCases(t, dir, 2)
	backend := plainEngine(t)
	values := func(m *onnx.Model, name string) []byte {
		w, ok := m.Initializer(name)
		if !ok {
			t.Fatalf("no %s", name)
		}
		raw, err := w.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	source := tinyModel(t)
	c := tinyConfig(3)
	c.Freeze = []string{"^first"}
	for name, c := range map[string]Config{"frozen": c, "no step": tinyConfig(NoSteps)} {
		trainer := newTiny(t, backend, cases, nil, c)
		if err := trainer.Run(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		m, err := trainer.Best()
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range []string{"first.weight", "first.bias", "last.weight", "last.bias"} {
			same := bytes.Equal(values(m, w), values(source, w))
			if want := name == "no step" || strings.HasPrefix(w, "first"); same != want {
				t.Errorf("%s: %s: unchanged is %v, want %v", name, w, same, want)
			}
		}
	}
}

func TestResumeEqualsUninterrupted(t *testing.T) {
	stops := map[string][]int{"go": {4}, "cpu": {3}}
	engines := map[string]*convert.Backend{"go": plainEngine(t)}
	if b, err := convert.NewBackend(convert.BackendOptions{Device: "cpu"}); err == nil {
		t.Cleanup(b.Close)
		engines["cpu"] = b
	} else {
		t.Logf("only the reference engine is tried: %v", err)
	}
	for name, backend := range engines {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			cases := tinyCases(t, dir, 4)
			want := filepath.Join(dir, "whole")
			runTiny(t, backend, cases, want, -1)
			for _, stop := range stops[name] {
				got := filepath.Join(dir, "stopped", string(rune('a'+stop)))
				runTiny(t, backend, cases, got, stop)
				sameWeights(t, want, got)
				sameEvents(t, want, got)
			}
		})
	}
}

// runTiny trains 8 steps in a folder; with stop >= 0 it is cancelled after that step and resumed.
func runTiny(t *testing.T, backend *convert.Backend, cases []dataset.Case, path string, stop int) {
	t.Helper()
	trainer := newTiny(t, backend, cases[:3], cases[3:], tinyConfig(8))
	if err := trainer.Record(path, "tiny.onnx"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := trainer.Run(ctx, func(e Event) {
		if e.Step == stop && (e.Kind == Stepped || e.Kind == Started) {
			cancel()
		}
	})
	if stop < 0 {
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	var hint interface{ Hint() string }
	if !errors.Is(err, context.Canceled) || !errors.As(err, &hint) || !strings.Contains(hint.Hint(), path) {
		t.Fatalf("want context.Canceled with a hint, got %v", err)
	}
	folder, err := OpenFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := folder.Status(); err != nil || s.State != "interrupted" || s.Step != stop {
		t.Fatalf("status %+v, %v", s, err)
	}
	resumed, err := folder.Resume(t.Context(), backend)
	if err != nil {
		t.Fatal(err)
	}
	defer resumed.Close()
	if err := resumed.Run(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

// sameWeights compares the checkpoints of two runs bit by bit.
func sameWeights(t *testing.T, a, b string) {
	t.Helper()
	for _, name := range []string{record.Last, record.Best} {
		x, err := record.ReadCheckpoint(a, name)
		if err != nil {
			t.Fatal(err)
		}
		y, err := record.ReadCheckpoint(b, name)
		if err != nil {
			t.Fatal(err)
		}
		if len(x.Arrays) != len(y.Arrays) || len(x.Arrays) < 12 {
			t.Fatalf("%s: %d and %d arrays", name, len(x.Arrays), len(y.Arrays))
		}
		for i, v := range x.Arrays {
			if v.Name != y.Arrays[i].Name || !bytes.Equal(v.Data, y.Arrays[i].Data) {
				t.Errorf("%s: %s differs", name, v.Name)
			}
		}
	}
}

// sameEvents compares losses and scores.
func sameEvents(t *testing.T, a, b string) {
	t.Helper()
	list := func(path string) []float64 {
		f, err := OpenFolder(path)
		if err != nil {
			t.Fatal(err)
		}
		events, err := f.Events()
		if err != nil {
			t.Fatal(err)
		}
		var out []float64
		for _, e := range events {
			if e.Kind == Stepped {
				out = append(out, float64(e.Step), e.Loss, e.Norm, e.Rate)
			}
			if e.Kind == Validated {
				out = append(out, e.Validation.Score)
			}
		}
		return out
	}
	if x, y := list(a), list(b); !slices.Equal(x, y) {
		t.Errorf("events differ:\n%v\n%v", x, y)
	}
}

func TestDivergenceNamesStepAndCases(t *testing.T) {
	dir := t.TempDir()
	cases := tinyCases(t, dir, 2)
	c := tinyConfig(50)
	c.Optimizer, c.Rate, c.Clip, c.Warmup, c.Schedule = SGD, 1e30, 0, 0, Constant
	trainer := newTiny(t, plainEngine(t), cases, nil, c)
	run := filepath.Join(dir, "run")
	if err := trainer.Record(run, ""); err != nil {
		t.Fatal(err)
	}
	err := trainer.Run(t.Context(), nil)
	var d *DivergedError
	if !errors.As(err, &d) || d.Step < 2 || len(d.Cases) != 2 || !strings.Contains(err.Error(), "case") || d.Hint() == "" {
		t.Fatalf("want DivergedError with cases, got %v", err)
	}
	folder, err := OpenFolder(run)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := folder.Status(); err != nil || s.State != "failed" || !strings.Contains(s.Text, "step") {
		t.Errorf("status %+v, %v", s, err)
	}
	if m, err := folder.Last(); err != nil {
		t.Errorf("the last checkpoint: %v", err)
	} else {
		m.Close()
	}
}

// TestLostCaseKeepsWhatWasLearned removes a file in the middle of a run.
func TestLostCaseKeepsWhatWasLearned(t *testing.T) {
	dir := t.TempDir()
	cases := tinyCases(t, dir, 2)
	c := tinyConfig(20)
	c.CacheBytes, c.Batch = 1, 1 // read anew at each use
	trainer := newTiny(t, plainEngine(t), cases, nil, c)
	run := filepath.Join(dir, "run")
	if err := trainer.Record(run, ""); err != nil {
		t.Fatal(err)
	}
	stopped := 0
	err := trainer.Run(t.Context(), func(e Event) {
		if e.Kind == Stepped && e.Step == 3 {
			if err := os.Remove(cases[1].Label); err != nil {
				t.Error(err)
			}
		}
		stopped = e.Step
	})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "case1") {
		t.Fatalf("want an error that names case1, got %v", err)
	}
	last, err := record.ReadCheckpoint(run, record.Last)
	if err != nil || stopped < 3 || !bytes.Contains(last.State, fmt.Appendf(nil, `"step":%d,`, stopped)) {
		t.Errorf("stopped after step %d, checkpoint %s, %v", stopped, last.State, err)
	}
}

func TestEarlyStop(t *testing.T) {
	cases := tinyCases(t, t.TempDir(), 2)
	c := tinyConfig(60)
	c.ValidateEvery, c.EarlyStop, c.Rate = 2, 2, 1e-9 // nothing gets better
	trainer := newTiny(t, plainEngine(t), cases[:1], cases[1:], c)
	var last Event
	if err := trainer.Run(t.Context(), func(e Event) { last = e }); err != nil {
		t.Fatal(err)
	}
	if last.Kind != Finished || last.Step != 4 || !strings.Contains(last.Text, "early") {
		t.Errorf("last event %+v", last)
	}
	m, err := trainer.Best()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if spec, err := predict.ReadSpec(m); err != nil || spec.Provenance.Trained.Score != trainer.state.Best || spec.Provenance.Trained.Steps != trainer.state.BestStep {
		t.Errorf("best: %+v, %v", spec.Provenance, err)
	}
}

func TestNewReportsEverythingAtOnce(t *testing.T) {
	cases := tinyCases(t, t.TempDir(), 2)
	gone := dataset.Case{ID: "gone", Images: []string{"gone.nii"}, Label: "gone.nii"}
	c := tinyConfig(10)
	c.Epochs, c.Rate, c.Foreground, c.Warmup = 2, -1, 2, 10
	c.Loss, c.Optimizer, c.Freeze, c.Order = "focal", "lion", []string{"("}, []string{"nobody"}
	c.LossOptions.Weights = []float64{1}
	_, err := New(t.Context(), tinyModel(t), plainEngine(t), append(cases, gone), nil, c)
	var config *ConfigError
	var data *dataset.Problems
	if !errors.As(err, &config) || !errors.As(err, &data) || !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("want both kinds of faults, got %v", err)
	}
	for _, w := range []string{"steps or epochs", "lr", "foreground", "warmup", "focal", "lion", "pattern", "nobody", "weights", "gone.nii"} {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("want %q in %v", w, err)
		}
	}
	for name, change := range map[string]func(*Config){
		"no parameter matches": func(c *Config) { c.Freeze = []string{"encoder"} },
		"no parameter trains":  func(c *Config) { c.Freeze = []string{"."} },
		"patch or whole":       func(c *Config) { c.Whole, c.Patch = true, [3]int{4, 4, 4} },
		"not with patches":     func(c *Config) { c.Pad = [3]int{4, 4, 4} },
		"momentum goes with":   func(c *Config) { c.Momentum = 0.9 },
	} {
		c := tinyConfig(10)
		change(&c)
		if _, err := New(t.Context(), tinyModel(t), plainEngine(t), cases, nil, c); !errors.As(err, &config) || !strings.Contains(err.Error(), name) {
			t.Errorf("want %q, got %v", name, err)
		}
	}
	if _, err := New(t.Context(), onnx.New(8, "bare"), plainEngine(t), cases, nil, tinyConfig(1)); !errors.Is(err, predict.ErrNoSpec) {
		t.Errorf("want ErrNoSpec, got %v", err)
	}
}
