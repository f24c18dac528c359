package server_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/ort"
	"github.com/nitrain/nitrain/predict"
	"github.com/nitrain/nitrain/predict/server"
)

func TestMain(m *testing.M) {
	ort.ProbeMain()
	os.Exit(m.Run())
}

// fake is a model that returns each of its inputs under another name.
type fake struct {
	in, out []onnx.ValueInfo
	before  func(ctx context.Context) error // runs first, nil for nothing
}

var _ onnx.Runner = (*fake)(nil)

func (m *fake) Inputs() []onnx.ValueInfo  { return m.in }
func (m *fake) Outputs() []onnx.ValueInfo { return m.out }

func (m *fake) Run(ctx context.Context, inputs map[string]*onnx.Tensor) (map[string]*onnx.Tensor, error) {
	if m.before != nil {
		if err := m.before(ctx); err != nil {
			return nil, err
		}
	}
	out := map[string]*onnx.Tensor{}
	for i, v := range m.in {
		out[m.out[i].Name] = inputs[v.Name]
	}
	return out, ctx.Err()
}

// echo returns a model that gives back tensors of those types, whose axes are free.
func echo(rank int, types ...onnx.DType) *fake {
	m := &fake{}
	for i, d := range types {
		suffix := string(rune('0' + i))
		free := slices.Repeat([]int{-1}, rank)
		m.in = append(m.in, onnx.ValueInfo{Name: "in" + suffix, DType: d, Shape: free})
		m.out = append(m.out, onnx.ValueInfo{Name: "out" + suffix, DType: d, Shape: free})
	}
	return m
}

// bright is a model of scans: label 7 where the scan is above 0.5. It sees windows of 8 voxels.
func bright(before func(ctx context.Context) error) *server.Model {
	free := []int{-1, 1, -1, -1, -1}
	m := &fake{
		in:  []onnx.ValueInfo{{Name: "x", DType: onnx.Float32, Shape: free}},
		out: []onnx.ValueInfo{{Name: "y", DType: onnx.Float32, Shape: free}}, before: before,
	}
	return &server.Model{Run: m, Digest: "d1", Spec: &predict.Spec{
		Version: 1, Task: predict.Segmentation,
		Input:  predict.Input{Layout: patch.XYZ, Channels: []predict.Channel{{Name: "T1w"}}},
		Tile:   &predict.Tile{Size: [3]int{8, 8, 8}},
		Decode: predict.Decode{Activation: predict.None, Pick: predict.Threshold},
		Labels: []predict.Label{{Value: 0, Name: "background"}, {Value: 7, Name: "bright"}},
	}}
}

// scan is an oblique image whose samples are between 0 and 1, and its NIfTI file.
func scan(t testing.TB, size [3]int) (*imageio.Image, []byte) {
	t.Helper()
	im := imageio.New(imageio.Grid{Size: size, Affine: imageio.Affine{
		{-0.9, 0.05, 0.1, 30}, {0.04, 1.2, -0.2, -20}, {0.06, 0.1, 2.5, 10}, {0, 0, 0, 1},
	}}, 1, imageio.Intensity)
	for i := range im.Data {
		im.Data[i] = float32((i*7919+i/13)%1009) / 1009
	}
	path := filepath.Join(t.TempDir(), "scan.nii.gz")
	if err := imageio.Write(path, im); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return im, raw
}

// serve returns a handler of models and a test server in front of it.
func serve(t testing.TB, o server.Options, models map[string]*server.Model) (*server.Handler, string) {
	t.Helper()
	if o.Models == nil {
		o.Models = repository(t, models)
	}
	if o.Folder == "" {
		o.Folder = t.TempDir()
	}
	h, err := server.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(h)
	t.Cleanup(func() {
		ts.Close()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(o.Folder); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
	})
	return h, ts.URL
}

func repository(t testing.TB, models map[string]*server.Model) *server.Repository {
	t.Helper()
	r, err := server.NewRepository(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range models {
		if err := r.Add(name, m); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// call sends a request and returns status, headers and body.
func call(t testing.TB, method, url string, body []byte, header ...string) (int, http.Header, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, text
}

// realModel returns a file of the project's own U-Net with its Spec inside; the test is skipped where onnxruntime
// is missing.
func realModel(t testing.TB) string {
	t.Helper()
	if _, _, err := ort.Library(""); err != nil {
		t.Skip("onnxruntime cannot run: ", err)
	}
	m, err := onnx.ReadFile("../../testdata/models/unet3d_a.onnx")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	text, err := os.ReadFile("../../testdata/models/unet3d_a.json")
	if err != nil {
		t.Fatal(err)
	}
	spec, err := predict.ParseSpec(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := predict.WriteSpec(m, spec); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "unet3d_a.onnx")
	if err := onnx.WriteFile(path, m); err != nil {
		t.Fatal(err)
	}
	return path
}
