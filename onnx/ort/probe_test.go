//go:build cgo

package ort

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestProbeSurvivesACrash opens a model on which onnxruntime ends the process that loads it.
func TestProbeSurvivesACrash(t *testing.T) {
	needLibrary(t)
	err := Probe(t.Context(), "testdata/crash.onnx", Options{})
	t.Log(err)
	wantError(t, err, "ort: testdata/crash.onnx: onnxruntime crashed on the model in a child process", "SIGFPE")
	_, err = Open("testdata/crash.onnx", Options{Untrusted: true})
	wantError(t, err, "crashed")
	raw, err := os.ReadFile("testdata/crash.onnx")
	if err != nil {
		t.Fatal(err)
	}
	_, err = OpenBytes(raw, Options{Untrusted: true})
	wantError(t, err, "ort: model in memory: onnxruntime crashed")
}

func TestProbe(t *testing.T) {
	needLibrary(t)
	start := time.Now()
	if err := Probe(t.Context(), "testdata/sum.onnx", Options{}); err != nil {
		t.Error(err)
	}
	t.Logf("a probe takes %v", time.Since(start))
	s, err := Open("testdata/external.onnx", Options{Untrusted: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	bad := filepath.Join(t.TempDir(), "bad.onnx")
	if err := os.WriteFile(bad, []byte("not a model"), 0o644); err != nil {
		t.Fatal(err)
	}
	wantError(t, Probe(t.Context(), bad, Options{}), "ort: "+bad)
	wantError(t, Probe(t.Context(), "testdata/sum.onnx", Options{Threads: -1}), "threads")
}

func TestProbeLimits(t *testing.T) {
	needLibrary(t)
	err := Probe(t.Context(), "testdata/sum.onnx", Options{ProbeTimeout: time.Microsecond})
	wantError(t, err, "did not open the model within")
	err = Probe(t.Context(), "testdata/sum.onnx", Options{ProbeMemory: 1 << 20})
	wantError(t, err, "ort: testdata/sum.onnx: onnxruntime wants more than 1 MiB")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Probe(ctx, "testdata/sum.onnx", Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("want context.Canceled, got %v", err)
	}
}

func TestProbeNeedsProbeMain(t *testing.T) {
	needLibrary(t)
	probeReady.Store(false)
	defer probeReady.Store(true)
	_, err := Open("testdata/sum.onnx", Options{Untrusted: true})
	wantError(t, err, "child process")
	if hintOf(err) == "" {
		t.Error("want a hint")
	}
}
