package patch

// permute copies an array whose sizes are given from its fastest axis on into another order of axes: order
// names the axes of src from the slowest to the fastest of dst.
func permute(dst, src []float32, size, order [3]int) {
	step := [3]int{1, size[0], size[0] * size[1]} // of src
	slow, mid, fast := order[0], order[1], order[2]
	switch {
	case order == [3]int{2, 1, 0}:
		copy(dst, src)
	case fast == 0:
		at := 0
		for i := range size[slow] {
			for j := range size[mid] {
				at += copy(dst[at:], src[i*step[slow]+j*step[mid]:][:size[0]])
			}
		}
	case mid == 0: // src's rows are the columns of dst's planes
		for i := range size[slow] {
			plane := dst[i*size[0]*size[fast]:][:size[0]*size[fast]]
			transpose(plane, size[fast], src[i*step[slow]:], step[fast], size[0], size[fast])
		}
	default: // src's rows lie across dst's planes
		for j := range size[mid] {
			transpose(dst[j*size[fast]:], size[mid]*size[fast], src[j*step[mid]:], step[fast], size[0], size[fast])
		}
	}
}

// transpose sets dst[x*across+y] to src[y*down+x] for all x below nx and y below ny. It goes in squares, so
// that reads and writes both stay within a few cache lines.
func transpose(dst []float32, across int, src []float32, down, nx, ny int) {
	const side = 16
	for y0 := 0; y0 < ny; y0 += side {
		rows := min(side, ny-y0)
		for x0 := 0; x0 < nx; x0 += side {
			for x := x0; x < min(x0+side, nx); x++ {
				row := dst[x*across+y0:][:rows]
				at := y0*down + x
				for i := range row {
					row[i] = src[at]
					at += down
				}
			}
		}
	}
}
