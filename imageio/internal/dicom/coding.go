package dicom

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	tagItem        Tag = 0xFFFEE000
	tagItemEnd     Tag = 0xFFFEE00D
	tagSequenceEnd Tag = 0xFFFEE0DD

	undefinedLength = 0xFFFFFFFF
	maxDepth        = 32
)

// errShort says that the bytes at hand end inside an element: more of the file is needed.
var errShort = errors.New("ends inside an element")

// coding is how elements are encoded: PS3.5, chapter 7.
type coding struct {
	implicit bool // no VR
	big      bool
}

// header is the head of one element.
type header struct {
	tag    Tag
	vr     string // "" where there is none: implicit VR, items
	length uint32
	start  int // of the tag
	value  int // of the value
}

func (h header) undefined() bool { return h.length == undefinedLength }

// header reads the head of the element at b[at].
func (c coding) header(b []byte, at int) (header, error) {
	if len(b)-at < 8 {
		return header{}, errShort
	}
	var o binary.ByteOrder = binary.LittleEndian
	if c.big {
		o = binary.BigEndian
	}
	p := b[at:]
	h := header{tag: Tag(o.Uint16(p))<<16 | Tag(o.Uint16(p[2:])), start: at, value: at + 8}
	if c.implicit || h.tag>>16 == 0xFFFE {
		h.length = o.Uint32(p[4:])
		return h, nil
	}
	vr, long, known := vrOf(p[4], p[5])
	if !known {
		return header{}, fmt.Errorf("element %v has no known VR", h.tag)
	}
	h.vr = vr
	if !long {
		h.length = uint32(o.Uint16(p[6:]))
		return h, nil
	}
	if len(p) < 12 {
		return header{}, errShort
	}
	h.length, h.value = o.Uint32(p[8:]), at+12
	return h, nil
}

// vrOf returns the VR of two letters and whether its length takes 32 bits.
func vrOf(a, b byte) (vr string, long, known bool) {
	switch uint16(a)<<8 | uint16(b) {
	case 'A'<<8 | 'E':
		return "AE", false, true
	case 'A'<<8 | 'S':
		return "AS", false, true
	case 'A'<<8 | 'T':
		return "AT", false, true
	case 'C'<<8 | 'S':
		return "CS", false, true
	case 'D'<<8 | 'A':
		return "DA", false, true
	case 'D'<<8 | 'S':
		return "DS", false, true
	case 'D'<<8 | 'T':
		return "DT", false, true
	case 'F'<<8 | 'L':
		return "FL", false, true
	case 'F'<<8 | 'D':
		return "FD", false, true
	case 'I'<<8 | 'S':
		return "IS", false, true
	case 'L'<<8 | 'O':
		return "LO", false, true
	case 'L'<<8 | 'T':
		return "LT", false, true
	case 'P'<<8 | 'N':
		return "PN", false, true
	case 'S'<<8 | 'H':
		return "SH", false, true
	case 'S'<<8 | 'L':
		return "SL", false, true
	case 'S'<<8 | 'S':
		return "SS", false, true
	case 'S'<<8 | 'T':
		return "ST", false, true
	case 'T'<<8 | 'M':
		return "TM", false, true
	case 'U'<<8 | 'I':
		return "UI", false, true
	case 'U'<<8 | 'L':
		return "UL", false, true
	case 'U'<<8 | 'S':
		return "US", false, true
	case 'O'<<8 | 'B':
		return "OB", true, true
	case 'O'<<8 | 'D':
		return "OD", true, true
	case 'O'<<8 | 'F':
		return "OF", true, true
	case 'O'<<8 | 'L':
		return "OL", true, true
	case 'O'<<8 | 'V':
		return "OV", true, true
	case 'O'<<8 | 'W':
		return "OW", true, true
	case 'S'<<8 | 'Q':
		return "SQ", true, true
	case 'S'<<8 | 'V':
		return "SV", true, true
	case 'U'<<8 | 'C':
		return "UC", true, true
	case 'U'<<8 | 'N':
		return "UN", true, true
	case 'U'<<8 | 'R':
		return "UR", true, true
	case 'U'<<8 | 'T':
		return "UT", true, true
	case 'U'<<8 | 'V':
		return "UV", true, true
	}
	return "", false, false
}

// extent returns where an element's value ends and where the next element starts.
func (c coding) extent(b []byte, h header, depth int) (end, next int, err error) {
	if !h.undefined() {
		if int64(h.length) > int64(len(b)-h.value) {
			return 0, 0, errShort
		}
		end = h.value + int(h.length)
		return end, end, nil
	}
	switch {
	case depth > maxDepth:
		return 0, 0, fmt.Errorf("sequences are nested more than %d deep", maxDepth)
	case h.tag == tagItem:
		return c.set(b, h.value, depth+1)
	case h.vr == "UN":
		return coding{implicit: true}.sequence(b, h.value, depth+1)
	case h.vr == "" || h.vr == "SQ" || h.vr == "OB" || h.vr == "OW":
		return c.sequence(b, h.value, depth+1)
	}
	return 0, 0, fmt.Errorf("element %v of VR %s has no length", h.tag, h.vr)
}

// sequence walks the items of a sequence without length.
func (c coding) sequence(b []byte, at, depth int) (end, next int, err error) {
	for {
		h, err := c.header(b, at)
		if err != nil {
			return 0, 0, err
		}
		switch h.tag {
		case tagSequenceEnd:
			return at, h.value, nil
		case tagItem:
		default:
			return 0, 0, fmt.Errorf("a sequence holds element %v, not an item", h.tag)
		}
		if _, at, err = c.extent(b, h, depth); err != nil {
			return 0, 0, err
		}
	}
}

// set walks the elements of an item without length.
func (c coding) set(b []byte, at, depth int) (end, next int, err error) {
	for {
		h, err := c.header(b, at)
		if err != nil {
			return 0, 0, err
		}
		if h.tag == tagItemEnd {
			return at, h.value, nil
		}
		if h.tag>>16 == 0xFFFE {
			return 0, 0, fmt.Errorf("an item holds %v, not an element", h.tag)
		}
		if _, at, err = c.extent(b, h, depth); err != nil {
			return 0, 0, err
		}
	}
}

// shortErr says whether err only means that bytes are missing.
func shortErr(err error) bool { return errors.Is(err, errShort) || errors.Is(err, io.ErrUnexpectedEOF) }
