package transform

// lines calls f with every line of src along an axis, in float64, and stores the result as dst's line. The sizes
// agree along the other axes; dst may be src when they agree along all. Lines that cross rows are gathered
// sixteen at a time, so that memory is read in whole cache lines.
func lines(dst []float32, dstSize [3]int, src []float32, srcSize [3]int, axis int, f func(line, result []float64)) {
	const together = 16
	across, other := 0, 3-axis // the axis that is gathered, and the remaining one
	if axis == 0 {
		across, other = 1, 2
	}
	n, m := srcSize[axis], dstSize[axis]
	groups := (srcSize[across] + together - 1) / together
	parallelChunks(groups*srcSize[other], max(n, m)*together, func(lo, hi int) {
		in, out := make([]float64, n*together), make([]float64, m*together)
		for g := lo; g < hi; g++ {
			var at [3]int
			at[across], at[other] = g%groups*together, g/groups
			width := min(together, srcSize[across]-at[across])
			from, to := walk(srcSize, at, axis, across), walk(dstSize, at, axis, across)
			for i := range n {
				for w := range width {
					in[w*n+i] = float64(src[from.start+i*from.step+w*from.across])
				}
			}
			for w := range width {
				f(in[w*n:(w+1)*n], out[w*m:(w+1)*m])
			}
			for i := range m {
				for w := range width {
					dst[to.start+i*to.step+w*to.across] = float32(out[w*m+i])
				}
			}
		}
	})
}

// strides is where a line starts and how far apart its samples and its neighbours are.
type strides struct{ start, step, across int }

func walk(size, at [3]int, axis, across int) strides {
	stride := [3]int{1, size[0], size[0] * size[1]}
	return strides{at[0] + at[1]*stride[1] + at[2]*stride[2], stride[axis], stride[across]}
}
