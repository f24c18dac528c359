package dicom

import "encoding/binary"

// unpackBits spreads one-bit samples, the lowest bit first, from the bit skip of the first byte.
func unpackBits(b []byte, skip, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		at := skip + i
		out[i] = b[at>>3] >> (at & 7) & 1
	}
	return out
}

// swap turns the bytes of big-endian samples; 8-bit samples in words of OW are turned in pairs.
func swap(b []byte, size int) {
	switch size {
	case 1, 2:
		for i := 0; i+1 < len(b); i += 2 {
			b[i], b[i+1] = b[i+1], b[i]
		}
	case 4:
		for i := 0; i+3 < len(b); i += 4 {
			binary.LittleEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
		}
	case 8:
		for i := 0; i+7 < len(b); i += 8 {
			binary.LittleEndian.PutUint64(b[i:], binary.BigEndian.Uint64(b[i:]))
		}
	}
}

// interleave puts colours that are stored in planes side by side.
func interleave(b []byte, samples, size int) []byte {
	out := make([]byte, len(b))
	n := len(b) / samples / size
	for c := range samples {
		for i := range n {
			copy(out[(i*samples+c)*size:][:size], b[(c*n+i)*size:])
		}
	}
	return out
}

// doubled gives each pixel of YBR_FULL_422 its colour differences: two pixels are stored as Y Y Cb Cr.
func (p *Pixels) doubled(b []byte) []byte {
	size := p.Allocated / 8
	out := make([]byte, p.FrameSamples()*size)
	pairs := (p.Columns + 1) / 2
	for y := range p.Rows {
		for x := range p.Columns {
			from := b[(y*pairs+x/2)*4*size:]
			to := out[(y*p.Columns+x)*3*size:]
			copy(to[:size], from[(x&1)*size:])
			copy(to[size:3*size], from[2*size:])
		}
	}
	return out
}

// mask removes bits that are no part of the samples and extends the sign.
func (p *Pixels) mask(b []byte) {
	if p.Float || p.Stored == p.Allocated {
		return
	}
	left := uint(p.Allocated - 1 - p.High)
	right := uint(p.Allocated - p.Stored)
	switch p.Allocated {
	case 8:
		for i, v := range b {
			if p.Signed {
				b[i] = byte(int8(v<<left) >> right)
			} else {
				b[i] = v << left >> right
			}
		}
	case 16:
		for i := 0; i+1 < len(b); i += 2 {
			v := binary.LittleEndian.Uint16(b[i:]) << left
			if p.Signed {
				v = uint16(int16(v) >> right)
			} else {
				v >>= right
			}
			binary.LittleEndian.PutUint16(b[i:], v)
		}
	case 32:
		for i := 0; i+3 < len(b); i += 4 {
			v := binary.LittleEndian.Uint32(b[i:]) << left
			if p.Signed {
				v = uint32(int32(v) >> right)
			} else {
				v >>= right
			}
			binary.LittleEndian.PutUint32(b[i:], v)
		}
	case 64:
		for i := 0; i+7 < len(b); i += 8 {
			v := binary.LittleEndian.Uint64(b[i:]) << left
			if p.Signed {
				v = uint64(int64(v) >> right)
			} else {
				v >>= right
			}
			binary.LittleEndian.PutUint64(b[i:], v)
		}
	}
}
