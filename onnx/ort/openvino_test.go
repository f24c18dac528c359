//go:build cgo

package ort

import (
	"testing"

	"github.com/nitrain/nitrain/internal/native"
)

// A process holds one onnxruntime, so OpenVINO's is loaded by a child.
func TestOpenVINOOpensAModel(t *testing.T) {
	if _, err := native.Library(native.OpenVINO); err != nil {
		t.Skipf("OpenVINO is not installed: %v (%s)", err, hintOf(err))
	}
	if err := Probe(t.Context(), "testdata/sum.onnx", Options{Provider: Provider{OpenVINO: true}, Threads: 1}); err != nil {
		t.Error(err)
	}
}

func TestASecondLibraryIsRefused(t *testing.T) {
	needLibrary(t)
	if _, err := native.Library(native.OpenVINO); err != nil {
		t.Skipf("OpenVINO is not installed: %v (%s)", err, hintOf(err))
	}
	if _, _, err := Library(""); err != nil {
		t.Fatal(err)
	}
	_, err := Open("testdata/sum.onnx", Options{Provider: Provider{OpenVINO: true}})
	wantError(t, err, "this process has already loaded")
	if hintOf(err) == "" {
		t.Errorf("want a hint, got %v", err)
	}
}

func TestProvidersByName(t *testing.T) {
	for name, want := range map[string]Provider{"": {}, "auto": {}, "cpu": {}, "openvino": {OpenVINO: true}, "cuda": {CUDA: true}, "cuda:2": {CUDA: true, Device: 2}} {
		if got, err := ParseProvider(name); err != nil || got != want {
			t.Errorf("%q: want %+v, got %+v, %v", name, want, got, err)
		}
	}
	for _, name := range []string{"openvino:1", "cuda:-1", "gpu"} {
		if _, err := ParseProvider(name); err == nil {
			t.Errorf("%q: want an error", name)
		}
	}
	if err := (Options{Provider: Provider{CUDA: true, OpenVINO: true}}).check(); err == nil {
		t.Error("want one provider at a time")
	}
}
