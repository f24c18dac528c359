package jpegls

import "errors"

// lines decodes the lines of one scan.
type lines struct {
	*coder
	img      *Image
	first, n int // components of the scan
	interval int // lines between restarts, 0 for none
}

// lines decodes components line by line, one or several in turn.
func (l *lines) lines() error {
	w := l.img.Width
	prev, cur := make([][]int32, l.n), make([][]int32, l.n)
	for i := range l.n {
		prev[i], cur[i] = make([]int32, w+2), make([]int32, w+2)
	}
	index := make([]int32, l.n)
	for y := range l.img.Height {
		if err := l.restarts(y, index, prev); err != nil {
			return err
		}
		for i := range l.n {
			p, c := prev[i], cur[i]
			p[w+1] = p[w]
			c[0] = p[1]
			l.line(p, c, &index[i])
			l.store(y, i, c)
			prev[i], cur[i] = c, p
		}
		if l.bits.over() {
			return errEnd
		}
	}
	return nil
}

// store copies a decoded line into the picture.
func (l *lines) store(y, i int, line []int32) {
	to := l.img.Samples[y*l.img.Width*l.img.Components+l.first+i:]
	for x := range l.img.Width {
		to[x*l.img.Components] = uint16(line[x+1])
	}
}

// restarts begins anew where a restart interval ends.
func (l *lines) restarts(y int, index []int32, prev [][]int32) error {
	if l.interval == 0 || y == 0 || y%l.interval != 0 {
		return nil
	}
	b := &l.bits
	for ; b.at+1 < len(b.data); b.at++ {
		if b.data[b.at] == 0xFF && b.data[b.at+1] >= 0xD0 && b.data[b.at+1] <= 0xD7 {
			*b = bitReader{data: b.data, at: b.at + 2}
			l.restart(max(2, (l.rng+32)/64))
			clear(index)
			for _, p := range prev {
				clear(p)
			}
			return nil
		}
	}
	return errors.New("no restart marker")
}

// line decodes one line of one component. Both slices have a sample more at each end.
func (l *lines) line(prev, cur []int32, index *int32) {
	w := l.img.Width
	ra := cur[0]
	rc, rb := prev[0], prev[1]
	for x := 1; x <= w; {
		rd := prev[x+1]
		q := 81*l.gradient(rd-rb) + 9*l.gradient(rb-rc) + l.gradient(rc-ra)
		if q != 0 {
			ra = l.regular(q, ra, rb, rc)
			cur[x] = ra
			x++
			rc, rb = rb, rd
			continue
		}
		n, ended := l.runLength(index, w+1-x)
		for range n {
			cur[x] = ra
			x++
		}
		if !ended {
			return
		}
		rb = prev[x]
		kind := int32(0)
		if d := ra - rb; d <= l.near && d >= -l.near {
			kind = 1
		}
		e := l.interruption(kind, *index)
		if kind == 1 {
			ra = l.reconstruct(ra, e)
		} else {
			if ra > rb {
				e = -e
			}
			ra = l.reconstruct(rb, e)
		}
		cur[x] = ra
		x++
		*index = max(0, *index-1)
		if x <= w {
			rc, rb = prev[x-1], prev[x]
		}
	}
}

// samples decodes components sample by sample.
func (l *lines) samples() error {
	w, n := l.img.Width, l.n
	prev, cur := make([][]int32, n), make([][]int32, n)
	for i := range n {
		prev[i], cur[i] = make([]int32, w+2), make([]int32, w+2)
	}
	index := make([]int32, 1)
	for y := range l.img.Height {
		if err := l.restarts(y, index, prev); err != nil {
			return err
		}
		for i := range n {
			prev[i][w+1] = prev[i][w]
			cur[i][0] = prev[i][1]
		}
		l.together(prev, cur, &index[0])
		for i := range n {
			l.store(y, i, cur[i])
		}
		prev, cur = cur, prev
		if l.bits.over() {
			return errEnd
		}
	}
	return nil
}

// together decodes one line of interleaved samples; a run covers all components.
func (l *lines) together(prev, cur [][]int32, index *int32) {
	w := l.img.Width
	var q [4]int32
	for x := 1; x <= w; {
		flat := true
		for i, p := range prev {
			q[i] = 81*l.gradient(p[x+1]-p[x]) + 9*l.gradient(p[x]-p[x-1]) + l.gradient(p[x-1]-cur[i][x-1])
			flat = flat && q[i] == 0
		}
		if !flat {
			for i, p := range prev {
				cur[i][x] = l.regular(q[i], cur[i][x-1], p[x], p[x-1])
			}
			x++
			continue
		}
		n, ended := l.runLength(index, w+1-x)
		for i := range prev {
			v := cur[i][x-1]
			for k := range n {
				cur[i][x+k] = v
			}
		}
		if x += n; !ended {
			return
		}
		for i, p := range prev {
			ra, rb := cur[i][x-1], p[x]
			e := l.interruption(0, *index)
			if ra > rb {
				e = -e
			}
			cur[i][x] = l.reconstruct(rb, e)
		}
		x++
		*index = max(0, *index-1)
	}
}
