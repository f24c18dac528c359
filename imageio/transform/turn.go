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
		in := src[from+1-n[0]:][:n[0]]
		for i := range out {
			out[i] = in[len(in)-1-i]
		}
	})
}

// tile is the side of the squares that turnBlocks transposes: sixteen samples are a cache line.
const tile = 16

// turnBlocks transposes tile by tile through a small buffer: every cache line of the source and of the result is touched
// once, so that lines a power of two apart, which share a place in the cache, do not drive each other out.
// The source's x axis is axis k of the result; each tile covers x of the result and k.
func turnBlocks(dst, src []float32, n, step [3]int, start int, t turning) {
	k, other := 1, 2
	if t[2].source == 0 {
		k, other = 2, 1
	}
	outStride := [3]int{1, n[0], n[0] * n[1]}
	strips := (n[k] + tile - 1) / tile
	parallel(n[other]*strips, n[0]*tile, func(job int) {
		o, k0 := job/strips, job%strips*tile
		deep := min(tile, n[k]-k0)
		from, to := start+o*step[other]+k0*step[k], o*outStride[other]+k0*outStride[k]
		if step[k] < 0 { // read forwards all the same
			from -= deep - 1
		}
		var buffer [tile * tile]float32
		for x := 0; x < n[0]; x += tile {
			wide := min(tile, n[0]-x)
			for i := range wide {
				copy(buffer[i*tile:][:deep], src[from+(x+i)*step[0]:])
			}
			for kk := range deep {
				row := kk
				if step[k] < 0 {
					row = deep - 1 - kk
				}
				turnLine(dst[to+kk*outStride[k]+x:][:wide], &buffer, row)
			}
		}
	})
}

// turnLine writes one column of the buffer.
func turnLine(out []float32, buffer *[tile * tile]float32, column int) {
	if len(out) != tile {
		for i := range out {
			out[i] = buffer[i*tile+column]
		}
		return
	}
	o, b := (*[tile]float32)(out), buffer[column:][:tile*(tile-1)+1]
	for i := range o {
		o[i] = b[i*tile]
	}
}
