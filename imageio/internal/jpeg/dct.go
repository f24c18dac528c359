package jpeg

import "errors"

// order returns where the i-th coefficient of a block lies (T.81, figure A.6).
func order() [64]int {
	return [64]int{
		0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
		35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
	}
}

// dctScan decodes a sequential scan.
func (d *decoder) dctScan(in []*component) error {
	for _, c := range in {
		if !d.huff[c.dc].ready || !d.huff[4+c.ac].ready {
			return errors.New("no Huffman table")
		}
		c.pred = 0
	}
	h, v := d.sampling()
	mcusX, mcusY := (d.img.Width+8*h-1)/(8*h), (d.img.Height+8*v-1)/(8*v)
	if len(in) == 1 { // blocks of the component alone, without those that only pad
		mcusX, mcusY = (in[0].width+7)/8, (in[0].height+7)/8
	}
	zigzag := order()
	left := d.interval
	for m := range mcusX * mcusY {
		if d.interval > 0 {
			if left == 0 {
				if err := d.bits.restart(); err != nil {
					return err
				}
				for _, c := range in {
					c.pred = 0
				}
				left = d.interval
			}
			left--
		}
		x, y := m%mcusX, m/mcusX
		for _, c := range in {
			bw, bh := c.h, c.v
			if len(in) == 1 {
				bw, bh = 1, 1
			}
			for by := range bh {
				for bx := range bw {
					at := (y*bh+by)*8*c.stride + (x*bw+bx)*8
					if err := d.block(c, c.plane[at:], &zigzag); err != nil {
						return err
					}
				}
			}
		}
		if d.bits.overrun() {
			return errEnd
		}
	}
	return nil
}

// block decodes one block of 8 x 8 samples.
func (d *decoder) block(c *component, dst []int16, zigzag *[64]int) error {
	var coef [64]int32
	s, err := d.bits.decode(&d.huff[c.dc])
	if err != nil {
		return err
	}
	if s > 16 {
		return errors.New("a difference of more than 16 bits")
	}
	c.pred += d.bits.receive(s)
	q := &d.quant[c.quant]
	coef[0] = c.pred * q[0]
	ac := &d.huff[4+c.ac]
	for k := 1; k < 64; {
		rs, err := d.bits.decode(ac)
		if err != nil {
			return err
		}
		run, size := rs>>4, rs&15
		if size == 0 {
			if run != 15 {
				break
			}
			k += 16
			continue
		}
		if k += run; k > 63 {
			return errors.New("too many coefficients")
		}
		at := zigzag[k]
		coef[at] = d.bits.receive(size) * q[at]
		k++
	}
	inverse(&coef, dst, c.stride, d.img.Precision)
	return nil
}

// inverse is the accurate integer inverse DCT of the Independent JPEG Group's library (jidctint.c; Loeffler,
// Ligtenberg and Moschytz, ICASSP 1989), bit for bit.
func inverse(coef *[64]int32, dst []int16, stride, precision int) {
	const constBits = 13
	pass := 2
	if precision > 8 {
		pass = 1
	}
	var work [64]int64
	var v [8]int64
	for x := range 8 {
		for k := range 8 {
			v[k] = int64(coef[8*k+x])
		}
		butterfly(&v, uint(constBits-pass))
		for k := range 8 {
			work[8*k+x] = v[k]
		}
	}
	centre, top := int64(1)<<(precision-1), int64(1)<<precision-1
	for y := range 8 {
		copy(v[:], work[8*y:])
		butterfly(&v, uint(constBits+pass+3))
		for x := range 8 {
			dst[y*stride+x] = int16(min(max(v[x]+centre, 0), top))
		}
	}
}

// butterfly transforms eight values and rounds away shift bits.
func butterfly(v *[8]int64, shift uint) {
	z1 := (v[2] + v[6]) * 4433
	t2 := z1 - v[6]*15137
	t3 := z1 + v[2]*6270
	t0 := (v[0] + v[4]) << 13
	t1 := (v[0] - v[4]) << 13
	e0, e3, e1, e2 := t0+t3, t0-t3, t1+t2, t1-t2

	t0, t1, t2, t3 = v[7], v[5], v[3], v[1]
	z1, z2, z3, z4 := t0+t3, t1+t2, t0+t2, t1+t3
	z5 := (z3 + z4) * 9633
	t0 *= 2446
	t1 *= 16819
	t2 *= 25172
	t3 *= 12299
	z1 *= -7373
	z2 *= -20995
	z3 = z3*-16069 + z5
	z4 = z4*-3196 + z5
	t0 += z1 + z3
	t1 += z2 + z4
	t2 += z2 + z3
	t3 += z1 + z4

	half := int64(1) << (shift - 1)
	v[0], v[7] = (e0+t3+half)>>shift, (e0-t3+half)>>shift
	v[1], v[6] = (e1+t2+half)>>shift, (e1-t2+half)>>shift
	v[2], v[5] = (e2+t1+half)>>shift, (e2-t1+half)>>shift
	v[3], v[4] = (e3+t0+half)>>shift, (e3-t0+half)>>shift
}

// assemble brings all components to the size of the picture.
func (d *decoder) assemble() {
	img := d.img
	img.Samples = make([]uint16, img.Width*img.Height*img.Components)
	h, v := d.sampling()
	line := make([]int16, img.Width+16)
	for k := range d.comps {
		c := &d.comps[k]
		for y := range img.Height {
			switch {
			case c.h == h && c.v == v:
				copy(line, c.plane[y*c.stride:][:img.Width])
			case c.h*2 == h && c.v == v && c.width > 2:
				c.wide(line, y)
			case c.h*2 == h && c.v*2 == v && c.width > 2:
				c.both(line, y)
			default:
				from := c.plane[y*c.v/v*c.stride:]
				for x := range img.Width {
					line[x] = from[x*c.h/h]
				}
			}
			to := img.Samples[y*img.Width*img.Components+k:]
			for x := range img.Width {
				to[x*img.Components] = uint16(line[x])
			}
		}
	}
}

// wide doubles a line with the triangle filter of jdsample.c (h2v1).
func (c *component) wide(line []int16, y int) {
	in := c.plane[y*c.stride:][:c.width]
	for i, s := range in {
		left, right := int(s), int(s)
		if i > 0 {
			left = (3*int(s) + int(in[i-1]) + 1) >> 2
		}
		if i+1 < len(in) {
			right = (3*int(s) + int(in[i+1]) + 2) >> 2
		}
		put(line, 2*i, left, right)
	}
}

// both doubles lines and columns with the triangle filter of jdsample.c (h2v2).
func (c *component) both(line []int16, y int) {
	near := y / 2
	far := near - 1
	if y&1 == 1 {
		far = near + 1
	}
	far = min(max(far, 0), c.height-1)
	a, b := c.plane[near*c.stride:][:c.width], c.plane[far*c.stride:][:c.width]
	sum := func(i int) int { return 3*int(a[i]) + int(b[i]) }
	for i := range c.width {
		s := sum(i)
		left, right := (4*s+8)>>4, (4*s+7)>>4
		if i > 0 {
			left = (3*s + sum(i-1) + 8) >> 4
		}
		if i+1 < c.width {
			right = (3*s + sum(i+1) + 7) >> 4
		}
		put(line, 2*i, left, right)
	}
}

func put(line []int16, at, a, b int) {
	if at < len(line) {
		line[at] = int16(a)
	}
	if at+1 < len(line) {
		line[at+1] = int16(b)
	}
}
