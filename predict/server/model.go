package server

import (
	"errors"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/ort"
	"github.com/nitrain/nitrain/predict"

	"github.com/nitrain/nitrain/internal/digest"
)

// Model is a model that can be served: what runs it, and what is known about it.
type Model struct {
	// Run computes; it is called from several goroutines at once.
	Run onnx.Runner
	// Spec says how scans become the model's input; nil for a model that is served as tensors only.
	Spec *predict.Spec
	// Path is the file that the model came from, for who explains it; "" for a model made in memory.
	Path string
	// Digest is the SHA-256 of that file in hexadecimal.
	Digest string
	// Close releases what Run holds; nil where there is nothing to release.
	Close func() error
}

// OpenFunc opens the model in a file.
type OpenFunc func(path string) (*Model, error)

// OpenWith returns an OpenFunc that runs models with onnxruntime and reads the Spec inside them.
func OpenWith(o ort.Options) OpenFunc {
	return func(path string) (*Model, error) {
		m, err := onnx.ReadFile(path)
		if err != nil {
			return nil, err
		}
		spec, err := predict.ReadSpec(m)
		hasSpec := err == nil
		if errors.Is(err, predict.ErrNoSpec) {
			err = nil
		}
		if err = errors.Join(err, m.Close()); err != nil {
			return nil, err
		}
		digest, err := digest.File(path)
		if err != nil {
			return nil, err
		}
		session, err := ort.Open(path, o)
		if err != nil {
			return nil, err
		}
		model := &Model{Run: session, Path: path, Digest: digest, Close: session.Close}
		if hasSpec {
			model.Spec = &spec
		}
		return model, nil
	}
}
