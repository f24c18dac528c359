//go:build cgo

package ort

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/internal/shared"
	"github.com/nitrain/nitrain/onnx"
)

// TestSuite runs the node tests of the ONNX project. What onnxruntime has no kernel for is its business; every
// model that it opens must give the expected outputs through this package, whatever their types and shapes.
func TestSuite(t *testing.T) {
	needLibrary(t)
	cases := readSuite(t, shared.Dir(t, "onnx-backend-tests.tar.gz"))
	every := 8
	if os.Getenv("NITRAIN_ACCEPTANCE") != "" {
		every = 1
	}
	passed, refused, known := 0, 0, 0
	names := make([]string, 0, len(cases))
	for name := range cases {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		if i%every != 0 {
			continue
		}
		s, err := OpenBytes(cases[name]["model.onnx"], Options{Threads: 1})
		if err != nil {
			refused++
			continue
		}
		err = runCase(s, cases[name])
		_ = s.Close()
		switch {
		case err == nil:
			passed++
		case isKnown(name):
			known++
		default:
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Logf("%d passed, %d refused when opened, %d known to differ in onnxruntime", passed, refused, known)
}

// isKnown reports whether onnxruntime 1.27.0 itself differs from the suite, with the same numbers in Python: by a
// kernel that lacks a case or is older than the suite (Attention), by its choice of pixels, by random numbers.
func isKnown(name string) bool {
	return slices.Contains([]string{
		"test_convinteger_with_padding", "test_maxunpool_export_with_output_shape",
		"test_resize_downsample_scales_cubic_align_corners", "test_resize_downsample_scales_linear_align_corners",
	}, name) ||
		strings.HasPrefix(name, "test_training_dropout") ||
		strings.HasPrefix(name, "test_attention_") && !strings.HasSuffix(name, "_expanded")
}

// readSuite returns the files of each case below node/.
func readSuite(t *testing.T, archive string) map[string]map[string][]byte {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return cases
		}
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(h.Name, "/")
		if h.Typeflag != tar.TypeReg || parts[0] != "node" || (len(parts) > 3 && parts[2] != "test_data_set_0") {
			continue
		}
		raw, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if cases[parts[1]] == nil {
			cases[parts[1]] = map[string][]byte{}
		}
		cases[parts[1]][path.Base(h.Name)] = raw
	}
}

func runCase(s *Session, files map[string][]byte) error {
	in := map[string]*onnx.Tensor{}
	for i, v := range s.Inputs() {
		x, err := readTensor(files[fmt.Sprintf("input_%d.pb", i)])
		if err != nil {
			return fmt.Errorf("input %d: %w", i, err)
		}
		in[v.Name] = x
	}
	out, err := s.Run(context.Background(), in)
	if err != nil {
		return err
	}
	for i, v := range s.Outputs() {
		want, err := readTensor(files[fmt.Sprintf("output_%d.pb", i)])
		if err != nil {
			return fmt.Errorf("output %d: %w", i, err)
		}
		if err := sameTensor(out[v.Name], want); err != nil {
			return fmt.Errorf("output %q: %w", v.Name, err)
		}
	}
	return nil
}

// readTensor reads a TensorProto by making it the initializer of a model.
func readTensor(raw []byte) (*onnx.Tensor, error) {
	var graph, model message
	graph.message(5, append(slices.Clone(message(raw)), 0x42, 1, 't')) // the last name counts
	model.varint(1, 8)
	model.message(7, graph)
	m, err := onnx.Read(strings.NewReader(string(model)), int64(len(model)))
	if err != nil {
		return nil, err
	}
	x, ok := m.Initializer("t")
	if !ok {
		return nil, errors.New("it is no tensor")
	}
	return x, nil
}

// sameTensor compares with the suite's own tolerance, 1e-3 of the value, and 1e-5 of the largest one: next to
// that, sums of many terms such as a Fourier transform have rounding errors where the truth is zero.
func sameTensor(got, want *onnx.Tensor) error {
	if got.DType() != want.DType() || !slices.Equal(got.Shape(), want.Shape()) {
		return fmt.Errorf("want %v %v, got %v %v", want.DType(), want.Shape(), got.DType(), got.Shape())
	}
	g, errG := got.Float32()
	w, errW := want.Float32()
	if errG != nil || errW != nil {
		a, errA := got.Bytes()
		b, errB := want.Bytes()
		if errA != nil || errB != nil || string(a) != string(b) {
			return fmt.Errorf("want %x, got %x", b, a)
		}
		return nil
	}
	largest := 0.0
	for _, v := range w {
		if v := math.Abs(float64(v)); v <= math.MaxFloat32 {
			largest = max(largest, v)
		}
	}
	for i := range w {
		a, b := float64(g[i]), float64(w[i])
		if a != b && !(math.IsNaN(a) && math.IsNaN(b)) && !(math.Abs(a-b) <= 1e-5*largest+1e-3*math.Abs(b)) {
			return fmt.Errorf("element %d: want %v, got %v", i, b, a)
		}
	}
	return nil
}
