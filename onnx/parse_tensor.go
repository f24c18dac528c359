package onnx

import (
	"fmt"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/nitrain/nitrain/onnx/internal/pb"
)

// inline is the length up to which raw data is kept in memory when the model is read.
const inline = 1024

// tensor reads a TensorProto and its name; the elements stay in the source.
func (p *parser) tensor(rec pb.Record) (*Tensor, string, error) {
	t := &Tensor{from: &stored{origin: p.origin(rec.Body), files: p.external, where: location{length: -1}}}
	if err := p.message(rec); err != nil {
		return t, "", err
	}
	if err := p.charge(256); err != nil {
		return t, "", err
	}
	name := ""
	var dims []int64
	err := p.fields("tensor", rec.Body, func(r pb.Record) error {
		switch r.Num {
		case 1:
			return p.ints(&dims, r)
		case 2:
			var d int64
			err := p.int(&d, r)
			t.dtype = DType(d)
			return err
		case 8:
			return p.text(&name, r)
		}
		return p.stored(t.from, r)
	})
	t.shape = toInts(dims)
	if err == nil {
		err = p.keepSmall(t)
	}
	if err != nil && name != "" {
		err = fmt.Errorf("%q: %w", name, err)
	}
	return t, name, err
}

func (p *parser) stored(s *stored, r pb.Record) error {
	switch r.Num {
	case 3:
		s.segment = true
	case fieldFloats, fieldInt32s, fieldStrings, fieldInt64s, fieldRaw, fieldDoubles, fieldUint64s:
		s.fields |= 1 << r.Num
		if r.Num == fieldRaw {
			s.raw = r.Body
			return want(r, protowire.BytesType)
		}
	case 13:
		e, err := p.pair(r)
		s.where.set(e)
		return err
	case 14:
		var v int64
		err := p.int(&v, r)
		s.external = v == 1
		return err
	}
	return nil
}

func (l *location) set(e entry) {
	var err error
	switch e.key {
	case "location":
		l.path = e.value
	case "offset":
		l.offset, err = strconv.ParseInt(e.value, 10, 64)
	case "length":
		l.length, err = strconv.ParseInt(e.value, 10, 64)
		if err == nil && l.length < 0 {
			err = fmt.Errorf("length %d", l.length)
		}
	case "checksum":
		l.checksum = e.value
	}
	if err != nil {
		l.err = err
	}
}

// keepSmall takes the elements of a small tensor into memory: constants are read over and over.
func (p *parser) keepSmall(t *Tensor) error {
	s := t.from
	n, err := Elements(t.shape)
	small := err == nil && !s.external && !s.segment && s.fields == 1<<fieldRaw && s.raw.Len < inline &&
		t.dtype.Bits() != 0 && int64(t.dtype.bytesFor(n)) == s.raw.Len
	if !small { // a shape that makes no sense is told when the values are asked for
		return nil
	}
	if err := p.charge(s.raw.Len); err != nil {
		return err
	}
	b, err := p.r.Bytes(s.raw)
	t.bytes = b
	return err
}
