package onnx

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/nitrain/nitrain/onnx/internal/pb"
)

// tensorKeepName encodes a tensor that is not an initializer: the name that the file gives it stays.
func (e *encoder) tensorKeepName(from origin, t *Tensor) (*pb.Message, error) {
	if !from.known() {
		return e.tensor(from, "", t)
	}
	_, name, err := e.reparse(from).tensor(from.record())
	if err != nil {
		return nil, err
	}
	return e.tensor(from, name, t)
}

// tensor encodes t in the place of the tensor at from, whose way of holding its elements it keeps.
func (e *encoder) tensor(from origin, name string, t *Tensor) (*pb.Message, error) {
	old, oldName := &Tensor{from: &stored{}}, ""
	if from.known() {
		var err error
		if old, oldName, err = e.reparse(from).tensor(from.record()); err != nil {
			return nil, err
		}
	}
	ed := edits{}
	ed.text(8, oldName, name)
	if !sameShape(old.shape, t.shape) {
		ed[1] = put(func(out *pb.Message) {
			for _, d := range t.shape {
				out.Varint(1, uint64(d))
			}
		})
	}
	ed.int(2, int64(old.dtype), int64(t.dtype))
	var err error
	switch where, moved := e.data[from]; {
	case old.from.external && e.inline:
		err = e.takeIn(ed, t)
	case old.from.external && moved:
		err = e.location(ed, from, where)
	case t.unchanged(from):
	case old.from.external:
		err = fmt.Errorf("onnx: write tensor %q: its external data has no place", name)
	default:
		err = e.elements(ed, old, t)
	}
	if err != nil {
		return nil, err
	}
	return e.write(from, ed)
}

// takeIn replaces the reference to external data by the data.
func (e *encoder) takeIn(ed edits, t *Tensor) error {
	nothing := put(func(*pb.Message) {})
	ed[13], ed[14] = nothing, nothing
	return ed.raw(t)
}

// elements replaces the elements: in the field that held them while the type is the same, else in raw_data.
func (e *encoder) elements(ed edits, old, t *Tensor) error {
	fields := old.from.dataFields()
	for _, f := range fields {
		ed[f] = put(func(*pb.Message) {})
	}
	if t.dtype == String {
		list, err := t.Strings()
		ed[fieldStrings] = put(func(out *pb.Message) { texts(out, fieldStrings, list) })
		return err
	}
	if len(fields) == 1 && fields[0] != fieldRaw && fields[0] == typedField(t.dtype) {
		return e.typed(ed, fields[0], old.from, t)
	}
	return ed.raw(t)
}

func (ed edits) raw(t *Tensor) error {
	n, err := Elements(t.shape)
	if err != nil {
		return err
	}
	if t.dtype.Bits() == 0 {
		return fmt.Errorf("onnx: write tensor: %v has no raw data", t.dtype)
	}
	if t.bytes != nil {
		ed[fieldRaw] = put(func(out *pb.Message) { out.Bytes(fieldRaw, t.bytes) })
		return nil
	}
	ed[fieldRaw] = put(func(out *pb.Message) { out.Later(fieldRaw, int64(t.dtype.bytesFor(n)), t.Bytes) })
	return nil
}

// typed writes float_data, int32_data and so on, packed unless the file had them unpacked.
func (e *encoder) typed(ed edits, field int, old *stored, t *Tensor) error {
	raw, err := t.Bytes()
	if err != nil {
		return err
	}
	packed, err := e.isPacked(old.origin, field)
	if err != nil {
		return err
	}
	ed[field] = put(func(out *pb.Message) {
		switch {
		case packed:
			out.Bytes(field, packedElements(field, t, raw))
		case field == fieldFloats:
			for ; len(raw) >= 4; raw = raw[4:] {
				out.Fixed32(field, binary.LittleEndian.Uint32(raw))
			}
		case field == fieldDoubles:
			for ; len(raw) >= 8; raw = raw[8:] {
				out.Fixed64(field, binary.LittleEndian.Uint64(raw))
			}
		default:
			for _, v := range storedIntegers(t.dtype, raw) {
				out.Varint(field, uint64(v))
			}
		}
	})
	return nil
}

func (e *encoder) isPacked(from origin, field int) (bool, error) {
	for rec, err := range e.reader(from.src).Records(from.body) {
		if err != nil {
			return false, err
		}
		if rec.Num == field {
			return rec.Type == protowire.BytesType, nil
		}
	}
	return true, nil
}

func packedElements(field int, t *Tensor, raw []byte) []byte {
	if field == fieldFloats || field == fieldDoubles {
		return raw
	}
	var out []byte
	for _, v := range storedIntegers(t.dtype, raw) {
		out = protowire.AppendVarint(out, uint64(v))
	}
	return out
}

// storedIntegers returns raw elements as int32_data, int64_data and uint64_data hold them: 16-bit floats as
// their bits, elements of less than a byte packed.
func storedIntegers(d DType, raw []byte) []int64 {
	get := integerReader(d)
	n := 0
	switch {
	case d == Float16 || d == BFloat16:
		get, n = integerReader(Uint16), len(raw)/2
	case get == nil || d.Bits() < 8:
		get, n = integerReader(Uint8), len(raw)
	default:
		n = len(raw) / d.Size()
	}
	out := make([]int64, n)
	for i := range out {
		out[i] = get(raw, i)
	}
	return out
}

// location changes where external data lies. Entries that stay keep their bytes.
func (e *encoder) location(ed edits, from origin, l location) error {
	rec, err := e.records(from)
	if err != nil {
		return err
	}
	var was, is []entry
	now := l.entries()
	for _, r := range rec[13] {
		en, err := e.reparse(from).pair(r)
		if err != nil {
			return err
		}
		was = append(was, en)
		if v, ok := now[en.key]; ok {
			en.value = v
		}
		is = append(is, en)
		delete(now, en.key)
	}
	for _, k := range slices.Sorted(maps.Keys(now)) {
		is = append(is, entry{k, now[k]})
	}
	ed.entries(13, from.src, rec[13], was, is)
	return nil
}

func (l location) entries() map[string]string {
	out := map[string]string{"location": l.path}
	if l.offset != 0 {
		out["offset"] = strconv.FormatInt(l.offset, 10)
	}
	if l.length >= 0 {
		out["length"] = strconv.FormatInt(l.length, 10)
	}
	if l.checksum != "" {
		out["checksum"] = l.checksum
	}
	return out
}
