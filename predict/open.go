package predict

import (
	"context"
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
	// Probabilities says that numbers are wanted beside labels: [Auto] then takes only what gives the plain
	// provider's to 5e-6, where for labels alone 1e-4 will do. Other tasks than segmentation always want them.
	Probabilities bool
	// Options are onnxruntime's.
	ort.Options
}

// Open returns a Predictor for a model file, which the caller must close. A model without a Spec gives [ErrNoSpec] unless
// the options have one. With [Auto] a model that was never seen on this machine is tried first, in processes of its own,
// which takes some runs on one tile; the program must call [TrialMain] at its start for that.
func Open(path string, o Options) (*Predictor, error) {
	if err := CheckProvider(o.Provider); err != nil {
		return nil, err
	}
	paths := append([]string{path}, o.Ensemble...)
	spec, err := o.specOf(paths)
	if err != nil {
		return nil, err
	}
	var known memory
	if o.Untrusted || o.Provider == Auto {
		known = newMemory(paths)
	}
	choice, tried := o.choice(&spec, paths, known)
	library := choice.Name + " of " + libraryID(o.Library)
	o.Untrusted = o.Untrusted && !tried && !known.opened(library)
	var models []opened
	for _, file := range paths {
		m, err := openWith(file, choice.Name, o.Options)
		if err != nil {
			return nil, errors.Join(err, closeAll(models))
		}
		models = append(models, m)
	}
	if o.Untrusted {
		known.keepOpened(library)
	}
	var more []onnx.Runner
	for _, m := range models[1:] {
		more = append(more, m.Runner)
	}
	p, err := New(spec, models[0].Runner, more...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), closeAll(models))
	}
	p.close, p.choice = func() error { return closeAll(models) }, choice
	return p, nil
}

// choice says what runs the models, and whether every one of them has run in a process of its own.
func (o Options) choice(spec *Spec, paths []string, known memory) (c Choice, tried bool) {
	device := o.Options.Provider
	c = Choice{Name: o.Provider, Why: "asked for"}
	switch {
	case o.Provider == "":
		c = Choice{Name: device.String(), Why: "the default"}
	case o.Provider == Auto && device != (ort.Provider{}):
		c = Choice{Name: device.String(), Why: "the device that was asked for"}
	case o.Provider == Auto:
		return choose(context.Background(), spec, paths, known, o)
	case o.Provider == CUDA && device.CUDA:
		c.Name = device.String()
	case o.Provider == CUDA:
		c.Name = ort.Provider{CUDA: true}.String()
	}
	return c, false
}

// specOf returns the Spec to follow: the given one or the first model's. It says what is wrong with a file that is no
// model, better than onnxruntime does.
func (o Options) specOf(paths []string) (Spec, error) {
	var own Spec
	var missing error
	for i, path := range paths {
		m, err := onnx.ReadFile(path)
		if err != nil {
			return Spec{}, err
		}
		if i == 0 && o.Spec == nil {
			own, missing = ReadSpec(m)
		}
		if err := m.Close(); err != nil {
			return Spec{}, err
		}
	}
	switch {
	case missing != nil:
		return Spec{}, fmt.Errorf("%s: %w", paths[0], missing)
	case o.Spec != nil:
		return *o.Spec, nil
	}
	return own, nil
}
