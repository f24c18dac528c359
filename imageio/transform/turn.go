package transform

// turnChannel writes one channel with its axes exchanged and reversed.
func turnChannel(dst, src []float32, size [3]int, t turning) {
	stride := [3]int{1, size[0], size[0] * size[1]}
	var n, step [3]int
	start := 0
	for i, ax := range t {
		n[i], step[i] = size[ax.source], stride[ax.source]
		if ax.reverse {
			start += (n[i] - 1) * step[i]
			step[i] = -step[i]
		}
	}
	if t[0].source == 0 {
		turnRows(dst, src, n, step, start)
		return
	}
	turnBlocks(dst, src, n, step, start, t)
}

// turnRows copies whole rows, forwards or backwards.
func turnRows(dst, src []float32, n, step [3]int, start int) {
	parallel(n[1]*n[2], n[0], func(row int) {
		from := start + (row%n[1])*step[1] + (row/n[1])*step[2]
		out := dst[row*n[0] : (row+1)*n[0]]
		if step[0] == 1 {
			copy(out, src[from:])
			return
		}
		for i := range out {
			out[i] = src[from-i]
		}
	})
}

// turnBlocks transposes in blocks whose source and result lines both stay in the first cache.
// The source's x axis is axis k of the result; each block covers x of the result and k.
func turnBlocks(dst, src []float32, n, step [3]int, start int, t turning) {
	const block = 32
	k, other := 1, 2
	if t[2].source == 0 {
		k, other = 2, 1
	}
	outStride := [3]int{1, n[0], n[0] * n[1]}
	strips := (n[k] + block - 1) / block
	parallel(n[other]*strips, n[0]*block, func(job int) {
		o, k0 := job/strips, job%strips*block
		k1 := min(k0+block, n[k])
		from, to := start+o*step[other], o*outStride[other]
		for x0 := 0; x0 < n[0]; x0 += block {
			x1 := min(x0+block, n[0])
			for kk := k0; kk < k1; kk++ {
				out := dst[to+kk*outStride[k]+x0 : to+kk*outStride[k]+x1]
				p := from + kk*step[k] + x0*step[0]
				for i := range out {
					out[i] = src[p]
					p += step[0]
				}
			}
		}
	})
}
