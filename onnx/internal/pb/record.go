package pb

import (
	"fmt"
	"iter"

	"google.golang.org/protobuf/encoding/protowire"
)

// Record is one field of a message as it lies in its source.
type Record struct {
	Num   int
	Type  protowire.Type
	Value uint64 // of a varint, a fixed32 and a fixed64
	Whole Span   // the record with its tag
	Body  Span   // what follows tag and length
}

// Header returns the range of the tag and of the length.
func (r Record) Header() Span { return Span{r.Whole.Off, r.Body.Off - r.Whole.Off} }

// maxGroups limits how deep groups may nest; ONNX has none at all.
const maxGroups = 64

// Records walks the fields of the message in body, in their order. After an error it ends.
func (r *Reader) Records(body Span) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for off := body.Off; off < body.End(); {
			rec, err := r.record(off, body.End())
			if !yield(rec, err) || err != nil {
				return
			}
			off = rec.Whole.End()
		}
	}
}

func (r *Reader) record(off, end int64) (Record, error) {
	rec, err := r.plain(off, end)
	if err != nil {
		return rec, err
	}
	switch rec.Type {
	case protowire.EndGroupType:
		return rec, malformed(off, "end of a group that never began")
	case protowire.StartGroupType:
		return r.group(rec, end)
	}
	return rec, nil
}

// plain reads one record; of a group only its first tag.
func (r *Reader) plain(off, end int64) (Record, error) {
	b, err := r.peek(off, int(min(20, end-off)))
	if err != nil {
		return Record{}, err
	}
	num, typ, n := protowire.ConsumeTag(b)
	if n < 0 {
		return Record{}, malformed(off, "no tag")
	}
	rec := Record{Num: int(num), Type: typ}
	v, m := uint64(0), 0
	switch typ {
	case protowire.VarintType, protowire.BytesType:
		v, m = protowire.ConsumeVarint(b[n:])
	case protowire.Fixed32Type:
		var w uint32
		w, m = protowire.ConsumeFixed32(b[n:])
		v = uint64(w)
	case protowire.Fixed64Type:
		v, m = protowire.ConsumeFixed64(b[n:])
	case protowire.StartGroupType, protowire.EndGroupType:
	default:
		return Record{}, malformed(off, "reserved wire type")
	}
	if m < 0 {
		return Record{}, malformed(off, "record is cut off")
	}
	rec.Value = v
	if typ != protowire.BytesType {
		rec.Body = Span{off + int64(n), int64(m)}
		rec.Whole = Span{off, int64(n + m)}
		return rec, nil
	}
	start := off + int64(n+m)
	if v > uint64(end-start) {
		return Record{}, malformed(off, fmt.Sprintf("field %d wants %d bytes, %d are left", num, v, end-start))
	}
	rec.Value = 0
	rec.Body = Span{start, int64(v)}
	rec.Whole = Span{off, int64(n+m) + int64(v)}
	return rec, nil
}

// group extends first, the tag that begins a group, to the tag that ends it.
func (r *Reader) group(first Record, end int64) (Record, error) {
	open := []int{first.Num}
	off := first.Whole.End()
	for len(open) > 0 {
		if off >= end {
			return Record{}, malformed(first.Whole.Off, "group without an end")
		}
		rec, err := r.plain(off, end)
		if err != nil {
			return Record{}, err
		}
		switch rec.Type {
		case protowire.StartGroupType:
			open = append(open, rec.Num)
		case protowire.EndGroupType:
			if rec.Num != open[len(open)-1] {
				return Record{}, malformed(off, "end of another group")
			}
			open = open[:len(open)-1]
		}
		if len(open) > maxGroups {
			return Record{}, malformed(off, "groups are nested too deep")
		}
		off = rec.Whole.End()
	}
	first.Body = Span{first.Whole.End(), off - first.Whole.End()}
	first.Whole.Len = off - first.Whole.Off
	return first, nil
}

func malformed(off int64, what string) error {
	return fmt.Errorf("%w at byte %d: %s", ErrMalformed, off, what)
}
