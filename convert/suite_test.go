package convert_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
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
