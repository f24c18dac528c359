package jpeg

import "errors"

const peekBits = 10

// huffman decodes the codes of one table: by look-up of the next ten bits, longer ones length by length.
type huffman struct {
	fast   [1 << peekBits]uint16 // length<<8 | value
	most   [18]int32             // largest code of a length, -1 where there is none
	offset [17]int32
	values [256]byte
	ready  bool
}

func (h *huffman) build(counts, values []byte) error {
	*h = huffman{ready: true}
	copy(h.values[:], values)
	code, at := int32(0), int32(0)
	for length := 1; length <= 16; length++ {
		n := int32(counts[length-1])
		if code+n > 1<<length {
			return errors.New("table of too many Huffman codes")
		}
		h.offset[length] = at - code
		for range n {
			if length <= peekBits {
				first := code << (peekBits - length)
				for i := first; i < first+1<<(peekBits-length); i++ {
					h.fast[i] = uint16(length)<<8 | uint16(h.values[at])
				}
			}
			code++
			at++
		}
		h.most[length] = code - 1
		if n == 0 {
			h.most[length] = -1
		}
		code <<= 1
	}
	return nil
}

// bitReader reads entropy-coded data up to the next marker; beyond it come zeros, and then an error.
type bitReader struct {
	data  []byte
	at    int
	acc   uint64
	n     int // bits in acc
	extra int // bytes made up behind the end
}

// fill makes at least 48 bits available.
func (b *bitReader) fill() {
	for b.n <= 48 {
		v := byte(0)
		switch {
		case b.at >= len(b.data):
			b.extra++
		case b.data[b.at] != 0xFF:
			v = b.data[b.at]
			b.at++
		case b.at+1 < len(b.data) && b.data[b.at+1] == 0:
			v = 0xFF
			b.at += 2
		default: // a marker
			b.extra++
		}
		b.acc = b.acc<<8 | uint64(v)
		b.n += 8
	}
}

// decode reads one code.
func (b *bitReader) decode(h *huffman) (int, error) {
	if b.n < 32 {
		b.fill()
	}
	e := h.fast[b.acc>>(b.n-peekBits)&(1<<peekBits-1)]
	if e != 0 {
		b.n -= int(e >> 8)
		return int(e & 255), nil
	}
	for length := peekBits + 1; length <= 16; length++ {
		code := int32(b.acc >> (b.n - length) & (1<<length - 1))
		if code <= h.most[length] {
			b.n -= length
			return int(h.values[(code+h.offset[length])&255]), nil
		}
	}
	return 0, errors.New("bits that are no code")
}

// receive reads n bits, at most 16, as a signed difference (T.81, F.2.2.1).
func (b *bitReader) receive(n int) int32 {
	if n == 0 {
		return 0
	}
	if b.n < n {
		b.fill()
	}
	b.n -= n
	v := int32(b.acc >> b.n & (1<<n - 1))
	if v < 1<<(n-1) {
		v += -1<<n + 1
	}
	return v
}

// overrun reports that bits were used which the data do not hold.
func (b *bitReader) overrun() bool { return b.extra*8 > b.n+64 }

// restart goes behind the next restart marker.
func (b *bitReader) restart() error {
	b.acc, b.n, b.extra = 0, 0, 0
	for ; b.at+1 < len(b.data); b.at++ {
		if b.data[b.at] == 0xFF && b.data[b.at+1] >= 0xD0 && b.data[b.at+1] <= 0xD7 {
			b.at += 2
			return nil
		}
	}
	return errEnd
}
