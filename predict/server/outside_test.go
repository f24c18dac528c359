package server_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/ort"
	"github.com/nitrain/nitrain/predict/server"
)

// start serves with all listeners on free ports until the test ends.
func start(t testing.TB, h *server.Handler, l server.Listen) (at server.Addresses, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan server.Addresses, 1), make(chan error, 1)
	if l.ShutdownTimeout == 0 {
		l.ShutdownTimeout = 10 * time.Second
	}
	go func() { ended <- h.Serve(ctx, l, func(a server.Addresses) { ready <- a }) }()
	select {
	case at = <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	stopped := false
	stop = func() error {
		cancel()
		if stopped {
			return nil
		}
		stopped = true
		return <-ended
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return at, stop
}

// python returns an interpreter that has a module, or skips the test.
func python(t *testing.T, module string) string {
	t.Helper()
	name := os.Getenv("NITRAIN_PYTHON")
	if name == "" {
		name = "python3"
	}
	if out, err := exec.CommandContext(t.Context(), name, "-c", "import "+module).CombinedOutput(); err != nil {
		t.Skipf("%s has no %s (pip install 'tritonclient[http,grpc]', NITRAIN_PYTHON names another interpreter): %v %s", name, module, err, lastLine(out))
	}
	return name
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// writeNPY writes a float32 array as numpy reads it.
func writeNPY(t *testing.T, path string, x *onnx.Tensor) {
	t.Helper()
	raw, err := x.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	shape := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(x.Shape())), ", "), "[]")
	head := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s,), }", shape)
	head += strings.Repeat(" ", 63-(10+len(head))%64) + "\n"
	out := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(head)))
	if err := os.WriteFile(path, append(append(out, head...), raw...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// direct runs a model file in onnxruntime without a server.
func direct(t testing.TB, path string, o ort.Options, shape []int, seed uint64) (in, out *onnx.Tensor) {
	t.Helper()
	s, err := ort.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n, err := onnx.Elements(shape)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(seed, 1))
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(random.NormFloat64())
	}
	if in, err = onnx.FromFloat32(shape, values); err != nil {
		t.Fatal(err)
	}
	got, err := s.Run(t.Context(), map[string]*onnx.Tensor{s.Inputs()[0].Name: in})
	if err != nil {
		t.Fatal(err)
	}
	return in, got[s.Outputs()[0].Name]
}

// TestTritonClient lets the official client, as it is, make every call over HTTP and gRPC.
func TestTritonClient(t *testing.T) {
	model := realModel(t)
	interpreter := python(t, "tritonclient.http, tritonclient.grpc")
	folder := t.TempDir()
	raw, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(folder, "b", "1"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"a.onnx", "b/1/model.onnx"} {
		if err := os.WriteFile(filepath.Join(folder, path), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	models, err := server.NewRepository(server.OpenWith(ort.Options{}), folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := models.LoadAll(); err != nil {
		t.Fatal(err)
	}
	defer models.Close()
	in, out := direct(t, model, ort.Options{}, []int{2, 1, 32, 32, 32}, 1)
	temp := t.TempDir()
	writeNPY(t, filepath.Join(temp, "x.npy"), in)
	writeNPY(t, filepath.Join(temp, "y.npy"), out)
	h, _ := serve(t, server.Options{Models: models}, nil)
	at, _ := start(t, h, server.Listen{HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0"})
	cmd := exec.CommandContext(t.Context(), interpreter, "testdata/triton.py", strings.TrimPrefix(at.HTTP, "http://"), at.GRPC, "a", "b",
		filepath.Join(temp, "x.npy"), filepath.Join(temp, "y.npy"))
	if text, err := cmd.CombinedOutput(); err != nil || lastLine(text) != "ok" {
		t.Errorf("%v\n%s", err, text)
	}
}

// program finds a tool in PATH or skips the test.
func program(t *testing.T, name, from string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("no %s: %s", name, from)
	}
	return path
}

func TestHealthProbe(t *testing.T) {
	probe := program(t, "grpc-health-probe", "go install github.com/grpc-ecosystem/grpc-health-probe@v0.4.61")
	h, _ := serve(t, server.Options{}, map[string]*server.Model{"m": {Run: echo(2, onnx.Float32)}})
	at, _ := start(t, h, server.Listen{GRPC: "127.0.0.1:0"})
	for _, service := range []string{"", "inference.GRPCInferenceService"} {
		out, err := exec.CommandContext(t.Context(), probe, "-addr", at.GRPC, "-service", service).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "SERVING") {
			t.Errorf("service %q: %v %s", service, err, out)
		}
	}
	if out, err := exec.CommandContext(t.Context(), probe, "-addr", at.GRPC, "-service", "x").CombinedOutput(); err == nil {
		t.Errorf("an unknown service: %s", out)
	}
	h.Drain()
	if out, err := exec.CommandContext(t.Context(), probe, "-addr", at.GRPC).CombinedOutput(); err == nil {
		t.Errorf("while draining: %s", out)
	}
}

func TestPromtool(t *testing.T) {
	tool := program(t, "promtool", "Debian's package prometheus has it")
	h, url := serve(t, server.Options{}, map[string]*server.Model{"m": {Run: echo(2, onnx.Float32)}, "bright": bright(nil)})
	call(t, http.MethodGet, url+"/v2/models/m", nil)
	call(t, http.MethodGet, url+"/nothing", nil)
	call(t, http.MethodPost, url+"/v2/models/m/infer", []byte(`{"inputs":[{"name":"in0","datatype":"FP32","shape":[1,1],"data":[1]}]}`))
	at, _ := start(t, h, server.Listen{HTTP: "127.0.0.1:0", Metrics: "127.0.0.1:0"})
	_, _, text := call(t, http.MethodGet, at.Metrics, nil)
	cmd := exec.CommandContext(t.Context(), tool, "check", "metrics")
	cmd.Stdin = strings.NewReader(string(text))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v %s\n%s", err, out, text)
	}
	for _, want := range []string{
		`nitrain_requests_total{route="POST /v2/models/{model}/infer",code="200"} 1`, `nitrain_inferences_total{model="m",outcome="done"} 1`,
		`nitrain_model_ready{model="bright"} 1`, `nitrain_compute_seconds_bucket{model="m",le="+Inf"} 1`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}
