package jpegls

import (
	"errors"
	"fmt"
	"math/bits"
)

// context is the state of one class of surroundings (T.87, A.2.1).
type context struct{ a, b, c, n int32 }

// coder holds what decodes samples; names are those of T.87.
type coder struct {
	bits              bitReader
	maxval, near      int32
	t1, t2, t3        int32
	reset, rng, limit int32
	qbpp              int32
	step              int32 // 2 near + 1
	contexts          [365]context
	run               [2]runContext
	gradients         []int8 // quantised, of -maxval to maxval
	precision         int
	wrap              int32
}

// runContext is the state of one kind of run interruption.
type runContext struct{ a, n, nn int32 }

func newCoder(precision, near int, p presets) (*coder, error) {
	c := &coder{precision: precision, near: int32(near), maxval: int32(1)<<precision - 1}
	if p.maxval > 0 {
		c.maxval = min(c.maxval, int32(p.maxval))
	}
	if near > 255 || c.near > c.maxval/2 {
		return nil, fmt.Errorf("error bound %d", near)
	}
	c.thresholds(p)
	if !(c.near < c.t1 && c.t1 <= c.t2 && c.t2 <= c.t3 && c.t3 <= c.maxval) && p.t1+p.t2+p.t3 > 0 || c.reset < 3 {
		return nil, errors.New("preset parameters")
	}
	c.step = 2*c.near + 1
	c.rng = (c.maxval+2*c.near)/c.step + 1
	c.qbpp = int32(bits.Len32(uint32(c.rng - 1)))
	bpp := max(2, int32(bits.Len32(uint32(c.maxval))))
	c.limit = 2 * (bpp + max(8, bpp))
	c.wrap = c.rng * c.step
	start := max(2, (c.rng+32)/64)
	c.restart(start)
	c.gradients = make([]int8, 2*c.maxval+1)
	for i := range c.gradients {
		c.gradients[i] = c.quantise(int32(i) - c.maxval)
	}
	return c, nil
}

func (c *coder) restart(start int32) {
	for i := range c.contexts {
		c.contexts[i] = context{a: start, n: 1}
	}
	c.run = [2]runContext{{a: start, n: 1}, {a: start, n: 1}}
}

// thresholds are the given ones or the defaults of T.87, C.2.4.1.1.
func (c *coder) thresholds(p presets) {
	clamp := func(i, low int32) int32 {
		if i > c.maxval || i < low {
			return low
		}
		return i
	}
	if c.maxval >= 128 {
		f := (min(c.maxval, 4095) + 128) / 256
		c.t1 = clamp(f*(3-2)+2+3*c.near, c.near+1)
		c.t2 = clamp(f*(7-3)+3+5*c.near, c.t1)
		c.t3 = clamp(f*(21-4)+4+7*c.near, c.t2)
	} else {
		f := 256 / (c.maxval + 1)
		c.t1 = clamp(max(2, 3/f+3*c.near), c.near+1)
		c.t2 = clamp(max(3, 7/f+5*c.near), c.t1)
		c.t3 = clamp(max(4, 21/f+7*c.near), c.t2)
	}
	c.reset = 64
	for _, x := range []struct {
		dst *int32
		v   int
	}{{&c.t1, p.t1}, {&c.t2, p.t2}, {&c.t3, p.t3}, {&c.reset, p.reset}} {
		if x.v > 0 {
			*x.dst = int32(x.v)
		}
	}
}

// quantise sorts a gradient into one of nine classes.
func (c *coder) quantise(d int32) int8 {
	switch {
	case d <= -c.t3:
		return -4
	case d <= -c.t2:
		return -3
	case d <= -c.t1:
		return -2
	case d < -c.near:
		return -1
	case d <= c.near:
		return 0
	case d < c.t1:
		return 1
	case d < c.t2:
		return 2
	case d < c.t3:
		return 3
	}
	return 4
}

func (c *coder) gradient(d int32) int32 { return int32(c.gradients[d+c.maxval]) }

// regular decodes one sample from its neighbours: ra left, rb above, rc above left. q names the surroundings.
func (c *coder) regular(q, ra, rb, rc int32) int32 {
	sign := int32(1)
	if q < 0 {
		q, sign = -q, -1
	}
	s := &c.contexts[q]
	px := ra + rb - rc
	if rc >= max(ra, rb) {
		px = min(ra, rb)
	} else if rc <= min(ra, rb) {
		px = max(ra, rb)
	}
	px = min(max(px+sign*s.c, 0), c.maxval)
	k := int32(0)
	for s.n<<k < s.a && k < 24 {
		k++
	}
	m := c.bits.golomb(k, c.limit, c.qbpp)
	e := int32(m>>1) ^ -int32(m&1)
	if c.near == 0 && k == 0 && 2*s.b <= -s.n {
		e = -e - 1
	}
	s.update(e, c.near, c.reset)
	return c.reconstruct(px, sign*e)
}

// update is T.87, A.6.
func (s *context) update(e, near, reset int32) {
	s.b += e * (2*near + 1)
	s.a += max(e, -e)
	if s.n == reset {
		s.a >>= 1
		s.b >>= 1
		s.n >>= 1
	}
	s.n++
	if s.b <= -s.n {
		s.b = max(s.b+s.n, 1-s.n)
		s.c = max(s.c-1, -128)
	} else if s.b > 0 {
		s.b = min(s.b-s.n, 0)
		s.c = min(s.c+1, 127)
	}
}

// reconstruct adds an error to a prediction, modulo the range.
func (c *coder) reconstruct(px, e int32) int32 {
	v := px + e*c.step
	if v < -c.near {
		v += c.wrap
	} else if v > c.maxval+c.near {
		v -= c.wrap
	}
	return min(max(v, 0), c.maxval)
}

// interruption decodes the error of the sample that ends a run (T.87, A.7.2).
func (c *coder) interruption(kind, run int32) int32 {
	s := &c.run[kind]
	t := s.a
	if kind == 1 {
		t += s.n >> 1
	}
	k := int32(0)
	for s.n<<k < t && k < 24 {
		k++
	}
	m := int32(c.bits.golomb(k, c.limit-runBits(run)-1, c.qbpp))
	odd := (m+kind)&1 == 1
	e := (m + kind + 1) / 2
	if (k != 0 || 2*s.nn >= s.n) == odd {
		e = -e
	}
	if e < 0 {
		s.nn++
	}
	s.a += (m + 1 - kind) >> 1
	if s.n == c.reset {
		s.a >>= 1
		s.n >>= 1
		s.nn >>= 1
	}
	s.n++
	return e
}

// runBits is the table J of T.87, A.2.1.
func runBits(i int32) int32 {
	return [32]int32{0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15}[i]
}

// runLength decodes how long a run is, at most most samples; ended says that a sample interrupts it.
func (c *coder) runLength(index *int32, most int) (n int, ended bool) {
	for c.bits.bit() == 1 {
		part := 1 << runBits(*index)
		if n += part; n <= most && *index < 31 {
			*index++
		}
		if n >= most {
			return most, false
		}
		if c.bits.over() {
			return most, false
		}
	}
	if j := runBits(*index); j > 0 {
		n += int(c.bits.read(j))
	}
	if n >= most { // damaged
		return most, false
	}
	return n, true
}

// bitReader reads bits; the byte behind 0xFF holds seven.
type bitReader struct {
	data  []byte
	at    int
	acc   uint64
	n     int32
	last  byte
	extra int
}

func (b *bitReader) fill() {
	for b.n <= 48 {
		if b.at >= len(b.data) || b.last == 0xFF && b.data[b.at] >= 0x80 { // the end, or a marker
			b.acc <<= 8
			b.n += 8
			b.extra++
			continue
		}
		v := b.data[b.at]
		b.at++
		if b.last == 0xFF {
			b.acc = b.acc<<7 | uint64(v)
			b.n += 7
		} else {
			b.acc = b.acc<<8 | uint64(v)
			b.n += 8
		}
		b.last = v
	}
}

// over reports that more bits were used than the data hold.
func (b *bitReader) over() bool { return b.extra*8 > int(b.n)+8 }

func (b *bitReader) bit() uint64 {
	if b.n < 1 {
		b.fill()
	}
	b.n--
	return b.acc >> b.n & 1
}

func (b *bitReader) read(n int32) uint64 {
	if b.n < n {
		b.fill()
	}
	b.n -= n
	return b.acc >> b.n & (1<<n - 1)
}

// golomb decodes a number of the limited-length Golomb code of T.87, A.5.3.
func (b *bitReader) golomb(k, limit, qbpp int32) uint32 {
	if b.n < 32 {
		b.fill()
	}
	most := limit - qbpp - 1
	zeros := int32(bits.LeadingZeros64(b.acc << (64 - b.n)))
	for zeros >= b.n { // more zeros than bits at hand
		if b.n > most {
			break
		}
		have := b.n
		b.fill()
		if b.n == have {
			break
		}
		zeros = int32(bits.LeadingZeros64(b.acc << (64 - b.n)))
	}
	if zeros >= most {
		b.n -= min(most+1, b.n)
		return uint32(b.read(qbpp)) + 1
	}
	b.n -= zeros + 1
	v := uint32(zeros) << k
	if k > 0 {
		v |= uint32(b.read(k))
	}
	return v
}
