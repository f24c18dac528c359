//go:build cgo

package engine

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// ours returns the engine of our own kernels.
func ours(t testing.TB) compute.Backend {
	t.Helper()
	b, err := New(Options{Kind: Native, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Finalize)
	return b
}

// TestNative holds every case against the interpreter in float64 and finite differences.
func TestNative(t *testing.T) {
	b := ours(t)
	for _, c := range allCases() {
		t.Run(c.name, func(t *testing.T) {
			if err := c.check(b, c.askOracle(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNativeDenormals wants denormal numbers flushed by every thread.
func TestNativeDenormals(t *testing.T) {
	if share := flushedShare(t, ours(t)); share != 1 {
		t.Errorf("want all denormals flushed, got %g of them", share)
	}
}

// TestNativeStep wants a U-Net's training step to run on kernels alone, in the memory that was said before, with every
// weight and moment updated in place.
func TestNativeStep(t *testing.T) {
	b := ours(t)
	u := unet{3, []int{4, 8, 16}, 3}
	tr := newTrainer(u, b, 1e-2)
	x, labels := u.batch(1, 16)
	if err := Profile(b, true); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.step(b, x, labels); err != nil {
		t.Fatal(err)
	}
	var trace bytes.Buffer
	if err := WriteProfile(b, &trace); err != nil {
		t.Fatal(err)
	}
	var events struct {
		TraceEvents []struct{ Name, Cat string }
	}
	if err := json.Unmarshal(trace.Bytes(), &events); err != nil {
		t.Fatal(err)
	}
	kernels := 0
	for _, e := range events.TraceEvents {
		switch e.Cat {
		case "kernel":
			kernels++
		case "fallback":
			t.Errorf("%s: want a kernel", e.Name)
		}
	}
	if kernels == 0 {
		t.Errorf("want kernels in the profile, got %.200s", trace.String())
	}
}

// TestNativeMemory wants the memory of a graph known before it runs, and a bound kept to.
func TestNativeMemory(t *testing.T) {
	compile := func(b compute.Backend) (Memory, error) {
		g := graph.NewGraph(b, "memory")
		defer g.Finalize()
		x := graph.Parameter(g, "x", tensors.FromValue([]float32{1}).Shape())
		y := graph.BroadcastToDims(x, 1<<20)
		var outputs []*graph.Node
		for range 4 {
			y = graph.CumSum(graph.Tanh(y), 0)
			outputs = append(outputs, graph.ReduceAllSum(y))
		}
		if err := g.Compile(outputs...); err != nil {
			return Memory{}, err
		}
		m, ok := MemoryOf(g.Executable())
		if !ok {
			t.Error("want the memory of a graph of ours")
		}
		return m, nil
	}
	b := ours(t)
	m, err := compile(b)
	if err != nil {
		t.Fatal(err)
	}
	if m.Total() < 4<<20 || m.Total() > 16<<20 {
		t.Errorf("want the memory of one to four arrays of 4 MiB, got %+v", m)
	}
	SetMemory(b, 1<<20)
	if _, err = compile(b); err == nil || !strings.Contains(err.Error(), "need 0.00") && !strings.Contains(err.Error(), "need 0.01") {
		t.Errorf("1 MiB: want an error that says what is needed, got %v", err)
	}
}
