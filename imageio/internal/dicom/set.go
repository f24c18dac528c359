package dicom

import (
	"encoding/binary"
	"iter"
	"math"
	"strconv"
	"strings"
)

// Tag is a group and an element number: 0x00100010 is (0010,0010).
type Tag uint32

// String returns "(gggg,eeee)".
func (t Tag) String() string {
	const hex = "0123456789ABCDEF"
	b := []byte("(0000,0000)")
	for i, at := range []int{1, 2, 3, 4, 6, 7, 8, 9} {
		b[at] = hex[t>>(28-4*i)&15]
	}
	return string(b)
}

// Set is a data set or an item of a sequence: its elements, still encoded. Looking a tag up walks the bytes
// and takes no memory, so that a file with a million elements costs no more than its bytes.
type Set struct {
	data   []byte
	coding coding
}

// Element is one element of a set. The zero Element stands for one that is absent.
type Element struct {
	Tag   Tag
	VR    string // of the file, or of the dictionary where the file has none
	Value []byte
	big   bool
	inner coding // of the items inside
}

// All visits the elements in order, up to the first that is damaged.
func (s Set) All() iter.Seq[Element] {
	return func(yield func(Element) bool) {
		for at := 0; at < len(s.data); {
			h, err := s.coding.header(s.data, at)
			if err != nil {
				return
			}
			end, next, err := s.coding.extent(s.data, h, 0)
			if err != nil || !yield(s.element(h, end)) {
				return
			}
			at = next
		}
	}
}

func (s Set) element(h header, end int) Element {
	e := Element{Tag: h.tag, VR: h.vr, Value: s.data[h.value:end], big: s.coding.big, inner: s.coding}
	if h.vr == "UN" && (h.undefined() || dictionary(h.tag) == "SQ") {
		e.inner = coding{implicit: true}
	}
	if h.vr == "" || h.vr == "UN" {
		if vr := dictionary(h.tag); vr != "" {
			e.VR = vr
		}
	}
	return e
}

// Get returns the element of a tag; Value is nil where the set has none.
func (s Set) Get(tag Tag) Element {
	for at := 0; at < len(s.data); {
		h, err := s.coding.header(s.data, at)
		if err != nil {
			return Element{}
		}
		end, next, err := s.coding.extent(s.data, h, 0)
		if err != nil {
			return Element{}
		}
		if h.tag == tag {
			return s.element(h, end)
		}
		at = next
	}
	return Element{}
}

// Has reports whether the set holds the tag with a value.
func (s Set) Has(tag Tag) bool { return len(s.Get(tag).Value) > 0 }

// Items visits the items of a sequence.
func (s Set) Items(tag Tag) iter.Seq[Set] { return s.Get(tag).Items() }

// Items visits the items of a sequence, up to the first that is damaged.
func (e Element) Items() iter.Seq[Set] {
	return func(yield func(Set) bool) {
		for at := 0; at+8 <= len(e.Value); {
			h, err := e.inner.header(e.Value, at)
			if err != nil || h.tag != tagItem {
				return
			}
			end, next, err := e.inner.extent(e.Value, h, 0)
			if err != nil || !yield(Set{data: e.Value[h.value:end], coding: e.inner}) {
				return
			}
			at = next
		}
	}
}

// First returns the first item of a sequence, an empty set where there is none.
func (s Set) First(tag Tag) Set {
	for item := range s.Items(tag) {
		return item
	}
	return Set{}
}

// Text returns a value as it stands, without padding; for codes, numbers and identifiers, which are ASCII.
func (s Set) Text(tag Tag) string { return trim(s.Get(tag).Value) }

func trim(b []byte) string { return strings.Trim(string(b), " \x00") }

// Float returns the first number of an element.
func (s Set) Float(tag Tag) (float64, bool) {
	var one [1]float64
	if n := s.Get(tag).numbers(one[:]); n < 1 {
		return 0, false
	}
	return one[0], true
}

// FloatOr returns the first number of an element, or another where there is none.
func (s Set) FloatOr(tag Tag, other float64) float64 {
	if v, ok := s.Float(tag); ok {
		return v
	}
	return other
}

// Int returns the first number of an element as a whole number.
func (s Set) Int(tag Tag) (int, bool) {
	v, ok := s.Float(tag)
	if !ok || v != math.Trunc(v) || math.Abs(v) > 1<<53 {
		return 0, false
	}
	return int(v), true
}

// Fill reads len(dst) numbers and reports whether the element has that many.
func (s Set) Fill(tag Tag, dst []float64) bool { return s.Get(tag).numbers(dst) == len(dst) }

// Count returns how many numbers an element has.
func (e Element) Count() int {
	if size := binarySize(e.VR); size > 0 {
		return len(e.Value) / size
	}
	if t := trim(e.Value); t != "" {
		return strings.Count(t, `\`) + 1
	}
	return 0
}

// numbers reads up to len(dst) numbers of any numeric or textual VR; a number that is none ends the list.
func (e Element) numbers(dst []float64) int {
	size := binarySize(e.VR)
	if size == 0 {
		return e.decimals(dst)
	}
	n := min(len(dst), len(e.Value)/size)
	for i := range n {
		dst[i] = e.number(e.Value[i*size:])
	}
	return n
}

// number decodes the number that starts b.
func (e Element) number(b []byte) float64 {
	var o binary.ByteOrder = binary.LittleEndian
	if e.big {
		o = binary.BigEndian
	}
	switch e.VR {
	case "SS":
		return float64(int16(o.Uint16(b)))
	case "UL", "OL":
		return float64(o.Uint32(b))
	case "SL":
		return float64(int32(o.Uint32(b)))
	case "FL", "OF":
		return float64(math.Float32frombits(o.Uint32(b)))
	case "FD", "OD":
		return math.Float64frombits(o.Uint64(b))
	case "UV", "OV":
		return float64(o.Uint64(b))
	case "SV":
		return float64(int64(o.Uint64(b)))
	case "OB":
		return float64(b[0])
	default:
		return float64(o.Uint16(b)) // US, OW, AT by halves
	}
}

func (e Element) decimals(dst []float64) int {
	text := trim(e.Value)
	for i := range dst {
		if text == "" {
			return i
		}
		part, rest, more := strings.Cut(text, `\`)
		v, err := strconv.ParseFloat(strings.Trim(part, " \x00"), 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return i
		}
		dst[i] = v
		if text = rest; !more {
			return i + 1
		}
	}
	return len(dst)
}

// binarySize returns the bytes of one number of a VR that holds numbers in binary, else 0.
func binarySize(vr string) int {
	switch vr {
	case "OB":
		return 1
	case "US", "SS", "OW":
		return 2
	case "UL", "SL", "FL", "OF", "OL", "AT":
		return 4
	case "FD", "OD", "UV", "SV", "OV":
		return 8
	}
	return 0
}
