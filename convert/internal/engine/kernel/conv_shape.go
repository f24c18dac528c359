package kernel

import "slices"

// InPlace implements Operation.
func (c Convolution) InPlace(int, int) bool { return false }

// Flops implements Operation: two for each tap, padding included.
func (c Convolution) Flops() int64 {
	if c.empty() {
		return 0
	}
	return 2 * int64(c.Batch) * int64(c.Out) * volume(c.To) * int64(c.In/c.Groups) * volume(c.Kernel)
}

// empty tells whether there is nothing to multiply: the result is zeros, or of no elements.
func (c Convolution) empty() bool {
	return c.Batch == 0 || c.In == 0 || c.Out == 0 || volume(c.Size) == 0 || volume(c.To) == 0 || volume(c.Kernel) == 0
}

// InPlace implements Operation.
func (m Matmul) InPlace(int, int) bool { return false }

// Flops implements Operation.
func (m Matmul) Flops() int64 { return 2 * int64(m.Batch) * int64(m.M) * int64(m.N) * int64(m.K) }

func (m Matmul) empty() bool { return slices.Contains([]int{m.Batch, m.M, m.N, m.K}, 0) }

// InPlace implements Operation.
func (p Pooling) InPlace(int, int) bool { return false }

// Flops implements Operation: one for each element of a window.
func (p Pooling) Flops() int64 { return int64(p.Planes) * volume(p.To) * volume(p.Window) }

func volume(n [3]int) int64 { return int64(n[0]) * int64(n[1]) * int64(n[2]) }
