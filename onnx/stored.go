package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/nitrain/nitrain/onnx/internal/pb"
)

// The fields of TensorProto that hold elements.
const (
	fieldFloats  = 4
	fieldInt32s  = 5
	fieldStrings = 6
	fieldInt64s  = 7
	fieldRaw     = 9
	fieldDoubles = 10
	fieldUint64s = 11
)

// stored is a tensor as it lies in a file.
type stored struct {
	origin
	raw      pb.Span // of the last raw_data
	fields   uint32  // bit per field number of element data that is there
	segment  bool
	external bool
	where    location
	files    *externalFiles
}

// location is where external data lies.
type location struct {
	path     string
	offset   int64
	length   int64 // -1: to the end of the file
	checksum string
	err      error // offset or length is not a number
}

// dataFields returns the numbers of the element fields that are there.
func (s *stored) dataFields() []int {
	var out []int
	for _, f := range [...]int{fieldFloats, fieldInt32s, fieldStrings, fieldInt64s, fieldRaw, fieldDoubles, fieldUint64s} {
		if s.fields&(1<<f) != 0 {
			out = append(out, f)
		}
	}
	return out
}

// load returns the elements as raw data.
func (s *stored) load(t *Tensor) ([]byte, error) {
	if t.dtype == String {
		return nil, nil
	}
	n, err := Elements(t.shape)
	if err != nil {
		return nil, err
	}
	if t.dtype.Bits() == 0 {
		return nil, fmt.Errorf("onnx: tensor: %v is no element type", t.dtype)
	}
	size := t.dtype.bytesFor(n)
	if s.external {
		return s.files.read(s.where, int64(size))
	}
	if s.segment {
		return nil, errors.New("onnx: tensor: data in segments is not supported")
	}
	switch fields := s.dataFields(); {
	case len(fields) == 0 && size == 0:
		return []byte{}, nil
	case len(fields) != 1:
		return nil, fmt.Errorf("onnx: tensor: want one field with data, got %d", len(fields))
	case fields[0] == fieldRaw:
		return s.loadRaw(size)
	default:
		return s.loadTyped(t, fields[0], n, size)
	}
}

func (s *stored) loadRaw(size int) ([]byte, error) {
	if s.raw.Len != int64(size) {
		return nil, fmt.Errorf("onnx: tensor: want %d bytes of raw data, got %d", size, s.raw.Len)
	}
	b, err := s.src.Read(s.raw)
	if err != nil {
		return nil, fmt.Errorf("onnx: tensor: %w", err)
	}
	return b, nil
}

// loadTyped returns the raw data of float_data, int32_data and so on.
func (s *stored) loadTyped(t *Tensor, field, n, size int) ([]byte, error) {
	if want := typedField(t.dtype); field != want {
		return nil, fmt.Errorf("onnx: tensor: want the elements of %v in field %d, got field %d", t.dtype, want, field)
	}
	out, err := s.typed(t.dtype, field)
	if err != nil {
		return nil, fmt.Errorf("onnx: tensor: %w", err)
	}
	if len(out) != size {
		return nil, fmt.Errorf("onnx: tensor: want %d elements of %v, got %d bytes of %d", n, t.dtype, len(out), size)
	}
	return out, nil
}

func (s *stored) typed(d DType, field int) ([]byte, error) {
	r := pb.NewReader(s.src)
	var out []byte
	var ints []int64
	for rec, err := range r.Records(s.body) {
		if err != nil {
			return nil, err
		}
		if rec.Num != field {
			continue
		}
		switch field {
		case fieldFloats:
			out, err = r.Fixed(out, rec, 4)
		case fieldDoubles:
			out, err = r.Fixed(out, rec, 8)
		default:
			ints, err = r.Varints(ints[:0], rec)
			out = appendIntegers(out, d, ints)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// appendIntegers appends the elements that int32_data, int64_data and uint64_data hold as raw data: 16-bit
// floats are their bits, and elements of less than a byte come packed in bytes.
func appendIntegers(dst []byte, d DType, v []int64) []byte {
	le := binary.LittleEndian
	switch {
	case d.Bits() <= 8:
		for _, x := range v {
			dst = append(dst, byte(x))
		}
	case d.Bits() == 16:
		for _, x := range v {
			dst = le.AppendUint16(dst, uint16(x))
		}
	case d.Bits() == 32:
		for _, x := range v {
			dst = le.AppendUint32(dst, uint32(x))
		}
	default:
		for _, x := range v {
			dst = le.AppendUint64(dst, uint64(x))
		}
	}
	return dst
}

// typedField returns the field other than raw_data in which the elements of a type go.
func typedField(d DType) int {
	switch d {
	case Float32, Complex64:
		return fieldFloats
	case Float64, Complex128:
		return fieldDoubles
	case Int64:
		return fieldInt64s
	case Uint32, Uint64:
		return fieldUint64s
	case String:
		return fieldStrings
	default:
		return fieldInt32s
	}
}

func (s *stored) loadStrings(t *Tensor) ([]string, error) {
	n, err := Elements(t.shape)
	if err != nil {
		return nil, err
	}
	r := pb.NewReader(s.src)
	var out []string
	for rec, err := range r.Records(s.body) {
		if err != nil {
			return nil, fmt.Errorf("onnx: tensor: %w", err)
		}
		if rec.Num != fieldStrings || rec.Type != protowire.BytesType {
			continue
		}
		text, err := r.String(rec.Body)
		if err != nil {
			return nil, fmt.Errorf("onnx: tensor: %w", err)
		}
		out = append(out, text)
	}
	if len(out) != n {
		return nil, fmt.Errorf("onnx: tensor: want %d strings, got %d", n, len(out))
	}
	return out, nil
}

// unchanged reports whether t is still the tensor of the message o.
func (t *Tensor) unchanged(o origin) bool { return t != nil && t.from != nil && t.from.origin == o }
