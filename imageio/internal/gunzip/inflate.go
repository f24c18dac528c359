package gunzip

import (
	"encoding/binary"
	"errors"
	"io"
)

// errCorrupt says that the compressed data make no sense.
var errCorrupt = errors.New("gunzip: data make no sense")

const (
	window  = 32 << 10
	chunk   = 96 << 10
	slack   = 288      // a match, and the words that copies may write beyond
	padding = 32       // bytes behind the input that the decoder may look at
	inSize  = 64 << 10 // of input at a time
)

// inflater decodes deflate streams from a reader.
type inflater struct {
	src  io.Reader
	in   []byte // input, padding behind
	at   int    // next byte of in to go into bits
	end  int    // of the bytes in in
	done bool   // src is at its end
	bits uint64
	n    uint // bits in bits
	lit  litTable
	dist distTable
	out  []byte // window, chunk and slack
	pos  int    // in out
	from int    // of what was not handed on yet
	emit func(part []byte) (next []byte, err error)
	// total is how many bytes this stream has given, for the distance of matches.
	total int64
}

// fill makes sure that the input is ahead, or at its end with zeros behind.
func (d *inflater) fill() error {
	if d.done || d.end-d.at >= 1024 {
		return nil
	}
	back := min(d.at, 8) // bytes in bits may be given back
	copy(d.in, d.in[d.at-back:d.end])
	d.end -= d.at - back
	d.at = back
	for d.end < 4096 && !d.done {
		n, err := d.src.Read(d.in[d.end : len(d.in)-padding])
		d.end += n
		if errors.Is(err, io.EOF) {
			d.done = true
			clear(d.in[d.end : d.end+padding])
		} else if err != nil {
			return err
		}
	}
	return nil
}

// over reports whether bits were used that the input does not have.
func (d *inflater) over() bool { return d.done && d.at-int(d.n/8) > d.end }

// need makes sure of at least 48 bits, of zeros behind the end.
func (d *inflater) need() error {
	if err := d.fill(); err != nil {
		return err
	}
	if d.at > d.end+padding-8 {
		return io.ErrUnexpectedEOF
	}
	d.bits |= binary.LittleEndian.Uint64(d.in[d.at:]) << d.n
	d.at += int((63 - d.n) >> 3)
	d.n |= 56
	return nil
}

func (d *inflater) take(k uint) int {
	v := int(d.bits & (1<<k - 1))
	d.bits >>= k
	d.n -= k
	return v
}

// align goes back to whole bytes of input that were not used.
func (d *inflater) align() {
	d.take(d.n % 8)
	d.at -= int(d.n / 8)
	d.bits, d.n = 0, 0
}

// stream decodes one deflate stream and hands on all its bytes.
func (d *inflater) stream() error {
	d.total = 0
	for last := false; !last; {
		if err := d.need(); err != nil {
			return err
		}
		last = d.take(1) == 1
		var err error
		switch d.take(2) {
		case 0:
			err = d.storedBlock()
		case 1:
			err = d.fixedBlock()
		case 2:
			err = d.dynamicBlock()
		default:
			err = errCorrupt
		}
		if d.over() {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	d.align()
	return d.flush()
}

// flush hands on what was decoded and goes on in another buffer, behind a copy of the window.
func (d *inflater) flush() error {
	if d.pos == d.from {
		return nil
	}
	next, err := d.emit(d.out[d.from:d.pos])
	if err != nil {
		return err
	}
	d.total += int64(d.pos - d.from)
	copy(next[:window], d.out[d.pos-window:d.pos])
	d.out, d.pos, d.from = next, window, window
	return nil
}

func (d *inflater) storedBlock() error {
	d.align()
	if err := d.fill(); err != nil {
		return err
	}
	if d.end-d.at < 4 {
		return io.ErrUnexpectedEOF
	}
	n := int(binary.LittleEndian.Uint16(d.in[d.at:]))
	if n != int(^binary.LittleEndian.Uint16(d.in[d.at+2:])) {
		return errCorrupt
	}
	d.at += 4
	for n > 0 {
		if err := d.fill(); err != nil {
			return err
		}
		m := min(n, d.end-d.at, window+chunk-d.pos)
		if d.end == d.at {
			return io.ErrUnexpectedEOF
		}
		copy(d.out[d.pos:], d.in[d.at:d.at+m])
		d.pos += m
		d.at += m
		n -= m
		if d.pos == window+chunk {
			if err := d.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *inflater) tables(lits, dists []uint8) error {
	if !build(d.lit[:], litBits, litSize, lits, lengthEntry, exceptional, exceptional) ||
		!build(d.dist[:], distBits, distSize, dists, distanceEntry, exceptionalDist, exceptionalDist) {
		return errCorrupt
	}
	pairs(&d.lit)
	return nil
}

func (d *inflater) fixedBlock() error {
	var lits [288]uint8
	var dists [32]uint8
	for i := range lits {
		switch {
		case i < 144, i >= 280:
			lits[i] = 8
		case i < 256:
			lits[i] = 9
		default:
			lits[i] = 7
		}
	}
	for i := range dists {
		dists[i] = 5
	}
	if err := d.tables(lits[:], dists[:]); err != nil {
		return err
	}
	return d.symbols()
}

func (d *inflater) dynamicBlock() error {
	if err := d.need(); err != nil {
		return err
	}
	nlit, ndist, ncode := d.take(5)+257, d.take(5)+1, d.take(4)+4
	if nlit > 286 || ndist > 30 {
		return errCorrupt
	}
	order := [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	var codes [19]uint8
	for _, at := range order[:ncode] {
		if err := d.need(); err != nil {
			return err
		}
		codes[at] = uint8(d.take(3))
	}
	var pre [1 << 7]uint32
	plain := func(symbol int) (uint32, int) { return uint32(symbol) << 16, 0 }
	if !build(pre[:], 7, 1<<7, codes[:], plain, exceptional, exceptional) {
		return errCorrupt
	}
	var lengths [286 + 30]uint8
	for i := 0; i < nlit+ndist; {
		if err := d.need(); err != nil {
			return err
		}
		e := pre[d.bits&127]
		if e&exceptional != 0 {
			return errCorrupt
		}
		d.take(uint(e & 0xff))
		symbol, repeat, value := uint8(e>>16), 1, uint8(e>>16)
		switch symbol {
		case 16:
			if i == 0 {
				return errCorrupt
			}
			repeat, value = 3+d.take(2), lengths[i-1]
		case 17:
			repeat, value = 3+d.take(3), 0
		case 18:
			repeat, value = 11+d.take(7), 0
		}
		if i+repeat > nlit+ndist {
			return errCorrupt
		}
		for range repeat {
			lengths[i] = value
			i++
		}
	}
	if lengths[256] == 0 {
		return errCorrupt // no end of block
	}
	if err := d.tables(lengths[:nlit], lengths[nlit:nlit+ndist]); err != nil {
		return err
	}
	return d.symbols()
}

// symbols decodes literals and matches up to the end of the block.
func (d *inflater) symbols() error {
	for {
		if d.pos >= window+chunk {
			if err := d.flush(); err != nil {
				return err
			}
		}
		if err := d.fill(); err != nil {
			return err
		}
		end, err := d.run()
		if end || err != nil {
			return err
		}
		if d.over() {
			return io.ErrUnexpectedEOF
		}
	}
}

// run decodes while there are input and room.
func (d *inflater) run() (end bool, err error) {
	in, at, buf, n := d.in, d.at, d.bits, d.n
	out, pos := d.out, d.pos
	lit, dist := &d.lit, &d.dist
	oldest := pos - int(min(d.total+int64(pos-d.from), window)) // before it there is nothing to copy
	limit := d.end - 16
	if d.done {
		limit = d.end + padding - 16
	}
	first := oldest
	fromStart := d.total < window
	for at <= limit && pos < window+chunk {
		buf |= binary.LittleEndian.Uint64(in[at:]) << (n & 63)
		at += int((63 - n) >> 3)
		n |= 56
		e := lit[buf&(1<<litBits-1)]
		for range 3 { // up to 33 bits of literals
			if e&literal == 0 {
				break
			}
			binary.LittleEndian.PutUint16(out[pos:], uint16(e>>8))
			pos += 1 + int(e>>30&1)
			buf >>= e & 63
			n -= uint(e & 63)
			e = lit[buf&(1<<litBits-1)]
		}
		if e&literal != 0 {
			continue
		}
		if e&exceptional != 0 {
			if e&further != 0 {
				buf >>= litBits
				n -= litBits
				e = lit[(uint64(e>>12&0x7fff)+buf&(1<<(e>>8&15)-1))&(1<<12-1)]
				if e&literal != 0 {
					out[pos] = uint8(e >> 8)
					pos++
					buf >>= e & 63
					n -= uint(e & 63)
					continue
				}
			}
			if e&exceptional != 0 {
				if e&ended == 0 {
					return false, d.nonsense(at, n)
				}
				buf >>= e & 63
				n -= uint(e & 63)
				d.at, d.bits, d.n, d.pos = at, buf, n, pos
				return true, nil
			}
		}
		length := int(e>>16&0x1ff) + int(buf&(1<<(e&63)-1)>>(e>>8&31))
		buf >>= e & 63
		n -= uint(e & 63)
		if n < 28 {
			buf |= binary.LittleEndian.Uint64(in[at:]) << (n & 63)
			at += int((63 - n) >> 3)
			n |= 56
		}
		e = dist[buf&(1<<distBits-1)]
		if e&exceptionalDist != 0 {
			if e&further == 0 {
				return false, d.nonsense(at, n)
			}
			buf >>= distBits
			n -= distBits
			e = dist[(uint64(e>>12&0x7fff)+buf&(1<<(e>>8&15)-1))&(1<<9-1)]
			if e&exceptionalDist != 0 {
				return false, d.nonsense(at, n)
			}
		}
		distance := int(e>>16&0x7fff) + int(buf&(1<<(e&63)-1)>>(e>>8&31))
		buf >>= e & 63
		n -= uint(e & 63)
		from := pos - distance
		if from < first && (fromStart || from < 0) {
			return false, d.nonsense(at, n)
		}
		copyMatch(out, pos, from, length)
		pos += length
	}
	d.at, d.bits, d.n, d.pos = at, buf, n, pos
	return false, nil
}

// nonsense notes where the decoder stopped, so that an early end of the input can be told from damage.
func (d *inflater) nonsense(at int, n uint) error {
	d.at, d.n = at, n
	return errCorrupt
}

// copyMatch copies length bytes from an earlier place; it may write up to 8 bytes more.
func copyMatch(out []byte, pos, from, length int) {
	if pos-from >= 8 {
		for i := 0; i < length; i += 8 {
			binary.LittleEndian.PutUint64(out[pos+i:], binary.LittleEndian.Uint64(out[from+i:]))
		}
		return
	}
	if pos-from == 1 {
		word := uint64(out[from]) * 0x0101010101010101
		for i := 0; i < length; i += 8 {
			binary.LittleEndian.PutUint64(out[pos+i:], word)
		}
		return
	}
	for i := range length {
		out[pos+i] = out[from+i]
	}
}
