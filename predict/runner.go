package predict

import (
	"errors"
	"fmt"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/ort"
)

// opened is a model that something runs.
type opened struct {
	onnx.Runner
	close func() error
}

// openWith opens a model file with a provider: a name of onnxruntime's, or Engine.
func openWith(path, provider string, o ort.Options) (opened, error) {
	if provider == Engine {
		return openEngine(path, o.Threads)
	}
	p, err := ort.ParseProvider(provider)
	if err != nil {
		return opened{}, err
	}
	o.Provider = p
	s, err := ort.Open(path, o)
	if err != nil {
		return opened{}, err
	}
	return opened{s, s.Close}, nil
}

// openEngine converts a model and runs it on the CPU engine. onnxruntime is not loaded.
func openEngine(path string, threads int) (opened, error) {
	m, err := onnx.ReadFile(path)
	if err != nil {
		return opened{}, err
	}
	// Weights that the exporter merged stay one: nothing trains here.
	g, err := convert.Import(m, convert.ImportOptions{KeepTies: true})
	if err != nil {
		return opened{}, errors.Join(fmt.Errorf("%s: provider engine: %w", path, err), m.Close())
	}
	b, err := convert.NewBackend(convert.BackendOptions{Device: "cpu", Threads: threads})
	if err != nil {
		return opened{}, errors.Join(err, m.Close())
	}
	r := g.Runner(b)
	return opened{r, func() error {
		err := r.Close()
		b.Close()
		return errors.Join(err, m.Close())
	}}, nil
}

// closeAll closes models and joins what they say.
func closeAll(models []opened) error {
	var errs []error
	for _, m := range models {
		errs = append(errs, m.close())
	}
	return errors.Join(errs...)
}
