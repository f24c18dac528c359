//go:build cgo

package engine

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// BenchmarkStep trains the plain 3-D U-Net 16-32-64-128 on 1x1x64x64x64. testdata/gen/bench.py is the same in PyTorch.
// On a machine that others use, min-s/op and cpu-s/op say more than the mean: processor time on one thread is the fairest.
func BenchmarkStep(b *testing.B) {
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) { benchmarkStep(b, threads) })
	}
}

func benchmarkStep(b *testing.B, threads int) {
	o := options(b)
	o.Threads = threads
	engine, err := New(o)
	if err != nil {
		b.Fatal(err)
	}
	defer engine.Finalize()
	u := unet{3, []int{16, 32, 64, 128}, 2}
	tr := newTrainer(u, engine, 1e-3)
	defer tr.exec.Finalize()
	x, labels := u.batch(1, 64)
	step := func() {
		if _, err := tr.step(engine, x, labels); err != nil {
			b.Fatal(err)
		}
	}
	step()
	least, leastCPU := time.Hour, time.Hour
	for b.Loop() {
		start, used := time.Now(), cpuTime(b)
		step()
		least, leastCPU = min(least, time.Since(start)), min(leastCPU, cpuTime(b)-used)
	}
	b.ReportMetric(least.Seconds(), "min-s/op")
	b.ReportMetric(leastCPU.Seconds(), "cpu-s/op")
}

// cpuTime returns the processor time that the process has used.
func cpuTime(t testing.TB) time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		t.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
