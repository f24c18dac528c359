//go:build cgo && linux

package kernel

import (
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// Rates are of one thread by its processor time, the best of many repetitions, which other work on the machine disturbs
// least. testdata/gen/bench_conv.py measures PyTorch on the same shapes.
//
// GFLOP/s by that script on an AMD EPYC of the Zen 5 family, whose thread reaches 260 in registers, beside other work: ours,
// then PyTorch 2.15 in the better of its memory formats.
//
//	                            forward     input       weights
//	16 to 16, 64x64x64          221 220     220 206     205 223
//	32 to 16, 64x64x64          197 224     226 243     198 220
//	32 to 32, 32x32x32          229 263     229 265     235 259
//	64 to 64, 16x16x16          231  63     231  50     237  64
//	128 to 128, 8x8x8           215  81     213  72     224  83
//	1 to 16, 64x64x64           216  26      61  16     130  21
//	20 to 20, 48x48x48          235 152     236 149     191 157
//	  dilation 4                227 151     228 149     174  81
//	  dilation 16               207 271     206 267     181  88   taps in the padding count; PyTorch leaves many out
//	16 to 32, 64x64x64, by 2    168 246     146 149     155 208
//	4x3 to 64, 128x128, 7x7 by 2  242 219   122  42     185 198
//	4x64 to 64, 32x32           239 234     237 236     227 242
//	4x128 to 128, 16x16         230 258     224 260     217 228
//	4x256 to 256, 8x8           208 253     201 277     207 193
//	4x512 to 512, 4x4           167 163     143 183     163 119
//	4x16 to 16, 128x128         231 229     228 228     192 248
//	4x64, 56x56, a channel each  28  92      29  90      22 103

// rate runs an operation again and again and reports the best GFLOP/s.
func rate(b *testing.B, op Operation, out int, ins ...int) {
	b.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	team, rng := newTeam(b, 1), rand.New(rand.NewPCG(1, 2))
	var in [][]byte
	for _, n := range ins {
		in = append(in, floats(random(rng, n)...))
	}
	y, scratch := [][]byte{aligned(4 * out)}, aligned(op.Scratch(1))
	best := time.Duration(1 << 62)
	for b.Loop() {
		start := cpu()
		op.Run(team, y, in, scratch)
		best = min(best, cpu()-start)
	}
	b.ReportMetric(float64(op.Flops())/float64(best), "GFLOP/s")
	b.ReportMetric(float64(len(scratch))/1e6, "scratch-MB")
	b.ReportMetric(0, "ns/op")
}

// cpu is the processor time of the calling thread.
func cpu() time.Duration {
	const thread = 3 // CLOCK_THREAD_CPUTIME_ID
	var t syscall.Timespec
	if _, _, err := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, thread, uintptr(unsafe.Pointer(&t)), 0); err != 0 {
		return 0
	}
	return time.Duration(t.Nano())
}

// shape is a convolution that keeps the size where stride is 1.
func shape(batch, in, out int, size [3]int, k, stride, dilation int) Convolution {
	c := Convolution{Batch: batch, In: in, Out: out, Groups: 1, Size: size, Bias: true}
	for a := range 3 {
		c.Kernel[a], c.Stride[a], c.Dilation[a] = k, stride, dilation
		if size[a] == 1 {
			c.Kernel[a], c.Stride[a], c.Dilation[a] = 1, 1, 1
		}
		c.Before[a] = (c.Kernel[a] - 1) * c.Dilation[a] / 2
		if k == stride {
			c.Before[a] = 0
		}
		c.To[a] = (size[a] + c.Stride[a] - 1) / c.Stride[a]
	}
	return c
}

func cube(n int) [3]int   { return [3]int{n, n, n} }
func square(n int) [3]int { return [3]int{1, n, n} }

func BenchmarkConvolution(b *testing.B) {
	for _, s := range []struct {
		name string
		c    Convolution
	}{
		{"3d-16-16-64", shape(1, 16, 16, cube(64), 3, 1, 1)},
		{"3d-32-16-64", shape(1, 32, 16, cube(64), 3, 1, 1)},
		{"3d-32-32-32", shape(1, 32, 32, cube(32), 3, 1, 1)},
		{"3d-64-64-16", shape(1, 64, 64, cube(16), 3, 1, 1)},
		{"3d-128-128-8", shape(1, 128, 128, cube(8), 3, 1, 1)},
		{"3d-1-16-64", shape(1, 1, 16, cube(64), 3, 1, 1)},
		{"3d-20-20-48-d1", shape(1, 20, 20, cube(48), 3, 1, 1)},
		{"3d-20-20-48-d4", shape(1, 20, 20, cube(48), 3, 1, 4)},
		{"3d-20-20-48-d16", shape(1, 20, 20, cube(48), 3, 1, 16)},
		{"3d-32-32-24", shape(1, 32, 32, cube(24), 3, 1, 1)},
		{"3d-16-32-64-s2", shape(1, 16, 32, cube(64), 3, 2, 1)},
		{"3d-k2s2-32-16-64", shape(1, 16, 32, cube(64), 2, 2, 1)},
		{"3d-16-3-64-k1", shape(1, 16, 3, cube(64), 1, 1, 1)},
		{"2d-3-64-128-k7s2", shape(4, 3, 64, square(128), 7, 2, 1)},
		{"2d-64-64-32", shape(4, 64, 64, square(32), 3, 1, 1)},
		{"2d-128-128-16", shape(4, 128, 128, square(16), 3, 1, 1)},
		{"2d-256-256-8", shape(4, 256, 256, square(8), 3, 1, 1)},
		{"2d-512-512-4", shape(4, 512, 512, square(4), 3, 1, 1)},
		{"2d-64-128-32-s2", shape(4, 64, 128, square(32), 3, 2, 1)},
		{"2d-64-128-32-k1s2", shape(4, 64, 128, square(32), 1, 2, 1)},
		{"2d-1-16-128", shape(4, 1, 16, square(128), 3, 1, 1)},
		{"2d-16-16-128", shape(4, 16, 16, square(128), 3, 1, 1)},
		{"2d-32-32-64", shape(4, 32, 32, square(64), 3, 1, 1)},
		{"2d-vit-3-768-224", shape(1, 3, 768, square(224), 16, 16, 1)},
		{"2d-depthwise-64-56", func() Convolution { c := shape(4, 64, 64, square(56), 3, 1, 1); c.Groups = 64; return c }()},
	} {
		x, w, y := s.c.sizes()
		for pass, name := range []string{"forward", "input", "weights"} {
			c := s.c
			c.Pass = Pass(pass)
			b.Run(s.name+"/"+name, func(b *testing.B) {
				switch c.Pass {
				case Forward:
					rate(b, c, y, x, w, c.Out)
				case Input:
					rate(b, c, x, y, w)
				default:
					rate(b, c, w, x, y)
				}
			})
		}
	}
}

func BenchmarkMatmul(b *testing.B) {
	dense := func(batch, m, n, k int) Matmul {
		return Matmul{batch, m, n, k, [3]int{m * k, k, 1}, [3]int{k * n, n, 1}}
	}
	transposed := func(batch, m, n, k int) Matmul {
		return Matmul{batch, m, n, k, [3]int{m * k, 1, m}, [3]int{k * n, 1, k}}
	}
	for _, s := range []struct {
		name string
		m    Matmul
	}{
		{"512", dense(1, 512, 512, 512)},
		{"1024", dense(1, 1024, 1024, 1024)},
		{"1024-transposed", transposed(1, 1024, 1024, 1024)},
		{"4-rows", dense(1, 4, 1024, 1024)},
		{"1-row", dense(1, 1, 1024, 1024)},
		{"4-columns", dense(1, 1024, 4, 1024)},
		{"attention-qk", Matmul{48, 343, 343, 32, [3]int{343 * 32, 32, 1}, [3]int{343 * 32, 1, 32}}},
		{"attention-pv", dense(48, 343, 32, 343)},
		{"linear-768", dense(1, 216, 768, 768)},
		{"1x1-weights", Matmul{1, 16, 3, 262144, [3]int{0, 262144, 1}, [3]int{0, 1, 262144}}},
		{"1x1-weights-64", Matmul{1, 64, 64, 110592, [3]int{0, 110592, 1}, [3]int{0, 1, 110592}}},
	} {
		b.Run(s.name, func(b *testing.B) {
			rate(b, s.m, s.m.Batch*s.m.M*s.m.N, s.m.Batch*s.m.M*s.m.K, s.m.Batch*s.m.N*s.m.K)
		})
	}
}

func BenchmarkPooling(b *testing.B) {
	for _, gradient := range []bool{false, true} {
		for _, s := range []struct {
			name string
			p    Pooling
		}{
			{"3d-2-64", Pooling{gradient, 16, cube(64), cube(32), cube(2), cube(2), cube(1), [3]int{}}},
			{"2d-3-64", Pooling{gradient, 256, square(64), square(32), square(3), square(2), cube(1), [3]int{0, 1, 1}}},
		} {
			name := s.name + map[bool]string{false: "/forward", true: "/gradient"}[gradient]
			if s.p.Size[0] == 1 {
				s.p.Window[0], s.p.Stride[0] = 1, 1
			}
			b.Run(name, func(b *testing.B) {
				x, y := s.p.Planes*int(volume(s.p.Size)), s.p.Planes*int(volume(s.p.To))
				if gradient {
					rate(b, s.p, x, x, y)
				} else {
					rate(b, s.p, y, x)
				}
			})
		}
	}
}
