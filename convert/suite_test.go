package convert_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/internal/shared"
	"github.com/nitrain/nitrain/onnx"
)

// unwrapTensor reads a bare TensorProto by putting it into a model as its only initializer.
func unwrapTensor(raw []byte) (*onnx.Tensor, error) {
	field := func(tag byte, body []byte) []byte {
		return append(binary.AppendUvarint([]byte{tag}, uint64(len(body))), body...)
	}
	model := append([]byte{0x08, 8}, field(7<<3|2, field(5<<3|2, raw))...)
	m, err := onnx.Read(bytes.NewReader(model), int64(len(model)))
	if err != nil {
		return nil, err
	}
	if len(m.Graph().Initializers) != 1 {
		return nil, errors.New("no tensor")
	}
	return m.Graph().Initializers[0].Tensor, nil
}

// suite reads the ONNX backend tests: files by case.
func suite(t *testing.T) map[string]map[string][]byte {
	f, err := os.Open(shared.Dir(t, "onnx-backend-tests.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]map[string][]byte{}
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return cases
		}
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.SplitN(strings.TrimPrefix(path.Clean(h.Name), "./"), "/", 3)
		if len(parts) != 3 || h.Typeflag != tar.TypeReg {
			continue
		}
		raw, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		name := parts[0] + "/" + parts[1]
		if cases[name] == nil {
			cases[name] = map[string][]byte{}
		}
		cases[name][parts[2]] = raw
	}
}

var errWrong = errors.New("wrong result")

// outcome runs one case: nil, errWrong, or why it was refused.
func outcome(b *convert.Backend, files map[string][]byte, bind int) error {
	raw := files["model.onnx"]
	m, err := onnx.Read(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return err
	}
	in, bound := map[string]*onnx.Tensor{}, map[string]*onnx.Tensor{}
	for i, info := range m.Inputs() {
		x, err := unwrapTensor(files[fmt.Sprintf("test_data_set_0/input_%d.pb", i)])
		if err != nil {
			return err
		}
		if bind == 2 || bind == 1 && (!x.DType().Float() || x.Len() <= 8) {
			bound[info.Name] = x
		} else {
			in[info.Name] = x
		}
	}
	g, err := convert.Import(m, convert.ImportOptions{Bind: bound})
	if err != nil {
		return err
	}
	r := g.Runner(b)
	defer r.Close()
	got, err := r.Run(context.Background(), in)
	if err != nil {
		return err
	}
	for i, info := range m.Outputs() {
		want, err := unwrapTensor(files[fmt.Sprintf("test_data_set_0/output_%d.pb", i)])
		if err != nil {
			return err
		}
		if err := same(got[info.Name], want); err != nil {
			return fmt.Errorf("%w: output %d: %w", errWrong, i, err)
		}
	}
	return nil
}

// same compares with the suite's own tolerance, 1e-3 relative and 1e-7 absolute, the latter at 1e-5 of the
// largest value for the sums of float32 engines.
func same(got, want *onnx.Tensor) error {
	if got.DType() != want.DType() || !slices.Equal(got.Shape(), want.Shape()) {
		return fmt.Errorf("want %v %v, got %v %v", want.DType(), want.Shape(), got.DType(), got.Shape())
	}
	x, y := elements(got), elements(want)
	if len(x) != len(y) {
		return fmt.Errorf("values of type %v cannot be read", want.DType())
	}
	largest := 0.0
	for _, v := range y {
		if !math.IsInf(v, 0) {
			largest = max(largest, math.Abs(v))
		}
	}
	for i := range y {
		if x[i] == y[i] || math.IsNaN(x[i]) && math.IsNaN(y[i]) {
			continue
		}
		if !(math.Abs(x[i]-y[i]) <= 1e-7+1e-5*largest+1e-3*math.Abs(y[i])) {
			return fmt.Errorf("element %d: want %g, got %g", i, y[i], x[i])
		}
	}
	return nil
}

func elements(t *onnx.Tensor) []float64 {
	v, err := convert.Numbers(t)
	if err != nil {
		return nil
	}
	return v
}

// wrong lists cases whose result may differ, and why.
func wrong(name string) string {
	switch {
	case strings.HasPrefix(name, "node/test_batchnorm_") && strings.HasSuffix(name, "_training_mode"):
		return "a Runner computes in inference form"
	case strings.HasPrefix(name, "node/test_training_dropout"):
		return "a Runner computes in inference form"
	case strings.HasPrefix(name, "node/test_bernoulli"):
		return "random numbers"
	case name == "node/test_resize_downsample_scales_cubic_align_corners", name == "node/test_resize_downsample_scales_linear_align_corners":
		return "the reference takes a length of 2.4; onnxruntime and we take whole lengths"
	}
	return ""
}

// TestSuite runs the ONNX backend tests: a case passes or is refused; nothing is wrong silently.
func TestSuite(t *testing.T) {
	if os.Getenv("NITRAIN_ACCEPTANCE") == "" {
		t.Skip("the ONNX backend tests run with NITRAIN_ACCEPTANCE=1")
	}
	b := backend(t)
	cases := suite(t)
	pass, refused, total := map[string]int{}, map[string]int{}, map[string]int{}
	reasons := map[string]int{}
	for _, name := range sorted(cases) {
		if cases[name]["model.onnx"] == nil {
			continue
		}
		kind := path.Dir(name)
		total[kind]++
		err := outcome(b, cases[name], 0)
		for bind := 1; bind <= 2 && err != nil && !errors.Is(err, errWrong); bind++ {
			if again := outcome(b, cases[name], bind); again == nil || errors.Is(again, errWrong) {
				err = again
			}
		}
		switch {
		case err == nil:
			pass[kind]++
			if why := wrong(name); why != "" && why != "random numbers" && !strings.Contains(name, "dropout_zero") && !strings.Contains(name, "default_ratio") {
				t.Logf("%s passes, but is listed: %s", name, why)
			}
		case errors.Is(err, errWrong):
			if wrong(name) == "" {
				t.Errorf("%s: %v", name, err)
			}
		default:
			refused[kind]++
			text := err.Error()
			if i := strings.LastIndex(text, "): "); i >= 0 {
				text = text[i+3:]
			}
			reasons[text[:min(len(text), 100)]]++
			if os.Getenv("V") != "" {
				t.Logf("%s: %.200v", name, err)
			}
		}
	}
	for _, kind := range sorted(total) {
		t.Logf("%s: %d of %d pass, %d are refused", kind, pass[kind], total[kind], refused[kind])
	}
	for _, r := range sorted(reasons) {
		t.Logf("%4d %s", reasons[r], r)
	}
}

func sorted[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
