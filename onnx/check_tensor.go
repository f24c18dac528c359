package onnx

import (
	"fmt"
	"strconv"
)

// tensor checks what the file says of a tensor, without reading the elements of raw and external data.
func (c *checker) tensor(t *Tensor, field string, at Violation) {
	n, err := Elements(t.shape)
	switch {
	case !t.dtype.Known():
		c.at(at, field, "an element type of ONNX", t.dtype.String(), false)
	case err != nil:
		c.at(at, field, "sizes that are not negative and whose product is no overflow", fmt.Sprint(t.shape), false)
	case t.from == nil || t.from.segment:
		if t.from != nil {
			c.at(at, field, "its data in one piece", "a segment", true)
		}
	case t.from.external:
		c.externalTensor(t, n, field, at)
	default:
		c.storedTensor(t, n, field, at)
	}
}

func (c *checker) externalTensor(t *Tensor, n int, field string, at Violation) {
	s := t.from
	switch {
	case s.fields != 0:
		c.at(at, field, "no data beside the external data", "data in the model as well", false)
	case t.dtype == String:
		c.at(at, field, "strings in the model", "external data", false)
	case s.where.path == "":
		c.at(at, field, "a location of its external data", "none", false)
	case s.files != nil && s.files.dir != "":
		if _, _, err := s.files.find(s.where, int64(t.dtype.bytesFor(n))); err != nil {
			c.at(at, field, "readable external data", err.Error(), false)
		}
	}
}

func (c *checker) storedTensor(t *Tensor, n int, field string, at Violation) {
	s := t.from
	fields := s.dataFields()
	if len(fields) == 0 && n == 0 {
		return
	}
	if len(fields) != 1 {
		c.at(at, field, "data in one field", fmt.Sprintf("%d fields", len(fields)), false)
		return
	}
	switch f := fields[0]; {
	case f == fieldRaw && t.dtype == String:
		c.at(at, field, "strings in string_data", "raw_data", false)
	case f == fieldRaw:
		if size := t.dtype.bytesFor(n); s.raw.Len != int64(size) {
			c.at(at, field, fmt.Sprintf("%d bytes for %v of shape %v", size, t.dtype, t.shape), fmt.Sprintf("%d bytes", s.raw.Len), false)
		}
	case f != typedField(t.dtype):
		c.at(at, field, fmt.Sprintf("%v in %s", t.dtype, fieldName(typedField(t.dtype))), fieldName(f), false)
	case t.dtype == String:
		if _, err := t.Strings(); err != nil {
			c.at(at, field, fmt.Sprintf("%d strings", n), err.Error(), false)
		}
	default:
		if b, err := s.typed(t.dtype, f); err != nil || len(b) != t.dtype.bytesFor(n) {
			c.at(at, field, fmt.Sprintf("%d elements for shape %v", n, t.shape), elementsOr(len(b), t.dtype, err), false)
		}
	}
}

func elementsOr(bytes int, d DType, err error) string {
	if err != nil {
		return err.Error()
	}
	return strconv.Itoa(bytes * 8 / d.Bits())
}

func fieldName(field int) string {
	names := [...]string{
		fieldFloats: "float_data", fieldInt32s: "int32_data", fieldStrings: "string_data",
		fieldInt64s: "int64_data", fieldRaw: "raw_data", fieldDoubles: "double_data", fieldUint64s: "uint64_data",
	}
	return names[field]
}
