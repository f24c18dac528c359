package cpu

import (
	"bytes"
	"encoding/json"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// graphOf compiles a graph of one function.
func graphOf(t testing.TB, b compute.Backend, in []shapes.Shape, fn func(f compute.Function, in []compute.Value) []compute.Value) compute.Executable {
	t.Helper()
	builder := b.Builder(t.Name())
	f := builder.Main()
	var vs []compute.Value
	for _, s := range in {
		v, err := f.Parameter("", s, nil)
		if err != nil {
			t.Fatal(err)
		}
		vs = append(vs, v)
	}
	if err := f.Return(fn(f, vs), nil); err != nil {
		t.Fatal(err)
	}
	e, err := builder.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func must(t testing.TB) func(compute.Value, error) compute.Value {
	return func(v compute.Value, err error) compute.Value {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestDonation wants an output that replaces a donated input in its memory, and elsewhere when it is not donated.
func TestDonation(t *testing.T) {
	b := testBackend(t, Options{})
	shape := shapes.Make(dtypes.Float32, 100_000)
	e := graphOf(t, b, []shapes.Shape{shape, shape}, func(f compute.Function, in []compute.Value) []compute.Value {
		g := must(t)(f.Tanh(in[1]))
		return []compute.Value{must(t)(f.CumSum(must(t)(f.Sub(in[0], g)), 0, compute.CumSumOptions{})), in[1]}
	})
	for _, donate := range []bool{true, false} {
		w, flat, err := b.NewSharedBuffer(0, shape)
		if err != nil {
			t.Fatal(err)
		}
		at := &flat.([]float32)[0]
		x, err := b.BufferFromFlatData(0, make([]float32, 100_000), shape)
		if err != nil {
			t.Fatal(err)
		}
		out, err := e.Execute([]compute.Buffer{w, x}, []bool{donate, false}, 0)
		if err != nil {
			t.Fatal(err)
		}
		got, err := out[0].Data()
		if err != nil {
			t.Fatal(err)
		}
		if same := &got.([]float32)[0] == at; same != donate {
			t.Errorf("donated %v: same memory %v", donate, same)
		}
		if err := x.ToFlatData(make([]float32, 100_000)); err != nil {
			t.Errorf("an input that is also an output: %v", err)
		}
		for _, o := range append(out, x, w) {
			_ = o.Finalize()
		}
	}
	// One buffer given twice keeps its memory, though one of the two is donated.
	x, err := b.BufferFromFlatData(0, make([]float32, 100_000), shape)
	if err != nil {
		t.Fatal(err)
	}
	out, err := e.Execute([]compute.Buffer{x, x}, []bool{true, false}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range out {
		_ = o.Finalize()
	}
	if left := b.heap.live.Load(); left != 0 {
		t.Errorf("want no memory in use, got %d bytes", left)
	}
}

// TestBuffersAreCollected wants memory back that nobody finalized.
func TestBuffersAreCollected(t *testing.T) {
	b := testBackend(t, Options{})
	shape := shapes.Make(dtypes.Float32, 1<<20)
	for range 200 {
		if _, _, err := b.NewSharedBuffer(0, shape); err != nil {
			t.Fatal(err)
		}
	}
	if live := b.Bytes(); live > 3*forgotten {
		t.Errorf("800 MB of buffers forgotten: %d bytes alive", live)
	}
	for range 50 {
		if runtime.GC(); b.Bytes() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("want no memory in use, got %d bytes", b.Bytes())
}

// TestErrors wants errors, never panics, for what is wrong.
func TestErrors(t *testing.T) {
	b := testBackend(t, Options{})
	shape := shapes.Make(dtypes.Float32, 4)
	other := b.Builder("other").Main()
	foreign := must(t)(other.Parameter("x", shape, nil))
	builder := b.Builder("errors")
	f := builder.Main()
	x := must(t)(f.Parameter("x", shape, nil))
	for name, fn := range map[string]func() (compute.Value, error){
		"foreign":    func() (compute.Value, error) { return f.Add(x, foreign) },
		"nil":        func() (compute.Value, error) { return f.Neg(nil) },
		"shape":      func() (compute.Value, error) { return f.Reshape(x, 5) },
		"axis":       func() (compute.Value, error) { return f.Transpose(x, 1) },
		"constant":   func() (compute.Value, error) { return f.Constant([]float32{1}, 2) },
		"no slice":   func() (compute.Value, error) { return f.Constant(3) },
		"dims":       func() (compute.Value, error) { return f.Constant([]float32{}, -1) },
		"pads":       func() (compute.Value, error) { return f.Pad(x, x, make([]compute.PadAxis, 3)...) },
		"fused":      func() (compute.Value, error) { return f.FusedSoftmax(x, 0) },
		"no operand": func() (compute.Value, error) { return f.Concatenate(0) },
	} {
		if v, err := fn(); err == nil {
			t.Errorf("%s: want an error, got %v", name, v)
		}
	}
	if _, err := builder.Compile(); err == nil {
		t.Error("compile before return: want an error")
	}
	if err := f.Return(nil, nil); err == nil {
		t.Error("nothing returned: want an error")
	}
	if err := f.Return([]compute.Value{x}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Neg(x); err == nil {
		t.Error("an operation after return: want an error")
	}
	e, err := builder.Compile()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := builder.Compile(); err == nil {
		t.Error("compiled twice: want an error")
	}
	buf, err := b.BufferFromFlatData(0, []float32{1, 2, 3, 4}, shape)
	if err != nil {
		t.Fatal(err)
	}
	gone, _ := buf.CopyToDevice(0)
	_ = gone.Finalize()
	for name, in := range map[string][]compute.Buffer{"none": nil, "nil": {nil}, "gone": {gone}, "two": {buf, buf}} {
		if _, err := e.Execute(in, nil, 0); err == nil {
			t.Errorf("inputs %s: want an error", name)
		}
	}
	if _, err := b.BufferFromFlatData(0, []float32{1}, shape); err == nil {
		t.Error("too few elements: want an error")
	}
	if _, err := b.BufferFromFlatData(1, []float32{1, 2, 3, 4}, shape); err == nil {
		t.Error("device 1: want an error")
	}
	e.Finalize()
	if _, err := e.Execute([]compute.Buffer{buf}, nil, 0); err == nil {
		t.Error("a finalized graph: want an error")
	}
	if _, _, err := b.NewSharedBuffer(0, shapes.Make(dtypes.Float32, 1<<40, 1<<10)); err == nil {
		t.Error("2^52 bytes: want an error")
	}
	b.Finalize()
	if _, err := b.BufferFromFlatData(0, []float32{1, 2, 3, 4}, shape); err == nil {
		t.Error("a finalized backend: want an error")
	}
}

// TestStop wants a run ended and what was donated to it kept, later runs refused, those of other graphs not, and all well
// after Resume.
func TestStop(t *testing.T) {
	b := testBackend(t, Options{})
	shape := shapes.Make(dtypes.Float32, 100_000)
	of := func(steps int) *Executable {
		return graphOf(t, b, []shapes.Shape{shape}, func(f compute.Function, in []compute.Value) []compute.Value {
			x := in[0]
			for range steps {
				x = must(t)(f.CumSum(must(t)(f.Tanh(x)), 0, compute.CumSumOptions{}))
			}
			return []compute.Value{x}
		}).(*Executable)
	}
	e, other := of(1000), of(2)
	in, err := b.BufferFromFlatData(0, make([]float32, 100_000), shape)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(10*time.Millisecond, e.Stop)
	start := time.Now()
	if _, err := e.Execute([]compute.Buffer{in}, []bool{true}, 0); !errors.Is(err, ErrStopped) {
		t.Fatalf("stopped while running: want ErrStopped, got %v", err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("stopped after 10 ms: took %v", took)
	}
	if _, err := e.Execute([]compute.Buffer{in}, []bool{true}, 0); !errors.Is(err, ErrStopped) {
		t.Errorf("stopped before: want ErrStopped, got %v", err)
	}
	out, err := other.Execute([]compute.Buffer{in}, nil, 0)
	if err != nil {
		t.Fatalf("another graph: %v", err)
	}
	_ = out[0].Finalize()
	e.Resume()
	if out, err = e.Execute([]compute.Buffer{in}, []bool{true}, 0); err != nil {
		t.Fatal(err)
	}
	_ = out[0].Finalize()
	if left := b.heap.live.Load(); left != 0 {
		t.Errorf("want no memory in use, got %d bytes", left)
	}
}

// TestProfile wants a trace that a viewer opens: complete events with their times.
func TestProfile(t *testing.T) {
	b := testBackend(t, Options{})
	shape := shapes.Make(dtypes.Float32, 1000)
	e := graphOf(t, b, []shapes.Shape{shape}, func(f compute.Function, in []compute.Value) []compute.Value {
		return []compute.Value{must(t)(f.CumSum(in[0], 0, compute.CumSumOptions{}))}
	})
	in, err := b.BufferFromFlatData(0, make([]float32, 1000), shape)
	if err != nil {
		t.Fatal(err)
	}
	for _, on := range []bool{false, true} {
		b.Profile(on)
		if _, err := e.Execute([]compute.Buffer{in}, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	var w bytes.Buffer
	if err := b.WriteProfile(&w); err != nil {
		t.Fatal(err)
	}
	var trace struct {
		TraceEvents []struct {
			Name, Cat, Ph string
			Ts, Dur       float64
			Args          map[string]any
		}
	}
	if err := json.Unmarshal(w.Bytes(), &trace); err != nil {
		t.Fatal(err)
	}
	if len(trace.TraceEvents) != 2 {
		t.Fatalf("want a step and a run, got %s", w.String())
	}
	step, run := trace.TraceEvents[0], trace.TraceEvents[1]
	if step.Name != "CumSum" || step.Cat != "fallback" || step.Ph != "X" || step.Args["bytes"] != float64(8000) || step.Dur <= 0 || step.Dur > run.Dur {
		t.Errorf("want a step of CumSum inside its run, got %s", w.String())
	}
}

// TestConcurrent wants graphs compiled and run from several goroutines at once.
func TestConcurrent(t *testing.T) {
	b := testBackend(t, Options{})
	var wait sync.WaitGroup
	for seed := range uint64(4) {
		wait.Go(func() {
			e, data, all := build(t, b, seed, 20)
			first := results(t, b, e, data, all, make([]bool, len(data)))
			for range 10 {
				for i, x := range results(t, b, e, data, all, make([]bool, len(data))) {
					near(t, "again", x, first[i])
				}
			}
		})
	}
	wait.Wait()
}

// TestArenaShrinks wants the memory of a large graph back when only a small one is left.
func TestArenaShrinks(t *testing.T) {
	b := testBackend(t, Options{})
	of := func(n int) (compute.Executable, compute.Buffer) {
		shape := shapes.Make(dtypes.Float32, n)
		e := graphOf(t, b, []shapes.Shape{shape}, func(f compute.Function, in []compute.Value) []compute.Value {
			return []compute.Value{must(t)(f.CumSum(must(t)(f.CumSum(in[0], 0, compute.CumSumOptions{})), 0, compute.CumSumOptions{}))}
		})
		x, err := b.BufferFromFlatData(0, make([]float32, n), shape)
		if err != nil {
			t.Fatal(err)
		}
		return e, x
	}
	large, x := of(8 << 20)
	small, y := of(1 << 10)
	for _, e := range []compute.Executable{large, small} {
		in := map[compute.Executable]compute.Buffer{large: x, small: y}[e]
		out, err := e.Execute([]compute.Buffer{in}, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		_ = out[0].Finalize()
	}
	if size := b.arena.size.Load(); size < 32<<20 {
		t.Errorf("want an arena for the large graph, got %d bytes", size)
	}
	large.Finalize()
	if size := b.arena.size.Load(); size > 8<<20 {
		t.Errorf("want an arena for the small graph, got %d bytes", size)
	}
	if _, err := small.Execute([]compute.Buffer{y}, nil, 0); err != nil {
		t.Fatal(err)
	}
}
