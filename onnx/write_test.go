package onnx_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/internal/shared"
	"github.com/nitrain/nitrain/onnx"
)

// suite calls f for the models of the ONNX backend tests.
func suite(t *testing.T, f func(name string, data []byte)) {
	t.Helper()
	file, err := os.Open(shared.Dir(t, "onnx-backend-tests.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	gz, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(gz); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(h.Name, ".onnx") {
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		f(h.Name, data)
	}
}

// roundTrip checks that the model is written as it was read, that one metadata entry only adds its bytes,
// and that one changed tensor changes no byte outside its data.
func roundTrip(t *testing.T, name string, data []byte) {
	t.Helper()
	m, err := onnx.Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if out, err := onnx.Encode(m); err != nil || !bytes.Equal(out, data) {
		t.Errorf("%s: an unchanged model is not written as it was read (%v)", name, err)
		return
	}
	oneEntry(t, name, data, m)
	oneTensor(t, name, data, m)
}

func oneEntry(t *testing.T, name string, data []byte, m *onnx.Model) {
	t.Helper()
	m.SetMetadata("test.key", "value")
	out, err := onnx.Encode(m)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	before, after, ok := bytes.Cut(out, []byte("\x72\x11\x0a\x08test.key\x12\x05value"))
	if !ok || !bytes.Equal(append(bytes.Clone(before), after...), data) {
		t.Errorf("%s: a metadata entry changed other bytes", name)
	}
	m.RemoveMetadata("test.key")
	if out, err := onnx.Encode(m); err != nil || !bytes.Equal(out, data) {
		t.Errorf("%s: a metadata entry that is removed leaves something (%v)", name, err)
	}
}

func oneTensor(t *testing.T, name string, data []byte, m *onnx.Model) {
	t.Helper()
	for _, i := range m.Graph().Initializers {
		if i.Tensor.DType() != onnx.Float32 || i.Tensor.Len() == 0 {
			continue
		}
		was, err := i.Tensor.Float32()
		if err != nil {
			t.Errorf("%s: %s: %v", name, i.Name, err)
			return
		}
		for k := range was {
			was[k] = was[k]*2 + 1
		}
		v, _ := onnx.FromFloat32(i.Tensor.Shape(), was)
		old := i.Tensor
		if err := m.SetInitializer(i.Name, v); err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		out, err := onnx.Encode(m)
		if err != nil || len(out) != len(data) {
			t.Errorf("%s: %s: want %d bytes, got %d (%v)", name, i.Name, len(data), len(out), err)
			return
		}
		first, last := differ(out, data)
		raw, _ := v.Bytes()
		if last-first > len(raw) || !bytes.Contains(out[max(0, first-4):min(len(out), last+4)], raw[4:max(4, len(raw)-4)]) {
			t.Errorf("%s: %s: bytes %d to %d differ, want only the %d of the tensor", name, i.Name, first, last, len(raw))
		}
		i.Tensor = old
		break
	}
}

// differ returns the range in which two slices of one length differ.
func differ(a, b []byte) (first, last int) {
	first = len(a)
	for i := range a {
		if a[i] != b[i] {
			first, last = min(first, i), i+1
		}
	}
	return min(first, last), last
}

func TestRoundTripSuite(t *testing.T) {
	n := 0
	suite(t, func(name string, data []byte) { roundTrip(t, name, data); n++ })
	t.Logf("%d models", n)
}

func TestRoundTripModels(t *testing.T) {
	for _, path := range models(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(path, "box_external_data/model") {
			continue // its own test
		}
		roundTrip(t, filepath.Base(filepath.Dir(path)), data)
	}
}
