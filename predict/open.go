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
	// Ensemble are more model files that follow the first one's Spec; their results are averaged.
	Ensemble []string
	// Provider is what runs the model: [Auto], [CPU], [OpenVINO], [CUDA], "cuda:1", [Engine]. "" is onnxruntime on
	// the device that Options names, without a probe.
	Provider string
	// Memory bounds, in bytes, what the model may take beside the rest of a prediction: [Auto] takes no
	// provider that took more on the probe tile. 0 is no bound.
	Memory int64
	// Options are onnxruntime's.
	ort.Options
}

// Open returns a Predictor for a model file, run by onnxruntime, which the caller must close. A model
// without a Spec gives [ErrNoSpec] unless the options have one.
func Open(path string, o Options) (*Predictor, error) {
	if err := CheckProvider(o.Provider); err != nil {
		return nil, err
	}
	spec, err := specOf(path, o.Spec)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var sessions []*ort.Session
	shut := func() error {
		var errs []error
		for _, s := range sessions {
			errs = append(errs, s.Close())
		}
		return errors.Join(errs...)
	}
	var runs []onnx.Runner
	for _, file := range append([]string{path}, o.Ensemble...) {
		if err := readable(file); err != nil {
			return nil, errors.Join(err, shut())
		}
		session, err := ort.Open(file, o.Options)
		if err != nil {
			return nil, errors.Join(err, shut())
		}
		sessions, runs = append(sessions, session), append(runs, session)
	}
	p, err := New(spec, runs[0], runs[1:]...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), shut())
	}
	p.close, p.choice = shut, Choice{Name: o.Options.Provider.String(), Why: "the default"}
	return p, nil
}

// readable says what is wrong with a file that is no model, better than onnxruntime does.
func readable(path string) error {
	m, err := onnx.ReadFile(path)
	if err != nil {
		return err
	}
	return m.Close()
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
