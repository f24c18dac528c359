//go:build cgo

package engine

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// TestDenormals computes with denormal numbers, which many processors do a hundred times more slowly than with others.
// Ours are zero in every part of the array, so on every thread of the session; those of the bare backend are not.
func TestDenormals(t *testing.T) {
	for name, c := range map[string]struct {
		b     compute.Backend
		share float64
	}{"bare": {bare(t), 0}, "ours": {repaired(t), 1}} {
		if zeros := flushedShare(t, c.b); zeros != c.share {
			t.Errorf("%s: want %g of the denormals flushed, got %g", name, c.share, zeros)
		}
	}
}

// flushedShare returns how many of the products of denormal numbers b takes for zero.
func flushedShare(t *testing.T, b compute.Backend) float64 {
	t.Helper()
	exec := MustNewExec(b, func(x *Node) *Node { return MulScalar(x, 0.5) })
	defer exec.Finalize()
	data := make([]float32, 1<<22)
	for i := range data {
		data[i] = 1e-40
	}
	x := tensors.FromFlatDataAndDimensions(data, len(data))
	zeros := 0
	for range 4 {
		for _, v := range flat(exec.MustCall(x)[0]) {
			if v == 0 {
				zeros++
			}
		}
	}
	return float64(zeros) / float64(4*len(data))
}

// TestThreads counts the threads that end with a session: its pool, which has one less than asked for, since the
// thread that runs the session works too.
func TestThreads(t *testing.T) {
	for _, want := range []int{1, 3} {
		o := options(t)
		o.Threads = want
		b, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		exec := MustNewExec(b, func(x *Node) *Node { return Sqrt(x) })
		flat(exec.MustCall([]float32{4})[0])
		during := threads(t)
		exec.Finalize()
		after := threads(t)
		pool := 0
		for id := range during {
			if !after[id] {
				pool++
			}
		}
		if pool != want-1 {
			t.Errorf("%d threads asked for: want %d in the pool, got %d", want, want-1, pool)
		}
		b.Finalize()
	}
}

// threads returns the ids of the process's threads.
func threads(t *testing.T) map[string]bool {
	t.Helper()
	list, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Skipf("threads are counted in /proc: %v", err)
	}
	ids := map[string]bool{}
	for _, e := range list {
		ids[e.Name()] = true
	}
	return ids
}

// TestMemory trains 1,000 steps and wants the process no larger at the end than after 100.
func TestMemory(t *testing.T) {
	b := repaired(t)
	u := unet{2, []int{4, 8}, 2}
	tr := newTrainer(u, b, 1e-3)
	x, labels := u.batch(1, 16)
	var early int
	for i := range 1000 {
		if _, err := tr.step(b, x, labels); err != nil {
			t.Fatal(err)
		}
		if i == 200 {
			runtime.GC()
			early = resident(t)
		}
	}
	runtime.GC()
	if late := resident(t); float64(late) > 1.05*float64(early) {
		t.Errorf("want at most %d KiB and 5%% after 1000 steps, got %d KiB", early, late)
	}
}

// TestForgottenBuffers runs without finalizing anything: the collector's cleanups bound the memory.
func TestForgottenBuffers(t *testing.T) {
	exec := MustNewExec(repaired(t), func(x *Node) *Node { return MulScalar(x, 2) })
	defer exec.Finalize()
	data := make([]float32, 1<<18)
	early := 0
	for i := range 300 {
		exec.MustCall(tensors.FromFlatDataAndDimensions(data, len(data)))
		runtime.GC()
		if i == 50 {
			early = resident(t)
		}
	}
	if late := resident(t); late > early+16<<10 {
		t.Errorf("want about %d KiB after 300 runs, got %d KiB", early, late)
	}
}

// resident returns the process's memory in KiB.
func resident(t *testing.T) int {
	t.Helper()
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skipf("memory is read from /proc: %v", err)
	}
	_, rest, _ := strings.Cut(string(data), "VmRSS:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
