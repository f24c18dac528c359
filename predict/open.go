package predict

import (
	"errors"
	"fmt"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/ort"
)

// Options say how [Open] runs a model. The zero value follows the Spec inside the model.
type Options struct {
	// Spec is followed instead of the model's own.
	Spec *Spec
	// Options are onnxruntime's.
	ort.Options
}

// Open returns a Predictor for a model file, run by onnxruntime, which the caller must close. A model
// without a Spec gives [ErrNoSpec] unless the options have one.
func Open(path string, o Options) (*Predictor, error) {
	spec, err := specOf(path, o.Spec)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	session, err := ort.Open(path, o.Options)
	if err != nil {
		return nil, err
	}
	p, err := New(spec, session)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, errors.Join(err, session.Close()))
	}
	p.close = session.Close
	return p, nil
}

func specOf(path string, given *Spec) (Spec, error) {
	if given != nil {
		return *given, nil
	}
	m, err := onnx.ReadFile(path)
	if err != nil {
		return Spec{}, err
	}
	spec, err := ReadSpec(m)
	return spec, errors.Join(err, m.Close())
}
