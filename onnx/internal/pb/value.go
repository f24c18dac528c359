package pb

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// Varints appends the integers of a repeated field's record, packed or not.
func (r *Reader) Varints(dst []int64, rec Record) ([]int64, error) {
	if rec.Type == protowire.VarintType {
		return append(dst, int64(rec.Value)), nil
	}
	b, err := r.packed(rec)
	if err != nil {
		return dst, err
	}
	for len(b) > 0 {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return dst, malformed(rec.Whole.Off, "packed integers are cut off")
		}
		dst, b = append(dst, int64(v)), b[n:]
	}
	return dst, nil
}

// Fixed appends the bytes of a repeated fixed32 or fixed64 field's record, packed or not: little endian,
// size bytes an element.
func (r *Reader) Fixed(dst []byte, rec Record, size int) ([]byte, error) {
	switch {
	case rec.Type == protowire.Fixed32Type && size == 4:
		return protowire.AppendFixed32(dst, uint32(rec.Value)), nil
	case rec.Type == protowire.Fixed64Type && size == 8:
		return protowire.AppendFixed64(dst, rec.Value), nil
	}
	if rec.Type == protowire.BytesType && len(dst) == 0 {
		if rec.Body.Len%int64(size) != 0 {
			return dst, malformed(rec.Whole.Off, "packed numbers are cut off")
		}
		return r.Bytes(rec.Body)
	}
	b, err := r.packed(rec)
	if err != nil {
		return dst, err
	}
	if len(b)%size != 0 {
		return dst, malformed(rec.Whole.Off, "packed numbers are cut off")
	}
	return append(dst, b...), nil
}

func (r *Reader) packed(rec Record) ([]byte, error) {
	if rec.Type != protowire.BytesType {
		return nil, malformed(rec.Whole.Off, "number of another kind")
	}
	return r.Bytes(rec.Body)
}
