//go:build cgo

package ort

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nitrain/nitrain/internal/native"
	"github.com/nitrain/nitrain/onnx"
)

func TestRun(t *testing.T) {
	s := openTest(t, "sum", Options{Threads: 1, InterThreads: 2})
	want := []onnx.ValueInfo{
		{Name: "a", DType: onnx.Float32, Shape: []int{-1, 3}, Dims: []string{"batch", ""}},
		{Name: "b", DType: onnx.Float32, Shape: []int{-1, 3}, Dims: []string{"batch", ""}},
	}
	if got := s.Inputs(); !reflect.DeepEqual(got, want) {
		t.Errorf("want inputs %+v, got %+v", want, got)
	}
	s.Inputs()[0].Shape[1] = 7 // a copy
	for _, n := range []int{1, 4, 0, 2} {
		a, b, sum := make([]float32, 3*n), make([]float32, 3*n), make([]float32, 3*n)
		for i := range a {
			a[i], b[i] = float32(i), float32(n)
			sum[i] = 2*a[i] + b[i]
		}
		y := run(t, s, map[string]*onnx.Tensor{"a": floats(t, []int{n, 3}, a...), "b": floats(t, []int{n, 3}, b...)})["y"]
		if !slices.Equal(y.Shape(), []int{n, 3}) || !slices.Equal(values(t, y), sum) {
			t.Errorf("batch %d: want %v, got %v %v", n, sum, y.Shape(), values(t, y))
		}
	}
}

// everyType lists the element types that pass through a session.
func everyType() []onnx.DType {
	return []onnx.DType{
		onnx.Float32, onnx.Float64, onnx.Float16, onnx.BFloat16, onnx.Int8, onnx.Int16, onnx.Int32, onnx.Int64,
		onnx.Uint8, onnx.Uint16, onnx.Uint32, onnx.Uint64, onnx.Bool,
	}
}

// pattern returns a tensor of bytes that mean different finite numbers in every type.
func pattern(tb testing.TB, dtype onnx.DType, shape []int) *onnx.Tensor {
	tb.Helper()
	n, err := onnx.Elements(shape)
	if err != nil {
		tb.Fatal(err)
	}
	raw := make([]byte, n*dtype.Size())
	for i := range raw {
		raw[i] = byte(1 + i%60)
		if dtype == onnx.Bool {
			raw[i] = byte(i % 2)
		}
	}
	x, err := onnx.NewTensor(dtype, shape, raw)
	if err != nil {
		tb.Fatal(err)
	}
	return x
}

func wantSame(tb testing.TB, name string, got, want *onnx.Tensor) {
	tb.Helper()
	g, errG := got.Bytes()
	w, errW := want.Bytes()
	if errG != nil || errW != nil || got.DType() != want.DType() || !slices.Equal(got.Shape(), want.Shape()) || !bytes.Equal(g, w) {
		tb.Errorf("%s: want %v %v %x, got %v %v %x", name, want.DType(), want.Shape(), w, got.DType(), got.Shape(), g)
	}
}

func TestEveryType(t *testing.T) {
	s := openTest(t, "types", Options{})
	for _, n := range []int{1, 5, 0} {
		in := map[string]*onnx.Tensor{}
		for _, d := range everyType() {
			in["in_"+d.String()] = pattern(t, d, []int{n, 2})
		}
		out := run(t, s, in)
		for _, d := range everyType() {
			wantSame(t, d.String(), out["out_"+d.String()], in["in_"+d.String()])
		}
	}
}

func TestScalars(t *testing.T) {
	s := openTest(t, "scalars", Options{})
	in := map[string]*onnx.Tensor{"in_float32": floats(t, nil, 1.5)}
	for _, v := range s.Inputs()[1:] {
		in[v.Name] = pattern(t, v.DType, nil)
	}
	out := run(t, s, in)
	for name, x := range in {
		wantSame(t, name, out["out_"+strings.TrimPrefix(name, "in_")], x)
	}
	for d, raw := range map[onnx.DType][]byte{onnx.Float16: {0x00, 0x3e}, onnx.BFloat16: {0xc0, 0x3f}} { // 1.5
		want, err := onnx.NewTensor(d, nil, raw)
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, d.String(), out["out_"+d.String()], want)
	}
}

func TestRankKnownOnlyAtRun(t *testing.T) {
	s := openTest(t, "rank", Options{})
	for _, shape := range [][]int{{}, {1}, {2, 3}, {0, 4, 2}, {1, 1, 1, 1}} {
		n, _ := onnx.Elements(shape)
		x, dims := make([]float32, n), make([]int64, len(shape))
		for i := range x {
			x[i] = float32(i + 1)
		}
		for i, d := range shape {
			dims[i] = int64(d)
		}
		y := run(t, s, map[string]*onnx.Tensor{"x": floats(t, []int{n}, x...), "shape": ints(t, []int{len(dims)}, dims...)})["y"]
		if !slices.Equal(y.Shape(), shape) || !slices.Equal(values(t, y), x) {
			t.Errorf("want %v %v, got %v %v", shape, x, y.Shape(), values(t, y))
		}
	}
}

func TestNoInputs(t *testing.T) {
	s := openTest(t, "none", Options{})
	if len(s.Inputs()) != 0 {
		t.Errorf("want no inputs, got %v", s.Inputs())
	}
	if y := run(t, s, nil)["y"]; !slices.Equal(values(t, y), []float32{-1, -2, -3, -4}) {
		t.Errorf("want -1 to -4, got %v", values(t, y))
	}
}

// TestExternalData also has half-precision outputs, so the model is loaded from memory with its folder given.
func TestExternalData(t *testing.T) {
	s := openTest(t, "external", Options{})
	x, err := onnx.NewTensor(onnx.Float16, []int{1, 16}, bytes.Repeat([]byte{0x00, 0x40}, 16)) // 2
	if err != nil {
		t.Fatal(err)
	}
	want, err := onnx.NewTensor(onnx.Float16, []int{1, 16}, bytes.Repeat([]byte{0x00, 0x46}, 16)) // 6
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, "y", run(t, s, map[string]*onnx.Tensor{"x": x})["y"], want)
}

func TestOpenBytesAndModel(t *testing.T) {
	needLibrary(t)
	raw, err := os.ReadFile("testdata/sum.onnx")
	if err != nil {
		t.Fatal(err)
	}
	m, err := onnx.ReadFile("testdata/sum.onnx")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.SetInitializer("two", floats(t, []int{1}, 3)); err != nil {
		t.Fatal(err)
	}
	in := map[string]*onnx.Tensor{"a": floats(t, []int{1, 3}, 1, 2, 3), "b": floats(t, []int{1, 3}, 0, 0, 0)}
	a, errA := OpenBytes(raw, Options{})
	b, errB := OpenModel(m, Options{})
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	defer b.Close()
	if y := values(t, run(t, a, in)["y"]); !slices.Equal(y, []float32{2, 4, 6}) {
		t.Errorf("bytes: got %v", y)
	}
	if y := values(t, run(t, b, in)["y"]); !slices.Equal(y, []float32{3, 6, 9}) {
		t.Errorf("model with a changed weight: got %v", y)
	}
}

func TestRunRefuses(t *testing.T) {
	s := openTest(t, "fixed", Options{})
	x, i := floats(t, []int{1, 4}, 1, 2, 3, 4), ints(t, []int{2}, 0, 3)
	for name, c := range map[string]struct {
		in   map[string]*onnx.Tensor
		want []string
	}{
		"nothing": {nil, []string{`input "x" is missing, want float32 [1 4]`, `input "i" is missing, want int64 [k]`}},
		"type":    {map[string]*onnx.Tensor{"x": x, "i": x}, []string{`input "i": want int64 [k], got float32 [1 4]`}},
		"shape":   {map[string]*onnx.Tensor{"x": floats(t, []int{2, 2}, 1, 2, 3, 4), "i": i}, []string{`input "x": want float32 [1 4], got float32 [2 2]`}},
		"unknown": {map[string]*onnx.Tensor{"x": x, "i": i, "j": i}, []string{`input "j" is not one of the model's: "x", "i"`}},
		"value":   {map[string]*onnx.Tensor{"x": x, "i": ints(t, []int{1}, 99)}, []string{"testdata/fixed.onnx: run: ", "out of data bounds"}},
	} {
		_, err := s.Run(t.Context(), c.in)
		t.Log(name)
		wantError(t, err, append(c.want, "ort: testdata/fixed.onnx: ")...)
	}
	if y := values(t, run(t, s, map[string]*onnx.Tensor{"x": x, "i": i})["y"]); !slices.Equal(y, []float32{1, 4}) {
		t.Errorf("after the errors: want 1 4, got %v", y)
	}
}

func TestOpenRefuses(t *testing.T) {
	needLibrary(t)
	dir := t.TempDir()
	good, err := os.ReadFile("testdata/sum.onnx")
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{
		"empty.onnx": {}, "text.onnx": []byte("not a model"), "cut.onnx": good[:len(good)/2],
		"op.onnx": bytes.Replace(good, []byte("Mul"), []byte("Mum"), 1),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Open(filepath.Join(dir, name), Options{})
		wantError(t, err, "ort: ", name)
		_, err = OpenBytes(raw, Options{})
		wantError(t, err, "ort: ")
	}
	_, err = Open(filepath.Join(dir, "none.onnx"), Options{})
	wantError(t, err, "none.onnx", "no such file")
	_, err = Open("testdata/sequence.onnx", Options{})
	wantError(t, err, `output "y": want a tensor, got a value of kind sequence`)
	escape, err := os.ReadFile("testdata/external.onnx")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "escape.onnx"), bytes.Replace(escape, []byte("external.data"), []byte("../testdata/a"), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = Open(filepath.Join(dir, "escape.onnx"), Options{})
	wantError(t, err, "escapes model directory")
	_, err = Open("testdata/sum.onnx", Options{Threads: -1, MemoryLimit: 5, NoArena: true})
	wantError(t, err, "threads", "arena")
	_, err = Open("testdata/sum.onnx", Options{Provider: Provider{CUDA: true}})
	if err != nil && hintOf(err) == "" {
		t.Errorf("want a hint where there is no CUDA, got %v", err)
	}
	_, err = Open("testdata/sum.onnx", Options{Library: filepath.Join(dir, "other.so")})
	wantError(t, err, "already loaded")
}

func TestClosed(t *testing.T) {
	s := openTest(t, "none", Options{})
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	_, err := s.Run(t.Context(), nil)
	wantError(t, err, "closed")
}

// slowRun starts a run that would take hours.
func slowRun(ctx context.Context, t *testing.T, s *Session) error {
	t.Helper()
	_, err := s.Run(ctx, map[string]*onnx.Tensor{"x": floats(t, []int{256, 256}, make([]float32, 1<<16)...), "n": ints(t, nil, 1<<40)})
	return err
}

func TestCancel(t *testing.T) {
	s := openTest(t, "slow", Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var cancelled time.Time
	time.AfterFunc(100*time.Millisecond, func() { cancelled = time.Now(); cancel() })
	err := slowRun(ctx, t, s)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("want context.Canceled, got %v", err)
	}
	late := time.Since(cancelled)
	t.Logf("the run ended %v after it was cancelled", late)
	if late > 500*time.Millisecond {
		t.Errorf("want the run to end at once, it took %v", late)
	}
	deadline, cancel2 := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel2()
	if err := slowRun(deadline, t, s); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("want the deadline's error, got %v", err)
	}
	if err := slowRun(ctx, t, s); !errors.Is(err, context.Canceled) {
		t.Errorf("already cancelled: got %v", err)
	}
	x := floats(t, []int{256, 256}, slices.Repeat([]float32{1}, 1<<16)...)
	y := values(t, run(t, s, map[string]*onnx.Tensor{"x": x, "n": ints(t, nil, 1)})["y"])
	if math.Abs(float64(y[0])-0.256) > 1e-4 {
		t.Errorf("after the cancelled runs: want 0.256, got %v", y[0])
	}
}

// TestCloseWaits closes a session under its runs: each of them ends well or says that the session is closed.
func TestCloseWaits(t *testing.T) {
	needLibrary(t)
	for range 20 {
		s, err := Open("testdata/sum.onnx", Options{})
		if err != nil {
			t.Fatal(err)
		}
		in := map[string]*onnx.Tensor{"a": floats(t, []int{1, 3}, 1, 2, 3), "b": floats(t, []int{1, 3}, 1, 1, 1)}
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for {
					if _, err := s.Run(t.Context(), in); err != nil {
						if !strings.Contains(err.Error(), "closed") {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		time.Sleep(time.Millisecond)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		group.Wait()
	}
}

func TestConcurrentRuns(t *testing.T) {
	sessions := []*Session{openTest(t, "sum", Options{Threads: 1}), openTest(t, "sum", Options{Threads: 2}), openTest(t, "sum", Options{NoArena: true})}
	var group sync.WaitGroup
	for g := range 6 {
		group.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(g)))
			for range 60 {
				n := rng.IntN(50)
				a, b, sum := make([]float32, 3*n), make([]float32, 3*n), make([]float32, 3*n)
				for i := range a {
					a[i], b[i] = rng.Float32(), rng.Float32()
					sum[i] = 2*a[i] + b[i] // exact up to one rounding, as in the model
				}
				out, err := sessions[g%3].Run(t.Context(), map[string]*onnx.Tensor{"a": floats(t, []int{n, 3}, a...), "b": floats(t, []int{n, 3}, b...)})
				if err != nil {
					t.Error(err)
					return
				}
				if got := values(t, out["y"]); relative(got, sum) > 1e-6 {
					t.Errorf("want %v, got %v", sum, got)
				}
			}
		})
	}
	group.Wait()
}

func TestDenormalsAreZero(t *testing.T) {
	s := openTest(t, "denormal", Options{Threads: 2})
	tiny := math.Float32frombits(0x0000_4000) // a denormal number
	for _, n := range []int{1, 100_000} {     // on the caller's thread, and on onnxruntime's
		x := slices.Repeat([]float32{tiny}, n)
		y := values(t, run(t, s, map[string]*onnx.Tensor{"x": floats(t, []int{n}, x...)})["y"])
		if slices.ContainsFunc(y, func(v float32) bool { return v != 0 }) {
			t.Errorf("%d elements: want zeros", n)
		}
	}
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if one := float32(len("x")); tiny*one != tiny {
				t.Error("a thread of Go's treats denormal numbers as zero after a run")
			}
		})
	}
	group.Wait()
}

func TestMemoryLimit(t *testing.T) {
	small := openTest(t, "big", Options{MemoryLimit: 16 << 20})
	other := openTest(t, "big", Options{MemoryLimit: 1 << 30})
	free := openTest(t, "big", Options{})
	n := func(n int64) map[string]*onnx.Tensor { return map[string]*onnx.Tensor{"n": ints(t, []int{1}, n)} }
	for _, s := range []*Session{small, other, free} {
		if y := values(t, run(t, s, n(1<<20))["y"]); y[0] != -1<<20 {
			t.Errorf("4 MiB: want -1048576, got %v", y)
		}
	}
	_, err := small.Run(t.Context(), n(5<<20))
	wantError(t, err, "ort: testdata/big.onnx: run: it wants more than its limit of 16 MiB")
	if hintOf(err) == "" {
		t.Error("want a hint")
	}
	for _, s := range []*Session{other, free} {
		run(t, s, n(5<<20))
	}
	if y := values(t, run(t, small, n(1<<20))["y"]); y[0] != -1<<20 {
		t.Errorf("after the refusal: want -1048576, got %v", y)
	}
}

// TestNoLeak runs 2,000 inferences through every path of memory and compares the process's size.
func TestNoLeak(t *testing.T) {
	types, rank, none := openTest(t, "types", Options{Threads: 1}), openTest(t, "rank", Options{Threads: 1}), openTest(t, "none", Options{})
	in := map[string]*onnx.Tensor{}
	for _, d := range everyType() {
		in["in_"+d.String()] = pattern(t, d, []int{500, 2})
	}
	x := map[string]*onnx.Tensor{"x": floats(t, []int{1 << 14}, make([]float32, 1<<14)...), "shape": ints(t, []int{1}, 1<<14)}
	bad := map[string]*onnx.Tensor{"x": x["x"], "shape": ints(t, []int{1}, 5)}
	cycle := func(n int) {
		for range n {
			run(t, types, in)
			run(t, rank, x)
			run(t, none, nil)
			if _, err := rank.Run(t.Context(), bad); err == nil {
				t.Fatal("want an error")
			}
		}
	}
	cycle(200)
	before := residentBytes(t)
	cycle(500)
	grown := residentBytes(t) - before
	t.Logf("2,000 runs: %d KiB more", grown>>10)
	if grown > 8<<20 { // one leaked 64 KiB tensor a cycle would be 32 MiB
		t.Errorf("want a flat size, the process grew by %d KiB", grown>>10)
	}
}

func TestNoLeakOfSessions(t *testing.T) {
	needLibrary(t)
	cycle := func(n int) {
		for range n {
			for _, o := range []Options{{}, {MemoryLimit: 1 << 26}} {
				s, err := Open("testdata/external.onnx", o)
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	cycle(30)
	before := residentBytes(t)
	cycle(100)
	grown := residentBytes(t) - before
	t.Logf("200 sessions: %d KiB more", grown>>10)
	if grown > 8<<20 {
		t.Errorf("want a flat size, the process grew by %d KiB", grown>>10)
	}
}

func TestLibrary(t *testing.T) {
	needLibrary(t)
	version, providers, err := Library("")
	if err != nil || !strings.HasPrefix(version, "1.") || len(providers) == 0 || providers[0] != "cpu" {
		t.Errorf("got %q, %q, %v", version, providers, err)
	}
	plugin := func(string) (string, error) { return "", nil }
	if r := native.Doctor(native.Load{Runtime: Library, Plugin: plugin}); r.ONNXRuntime.Version != version || r.ONNXRuntime.Problem != "" {
		t.Errorf("want the doctor to say the same, got %+v", r.ONNXRuntime)
	}
}
