package oip

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"

	"github.com/nitrain/nitrain/onnx"
)

// parseTensor reads the JSON data of a tensor: a flat list in C order, or lists nested as the shape says.
func parseTensor(name string, dtype onnx.DType, shape []int, count int, data json.RawMessage) (*onnx.Tensor, error) {
	if dtype == onnx.Float16 || dtype == onnx.BFloat16 {
		return nil, Bad("input %s: %s travels as binary data only", name, Datatype(dtype))
	}
	if count > len(data) { // an element takes a character at least
		return nil, Bad("input %s: shape %v has %d elements, the data has fewer", name, shape, count)
	}
	p := &dataParser{name: name, text: data, dtype: dtype, shape: shape, count: count}
	if dtype == onnx.String {
		p.strings = make([]string, 0, count)
	} else {
		p.raw = make([]byte, 0, count*dtype.Size())
	}
	if err := p.list(0); err != nil {
		return nil, err
	}
	if p.found != count {
		return nil, Bad("input %s: shape %v has %d elements, the data has %d", name, shape, count, p.found)
	}
	if dtype == onnx.String {
		return onnx.FromStrings(shape, p.strings)
	}
	return onnx.NewTensor(dtype, shape, p.raw)
}

// dataParser walks over JSON text that is known to be well formed.
type dataParser struct {
	name    string
	text    []byte
	at      int
	dtype   onnx.DType
	shape   []int
	count   int
	found   int
	raw     []byte
	strings []string
}

// next returns the next character that is not white space, without taking it.
func (p *dataParser) next() byte {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; c {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return c
		}
	}
	return 0
}

// list reads a list of elements or of lists at one level of the nesting.
func (p *dataParser) list(level int) error {
	if p.next() != '[' {
		return Bad("input %s: want a list of numbers as data", p.name)
	}
	p.at++
	nested := p.next() == '['
	if nested && level+1 >= max(len(p.shape), 1) {
		return Bad("input %s: the data is nested deeper than the %d axes of its shape", p.name, len(p.shape))
	}
	n := 0
	for ; p.next() != ']'; n++ {
		if n > 0 {
			p.at++ // the comma
		}
		if nested {
			if err := p.list(level + 1); err != nil {
				return err
			}
			continue
		}
		if err := p.element(); err != nil {
			return err
		}
	}
	p.at++
	if flat := level == 0 && !nested; !flat && n != p.shape[level] || !flat && !nested && level != len(p.shape)-1 && p.count > 0 {
		return Bad("input %s: the lists of the data are not nested as the shape %v", p.name, p.shape)
	}
	return nil
}

func (p *dataParser) element() error {
	c := p.next()
	if p.found++; p.found > p.count {
		return Bad("input %s: shape %v has %d elements, the data has more", p.name, p.shape, p.count)
	}
	start := p.at
	switch c {
	case '"':
		for p.at++; p.text[p.at] != '"'; p.at++ {
			if p.text[p.at] == '\\' {
				p.at++
			}
		}
		p.at++
	case '[', '{':
		return Bad("input %s: the data mixes lists and numbers", p.name)
	default:
		for p.at < len(p.text) && !stops(p.text[p.at]) {
			p.at++
		}
	}
	if err := p.put(string(p.text[start:p.at])); err != nil {
		return Bad("input %s: element %d: want %s, got %s", p.name, p.found-1, Datatype(p.dtype), quote(string(p.text[start:p.at])))
	}
	return nil
}

func stops(c byte) bool {
	return c == ',' || c == ']' || c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '[' || c == '{'
}

// put appends one element.
func (p *dataParser) put(text string) error {
	le, bits := binary.LittleEndian, p.dtype.Bits()
	switch p.dtype {
	case onnx.String:
		var s string
		err := json.Unmarshal([]byte(text), &s)
		p.strings = append(p.strings, s)
		return err
	case onnx.Bool:
		var v bool
		err := json.Unmarshal([]byte(text), &v)
		b := byte(0)
		if v {
			b = 1
		}
		if text == "1" || text == "0" {
			b, err = text[0]-'0', nil
		}
		p.raw = append(p.raw, b)
		return err
	case onnx.Float32:
		v, err := strconv.ParseFloat(text, 32)
		p.raw = le.AppendUint32(p.raw, math.Float32bits(float32(v)))
		return err
	case onnx.Float64:
		v, err := strconv.ParseFloat(text, 64)
		p.raw = le.AppendUint64(p.raw, math.Float64bits(v))
		return err
	case onnx.Uint8, onnx.Uint16, onnx.Uint32, onnx.Uint64:
		v, err := strconv.ParseUint(text, 10, bits)
		p.raw = appendBits(p.raw, v, bits)
		return err
	default:
		v, err := strconv.ParseInt(text, 10, max(bits, 1))
		p.raw = appendBits(p.raw, uint64(v), bits)
		return err
	}
}

func appendBits(b []byte, v uint64, bits int) []byte {
	for ; bits > 0; bits -= 8 {
		b = append(b, byte(v))
		v >>= 8
	}
	return b
}
