// Package gunzip reads gzip faster than the general readers do: symbols are decoded by a thread of their own, with
// wide loads and two literals at a time, while the caller works on what came before.
package gunzip

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// ErrHeader says that the data are no gzip, ErrChecksum that a member's checksum or length is wrong, ErrCorrupt
// that compressed data make no sense.
var (
	ErrHeader   = errors.New("gunzip: not a gzip header")
	ErrChecksum = errors.New("gunzip: wrong checksum")
	ErrCorrupt  = errCorrupt
)

// Reader gives the uncompressed bytes of all members of a gzip file. Close must be called.
type Reader struct {
	Trailing bool // bytes that are not gzip follow the last member
	Mismatch bool // a checksum was wrong and was ignored

	ignoreSums bool
	parts      chan part
	free       chan []byte
	stop       chan struct{}
	exited     chan struct{}
	left       []byte
	buffer     []byte // that left is in
	sum        uint32
	size       uint32
	err        error
}

// part is what the decoder hands over: bytes, the end of a member, or the end of all.
type part struct {
	data, buffer []byte
	trailer      bool
	sum, size    uint32
	trailing     bool
	err          error
}

var errStopped = errors.New("stopped")

// NewReader reads the first header and begins. With ignoreSums wrong checksums are noted and not an error.
func NewReader(src io.Reader, ignoreSums bool) (*Reader, error) {
	d := &inflater{src: src, in: make([]byte, inSize+padding)}
	if err := d.header(); err != nil {
		return nil, err
	}
	r := &Reader{ignoreSums: ignoreSums, parts: make(chan part, 1), free: make(chan []byte, 3), stop: make(chan struct{}), exited: make(chan struct{})}
	r.free <- nil // made when they are needed
	r.free <- nil
	d.out, d.pos, d.from = make([]byte, window+chunk+slack), window, window
	d.emit = func(b []byte) ([]byte, error) {
		if err := r.send(part{data: b, buffer: d.out}); err != nil {
			return nil, err
		}
		select {
		case next := <-r.free:
			if next == nil {
				next = make([]byte, window+chunk+slack)
			}
			return next, nil
		case <-r.stop:
			return nil, errStopped
		}
	}
	go func() {
		defer close(r.exited)
		_ = r.send(r.members(d)) // nobody listens after Close
	}()
	return r, nil
}

func (r *Reader) send(p part) error {
	select {
	case r.parts <- p:
		return nil
	case <-r.stop:
		return errStopped
	}
}

// members decodes one member after the other and returns how it ended.
func (r *Reader) members(d *inflater) part {
	for {
		if err := d.stream(); err != nil {
			_ = d.flush() // what came before the damage; err is what counts
			return part{err: err}
		}
		if err := d.fill(); err != nil {
			return part{err: err}
		}
		if d.end-d.at < 8 {
			return part{err: io.ErrUnexpectedEOF}
		}
		p := part{trailer: true, sum: binary.LittleEndian.Uint32(d.in[d.at:]), size: binary.LittleEndian.Uint32(d.in[d.at+4:])}
		d.at += 8
		if err := r.send(p); err != nil {
			return part{err: err}
		}
		if d.end == d.at {
			return part{err: io.EOF}
		}
		if d.end-d.at < 2 || d.in[d.at] != 0x1f || d.in[d.at+1] != 0x8b {
			return part{err: io.EOF, trailing: true}
		}
		if err := d.header(); err != nil {
			return part{err: err}
		}
	}
}

// Read gives the next bytes.
func (r *Reader) Read(b []byte) (int, error) {
	for len(r.left) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		if len(b) == 0 {
			return 0, nil
		}
		r.next()
	}
	n := copy(b, r.left)
	r.left = r.left[n:]
	return n, nil
}

func (r *Reader) next() {
	if r.buffer != nil {
		r.free <- r.buffer
		r.buffer = nil
	}
	p := <-r.parts
	switch {
	case p.err != nil:
		r.err, r.Trailing = p.err, p.trailing
	case p.trailer:
		if p.sum != r.sum || p.size != r.size {
			if !r.ignoreSums {
				r.err = ErrChecksum
			}
			r.Mismatch = true
		}
		r.sum, r.size = 0, 0
	default:
		r.left, r.buffer = p.data, p.buffer
		r.sum = crc32.Update(r.sum, crc32.IEEETable, p.data)
		r.size += uint32(len(p.data))
	}
}

// Close ends the decoder. It does not close the source.
func (r *Reader) Close() error {
	select {
	case <-r.stop:
	default:
		close(r.stop)
	}
	<-r.exited
	return nil
}

// header passes over a member's header (RFC 1952).
func (d *inflater) header() error {
	next := func() (byte, error) {
		if err := d.fill(); err != nil {
			return 0, err
		}
		if d.at == d.end {
			return 0, io.ErrUnexpectedEOF
		}
		d.at++
		return d.in[d.at-1], nil
	}
	var head [10]byte
	for i := range head {
		var err error
		if head[i], err = next(); err != nil {
			return err
		}
	}
	flags := head[3]
	if head[0] != 0x1f || head[1] != 0x8b || head[2] != 8 {
		return ErrHeader
	}
	skip := 0
	if flags&4 != 0 { // extra
		low, err := next()
		if err != nil {
			return err
		}
		high, err := next()
		if err != nil {
			return err
		}
		skip = int(low) | int(high)<<8
	}
	for range skip {
		if _, err := next(); err != nil {
			return err
		}
	}
	for _, flag := range []byte{8, 16} { // name, comment
		for flags&flag != 0 {
			c, err := next()
			if err != nil {
				return err
			}
			if c == 0 {
				break
			}
		}
	}
	if flags&2 != 0 { // the header's own checksum
		for range 2 {
			if _, err := next(); err != nil {
				return err
			}
		}
	}
	return nil
}
