package convert_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/ort"
)

// verdict is what became of one case.
type verdict struct {
	// status is passed, bound (passed with inputs given as constants), refused, differs or crashed.
	status string
	why    string
}

const (
	passed  = "passed"
	bound   = "bound"
	refused = "refused"
	differs = "differs"
	crashed = "crashed"
)

// errWrong marks a result that is there but is not the expected one.
var errWrong = errors.New("wrong result")

// suiteCase is one case of the suite: a model, its inputs and what should come out.
type suiteCase struct {
	name  string
	raw   []byte
	model *onnx.Model
	in    map[string]*onnx.Tensor
	want  map[string]*onnx.Tensor
}

// readCase reads a case. One whose inputs or outputs are no tensors cannot be read.
func readCase(name string, files map[string][]byte) (*suiteCase, error) {
	c := &suiteCase{name: name, raw: files["model.onnx"], in: map[string]*onnx.Tensor{}, want: map[string]*onnx.Tensor{}}
	m, err := onnx.Read(bytes.NewReader(c.raw), int64(len(c.raw)))
	if err != nil {
		return nil, err
	}
	c.model = m
	read := func(infos []onnx.ValueInfo, what string, into map[string]*onnx.Tensor) error {
		for i, info := range infos {
			if info.Kind != "" && info.Kind != "optional" {
				return fmt.Errorf("%s %q is a %s", what, info.Name, info.Kind)
			}
			t, err := unwrapTensor(files[fmt.Sprintf("test_data_set_0/%s_%d.pb", what, i)])
			if err != nil {
				return fmt.Errorf("%s %q: %w", what, info.Name, err)
			}
			into[info.Name] = t
		}
		return nil
	}
	if err := read(m.Inputs(), "input", c.in); err != nil {
		return nil, err
	}
	return c, read(m.Outputs(), "output", c.want)
}

// check compares what came out.
func (c *suiteCase) check(got map[string]*onnx.Tensor) error {
	for _, info := range c.model.Outputs() {
		if got[info.Name] == nil {
			return fmt.Errorf("output %q is not computed", info.Name)
		}
		if err := same(got[info.Name], c.want[info.Name]); err != nil {
			return fmt.Errorf("%w: output %q: %w", errWrong, info.Name, err)
		}
	}
	return nil
}

// runner runs cases in one way.
type runner func(c *suiteCase) verdict

// judged turns an error into a verdict.
func judged(err error) verdict {
	switch {
	case err == nil:
		return verdict{status: passed}
	case errors.Is(err, errWrong):
		return verdict{differs, err.Error()}
	}
	return verdict{refused, err.Error()}
}

// runtimeRunner runs cases in onnxruntime.
func runtimeRunner(c *suiteCase) verdict {
	s, err := ort.OpenBytes(c.raw, ort.Options{})
	if err != nil {
		return judged(err)
	}
	defer s.Close()
	got, err := s.Run(context.Background(), c.in)
	if err != nil {
		return judged(err)
	}
	return judged(c.check(got))
}

// convertRunner runs cases through the imported graph on an engine, after a round through Export if asked.
// A case that is refused for shapes that hang on inputs is tried again with small inputs, then with all
// inputs, given as constants.
func convertRunner(b *convert.Backend, export bool) runner {
	return func(c *suiteCase) verdict {
		first := convertOnce(b, c, 0, export)
		for level := 1; level <= 2 && first.status == refused; level++ {
			again := convertOnce(b, c, level, export)
			switch again.status {
			case passed:
				return verdict{status: bound}
			case differs:
				return again
			}
		}
		return first
	}
}

func convertOnce(b *convert.Backend, c *suiteCase, level int, export bool) verdict {
	fixed, free := map[string]*onnx.Tensor{}, map[string]*onnx.Tensor{}
	for name, t := range c.in {
		if level == 2 || level == 1 && (!t.DType().Float() || t.Len() <= 8) {
			fixed[name] = t
		} else {
			free[name] = t
		}
	}
	o := convert.ImportOptions{Bind: fixed}
	g, err := convert.Import(c.model, o)
	if err != nil {
		return judged(err)
	}
	if export {
		m, err := g.Export()
		if err != nil {
			return judged(fmt.Errorf("export: %w", err))
		}
		raw, err := onnx.Encode(m)
		if err != nil {
			return judged(fmt.Errorf("encode: %w", err))
		}
		if m, err = onnx.Read(bytes.NewReader(raw), int64(len(raw))); err != nil {
			return verdict{differs, "what was written cannot be read: " + err.Error()}
		}
		if g, err = convert.Import(m, o); err != nil {
			return verdict{differs, "what was written is not imported: " + err.Error()}
		}
	}
	r := g.Runner(b)
	defer r.Close()
	if strings.Contains(c.name, "training") {
		r = convert.Training(r)
	}
	got, err := r.Run(context.Background(), free)
	if err != nil {
		return judged(err)
	}
	return judged(c.check(got))
}

// runners names the ways in which the suite is run; an engine that this machine lacks gives a reason.
func runners() []string { return []string{"onnxruntime", "cpu", "onnx", "go", "export"} }

// newRunner starts one of the ways.
func newRunner(t testing.TB, name string) runner {
	if name == "onnxruntime" {
		return runtimeRunner
	}
	device, export := name, false
	if name == "export" {
		device, export = "cpu", true
	}
	start := func() (*convert.Backend, error) {
		return convert.NewBackend(convert.BackendOptions{Device: device})
	}
	if name == "onnx" {
		start = convert.OnRuntime
	}
	b, err := start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return convertRunner(b, export)
}
