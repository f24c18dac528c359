//go:build cgo

package engine

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// Measured on 2 virtual processors (AMD EPYC of the Zen 5 family, AVX-512), onnxruntime 1.27.0, PyTorch 2.15.0, seconds
// of processor time for one training step on one thread: ours 0.64, onnxruntime's own convolutions 1.42, PyTorch 0.80 to
// 0.85. On two threads beside a dozen busy processes: 0.72 (spinning 0.90 to 1.0), 1.40, PyTorch 1.8 to 2.0.
//
// Convolutions, GFLOP/s of one thread, ours (onnxruntime's own):
//
//	                      forward      weight gradient
//	16 to 16, 64x64x64    189 (100)    142 (29)
//	32 to 16, 64x64x64    157 (95)     134 (29)
//	32 to 32, 32x32x32    221 (131)    157 (48)
//	64 to 64, 16x16x16    181 (163)    142 (78)
//	128 to 128, 8x8x8     140 (183)    102 (112)   forward stays onnxruntime's
//	1 to 16, 64x64x64     125 (100)     74 (25)
//	20 to 20, 48x48x48    182 (108)    149 (35)    dilation 4: 179 (106), 158 (44); 16: 226 (87), 180 (45)
//	16 to 16, 128x128     221 (111)    167 (28)
//	64 to 64, 32x32       202 (189)    155 (64)

// BenchmarkStep trains the plain 3-D U-Net 16-32-64-128 on 1x1x64x64x64. testdata/gen/bench.py is the same in PyTorch.
// On a machine that others use, min-s/op and cpu-s/op say more than the mean: processor time on one thread is the fairest.
func BenchmarkStep(b *testing.B) {
	_ = repaired(b) // puts our table in place
	for _, s := range []settings{
		{threads: 1, kernels: true}, {threads: 1}, {threads: 2, kernels: true}, {threads: 2, kernels: true, spin: true}, {threads: 2},
	} {
		b.Run(fmt.Sprintf("%+v", s), func(b *testing.B) { benchmarkStep(b, decorate(bare(b), s)) })
	}
}

func benchmarkStep(b *testing.B, engine compute.Backend) {
	u := unet{3, []int{16, 32, 64, 128}, 2}
	tr := newTrainer(u, engine, 1e-3)
	defer tr.exec.Finalize()
	x, labels := u.batch(1, 64)
	step := func() {
		if _, err := tr.step(engine, x, labels); err != nil {
			b.Fatal(err)
		}
	}
	least, leastCPU := best(b, step)
	b.ReportMetric(least.Seconds(), "min-s/op")
	b.ReportMetric(leastCPU.Seconds(), "cpu-s/op")
}

// best returns the least time and the least processor time of fn in the benchmark's loop.
func best(b *testing.B, fn func()) (wall, cpu time.Duration) {
	fn()
	wall, cpu = time.Hour, time.Hour
	for b.Loop() {
		start, used := time.Now(), cpuTime(b)
		fn()
		wall, cpu = min(wall, time.Since(start)), min(cpu, cpuTime(b)-used)
	}
	return wall, cpu
}

// BenchmarkConvolution compares our kernels with onnxruntime's, on one thread: GFLOP/s of processor time.
func BenchmarkConvolution(b *testing.B) {
	_ = repaired(b) // puts our table in place
	for _, s := range []struct{ in, out, depth, side, dilation int }{
		{16, 16, 64, 64, 1},
		{32, 16, 64, 64, 1},
		{32, 32, 32, 32, 1},
		{64, 64, 16, 16, 1},
		{128, 128, 8, 8, 1},
		{1, 16, 64, 64, 1},
		{20, 20, 48, 48, 1},
		{20, 20, 48, 48, 4},
		{20, 20, 48, 48, 16},
		{16, 16, 0, 128, 1},
		{64, 64, 0, 32, 1},
	} {
		for _, what := range []string{"forward", "weights"} {
			for _, kernels := range []bool{true, false} {
				name := fmt.Sprintf("%dto%d/%dx%d/dilation=%d/%s/kernels=%v", s.in, s.out, s.depth, s.side, s.dilation, what, kernels)
				b.Run(name, func(b *testing.B) {
					c := draw{x: []int{1, s.in, s.side, s.side}, w: kernelShape(s.out, s.in, 2, 3)}
					if s.depth > 0 {
						c = draw{x: []int{1, s.in, s.depth, s.side, s.side}, w: kernelShape(s.out, s.in, 3, 3)}
					}
					d := len(c.x) - 2
					c.strides, c.dilations, c.pads = per(d, 1), per(d, s.dilation), per(d, [2]int{s.dilation, s.dilation})
					benchmarkConvolution(b, c, what, decorate(bare(b), settings{1, false, kernels}))
				})
			}
		}
	}
}

func benchmarkConvolution(b *testing.B, c draw, what string, engine compute.Backend) {
	exec := MustNewExec(engine, func(x, w *Node) *Node {
		if what == "weights" {
			return c.weightGradient(x, w, false)
		}
		return ConvGeneral(x, w, channelsFirst(len(c.strides)), c.strides, c.pads, nil, c.dilations, 1, 1)
	})
	defer exec.Finalize()
	second := c.w
	if what == "weights" {
		second = append([]int{1, c.w[0]}, c.x[2:]...)
	}
	x := tensors.FromFlatDataAndDimensions(float32s(random(1, size(c.x))), c.x...)
	w := tensors.FromFlatDataAndDimensions(float32s(random(2, size(second))), second...)
	_, cpu := best(b, func() { _ = exec.MustCall(x, w)[0].FinalizeAll() })
	flops := 2 * float64(size(c.w)) * float64(size(c.x[2:]))
	b.ReportMetric(flops/cpu.Seconds()/1e9, "GFLOP/s")
}

// cpuTime returns the processor time that the process has used.
func cpuTime(t testing.TB) time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		t.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
