package dicom

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// builder collects elements and encodes them in explicit VR little endian, by ascending tag.
type builder struct{ elements []encoded }

type encoded struct {
	tag   Tag
	bytes []byte
}

func (b *builder) raw(tag Tag, vr string, value []byte) {
	pad := byte(0)
	switch vr {
	case "UI", "OB", "UN":
	case "SQ", "US", "UL", "FD", "OW", "AT":
		pad = 0
	default:
		pad = ' '
	}
	n := len(value) + len(value)&1
	out := binary.LittleEndian.AppendUint16(make([]byte, 0, n+12), uint16(tag>>16))
	out = binary.LittleEndian.AppendUint16(out, uint16(tag))
	out = append(out, vr...)
	switch vr {
	case "OB", "OW", "SQ", "UN", "UT", "UC":
		out = append(out, 0, 0)
		out = binary.LittleEndian.AppendUint32(out, uint32(n))
	default:
		out = binary.LittleEndian.AppendUint16(out, uint16(n))
	}
	out = append(out, value...)
	if len(value)&1 == 1 {
		out = append(out, pad)
	}
	b.elements = append(b.elements, encoded{tag, out})
}

func (b *builder) text(tag Tag, vr string, values ...string) {
	b.raw(tag, vr, []byte(strings.Join(values, `\`)))
}

func (b *builder) short(tag Tag, values ...int) {
	var v []byte
	for _, x := range values {
		v = binary.LittleEndian.AppendUint16(v, uint16(x))
	}
	b.raw(tag, "US", v)
}

func (b *builder) long(tag Tag, values ...int) {
	var v []byte
	for _, x := range values {
		v = binary.LittleEndian.AppendUint32(v, uint32(x))
	}
	b.raw(tag, "UL", v)
}

// pointer writes a tag as a value.
func (b *builder) pointer(tag, value Tag) {
	v := binary.LittleEndian.AppendUint16(nil, uint16(value>>16))
	b.raw(tag, "AT", binary.LittleEndian.AppendUint16(v, uint16(value)))
}

// decimal writes numbers as DS, in at most 16 characters each.
func (b *builder) decimal(tag Tag, values ...float64) {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = decimalString(v)
	}
	b.text(tag, "DS", parts...)
}

func decimalString(v float64) string {
	if v == 0 {
		return "0"
	}
	for digits := 15; ; digits-- {
		if s := strconv.FormatFloat(v, 'g', digits, 64); len(s) <= 16 {
			return s
		}
	}
}

// sequence writes items.
func (b *builder) sequence(tag Tag, items ...*builder) {
	var v []byte
	for _, item := range items {
		body := item.bytes()
		v = append(v, 0xFE, 0xFF, 0x00, 0xE0)
		v = binary.LittleEndian.AppendUint32(v, uint32(len(body)))
		v = append(v, body...)
	}
	b.raw(tag, "SQ", v)
}

func (b *builder) bytes() []byte {
	slices.SortStableFunc(b.elements, func(x, y encoded) int { return cmp.Compare(x.tag, y.tag) })
	n := 0
	for _, e := range b.elements {
		n += len(e.bytes)
	}
	out := make([]byte, 0, n)
	for _, e := range b.elements {
		out = append(out, e.bytes...)
	}
	return out
}

// code writes a coded concept as the only item of a sequence.
func (b *builder) code(tag Tag, c Code) {
	item := &builder{}
	item.text(0x00080100, "SH", c.Value)
	item.text(0x00080102, "SH", c.Scheme)
	item.text(0x00080104, "LO", c.Meaning)
	b.sequence(tag, item)
}

// fileBytes returns preamble, meta information and the data set up to the pixel data.
func fileBytes(class, instance string, set *builder) []byte {
	meta := &builder{}
	meta.raw(0x00020001, "OB", []byte{0, 1})
	meta.text(0x00020002, "UI", class)
	meta.text(0x00020003, "UI", instance)
	meta.text(tagTransferSyntax, "UI", base+".1")
	meta.text(0x00020012, "UI", implementation)
	meta.text(0x00020013, "SH", "NITRAIN")
	body := meta.bytes()
	length := &builder{}
	length.long(0x00020000, len(body))
	out := make([]byte, 128, 1024)
	out = append(out, "DICM"...)
	out = append(out, length.bytes()...)
	out = append(out, body...)
	return append(out, set.bytes()...)
}

// implementation identifies this program, derived from a UUID (PS3.5, B.2).
const implementation = "2.25.254826071358924733310961842361437612001"

// newUID returns a UID derived from a random UUID.
func newUID() string {
	var u [16]byte
	_, _ = rand.Read(u[:]) // never fails
	u[6] = u[6]&0x0F | 0x40
	u[8] = u[8]&0x3F | 0x80
	return "2.25." + new(big.Int).SetBytes(u[:]).String()
}

// labColour converts sRGB to the CIELab of D50 in the 16 bits of PS3.3, C.10.7.1.1.
func labColour(rgb [3]uint8) []int {
	var l [3]float64
	for i, v := range rgb {
		if l[i] = float64(v) / 255; l[i] <= 0.04045 {
			l[i] /= 12.92
		} else {
			l[i] = math.Pow((l[i]+0.055)/1.055, 2.4)
		}
	}
	// sRGB to XYZ, adapted to D50 by Bradford's transform, divided by the white of D50
	x := (0.4360747*l[0] + 0.3850649*l[1] + 0.1430804*l[2]) / 0.9642
	y := 0.2225045*l[0] + 0.7168786*l[1] + 0.0606169*l[2]
	z := (0.0139322*l[0] + 0.0971045*l[1] + 0.7141733*l[2]) / 0.8251
	f := func(t float64) float64 {
		if t > 216.0/24389 {
			return math.Cbrt(t)
		}
		return (24389.0/27*t + 16) / 116
	}
	lightness, a, b := 116*f(y)-16, 500*(f(x)-f(y)), 200*(f(y)-f(z))
	to := func(v, low, high float64) int {
		return int(math.Round(min(max((v-low)/(high-low), 0), 1) * 65535))
	}
	return []int{to(lightness, 0, 100), to(a, -128, 127), to(b, -128, 127)}
}

// Code is a coded concept: scheme such as SCT, value and meaning.
type Code struct{ Scheme, Value, Meaning string }

func (c Code) String() string { return fmt.Sprintf("(%s, %s, %q)", c.Value, c.Scheme, c.Meaning) }
