package volume

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// Number writes a number shortly.
func Number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// textNumbers turns numbers of text into samples, little endian.
type textNumbers struct {
	r    *bufio.Reader
	kind Type
	out  []byte // of one number, what is left of it
	buf  [8]byte
	err  error // what ended the numbers
}

func newTextNumbers(r *bufio.Reader, kind Type) *textNumbers { return &textNumbers{r: r, kind: kind} }

// Read gives the next bytes of samples.
func (t *textNumbers) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(t.out) == 0 && t.err == nil {
			t.err = t.next()
		}
		if t.err != nil {
			return n, t.err
		}
		m := copy(p[n:], t.out)
		t.out = t.out[m:]
		n += m
	}
	return n, nil
}

func separates(c byte) bool {
	return c == ' ' || c == ',' || c == '\n' || c == '\r' || c == '\t' || c == '\v' || c == '\f'
}

// next reads one number.
func (t *textNumbers) next() error {
	var word [64]byte
	n := 0
	for {
		c, err := t.r.ReadByte()
		if errors.Is(err, io.EOF) && n > 0 {
			break
		}
		if err != nil {
			return err
		}
		if separates(c) {
			if n > 0 {
				break
			}
			continue
		}
		if n == len(word) {
			return fmt.Errorf("%w: text that is no number", ErrCorrupt)
		}
		word[n] = c
		n++
	}
	return t.encode(string(word[:n]))
}

func (t *textNumbers) encode(word string) error {
	size := t.kind.Size()
	wrong := fmt.Errorf("%w: text that is no %s", ErrCorrupt, t.kind)
	le := binary.LittleEndian
	switch t.kind {
	case Float32, Float64:
		v, err := strconv.ParseFloat(word, 8*size)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return wrong
		}
		if size == 4 {
			le.PutUint32(t.buf[:], math.Float32bits(float32(v)))
		} else {
			le.PutUint64(t.buf[:], math.Float64bits(v))
		}
	case Uint8, Uint16, Uint32, Uint64:
		v, err := strconv.ParseUint(word, 10, 8*size)
		if err != nil {
			return wrong
		}
		le.PutUint64(t.buf[:], v)
	case Int8, Int16, Int32, Int64:
		v, err := strconv.ParseInt(word, 10, 8*size)
		if err != nil {
			return wrong
		}
		le.PutUint64(t.buf[:], uint64(v))
	default:
		return fmt.Errorf("%w: %s as text", ErrUnsupported, t.kind)
	}
	t.out = t.buf[:size]
	return nil
}

// hexBytes reads bytes of two hexadecimal digits; white space between them counts for nothing.
type hexBytes struct{ r *bufio.Reader }

// Read gives the next bytes.
func (h *hexBytes) Read(p []byte) (int, error) {
	for n := range p {
		high, err := h.digit()
		if err != nil {
			if n > 0 {
				return n, nil
			}
			return 0, err
		}
		low, err := h.digit()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return n, err
		}
		p[n] = high<<4 | low
	}
	return len(p), nil
}

func (h *hexBytes) digit() (byte, error) {
	for {
		c, err := h.r.ReadByte()
		switch {
		case err != nil:
			return 0, err
		case c >= '0' && c <= '9':
			return c - '0', nil
		case c >= 'a' && c <= 'f':
			return c - 'a' + 10, nil
		case c >= 'A' && c <= 'F':
			return c - 'A' + 10, nil
		case !separates(c):
			return 0, fmt.Errorf("%w: a byte that is no hexadecimal digit", ErrCorrupt)
		}
	}
}
