package onnx

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/nitrain/nitrain/onnx/internal/pb"
)

func errTwice(r pb.Record) error {
	return fmt.Errorf("%w at byte %d: field %d is there twice", pb.ErrMalformed, r.Whole.Off, r.Num)
}

func (p *parser) values(dst *[]ValueInfo, rec pb.Record) error {
	if err := p.charge(128); err != nil {
		return err
	}
	v, err := p.value(rec)
	*dst = append(*dst, v)
	return err
}

// value reads a ValueInfoProto.
func (p *parser) value(rec pb.Record) (ValueInfo, error) {
	var v ValueInfo
	if err := p.message(rec); err != nil {
		return v, err
	}
	err := p.fields("value", rec.Body, func(r pb.Record) error {
		switch r.Num {
		case 1:
			return p.text(&v.Name, r)
		case 2:
			return p.typ(&v, r)
		}
		return nil
	})
	return v, err
}

// typ reads a TypeProto; of nested types the innermost tensor counts.
func (p *parser) typ(v *ValueInfo, rec pb.Record) error {
	if err := p.message(rec); err != nil {
		return err
	}
	if err := p.enter(); err != nil {
		return err
	}
	defer p.leave()
	return p.fields("type", rec.Body, func(r pb.Record) error {
		kinds := [...]string{4: "sequence", 5: "map", 7: "opaque", 8: "sparse", 9: "optional"}
		if r.Num < len(kinds) && kinds[r.Num] != "" && v.Kind == "" {
			v.Kind = kinds[r.Num]
		}
		switch r.Num {
		case 1, 8:
			return p.tensorType(v, r)
		case 4, 9:
			return p.elementType(v, r, 1)
		case 5:
			return p.elementType(v, r, 2)
		}
		return nil
	})
}

func (p *parser) elementType(v *ValueInfo, rec pb.Record, field int) error {
	if err := p.message(rec); err != nil {
		return err
	}
	return p.fields("type", rec.Body, func(r pb.Record) error {
		if r.Num == field {
			return p.typ(v, r)
		}
		return nil
	})
}

func (p *parser) tensorType(v *ValueInfo, rec pb.Record) error {
	if err := p.message(rec); err != nil {
		return err
	}
	return p.fields("tensor type", rec.Body, func(r pb.Record) error {
		switch r.Num {
		case 1:
			var d int64
			err := p.int(&d, r)
			v.DType = DType(d)
			return err
		case 2:
			return p.shape(v, r)
		}
		return nil
	})
}

func (p *parser) shape(v *ValueInfo, rec pb.Record) error {
	if err := p.message(rec); err != nil {
		return err
	}
	v.Shape, v.Dims = []int{}, []string{}
	return p.fields("shape", rec.Body, func(r pb.Record) error {
		if r.Num != 1 {
			return nil
		}
		if err := p.charge(32); err != nil {
			return err
		}
		size, name, err := p.dim(r)
		v.Shape, v.Dims = append(v.Shape, size), append(v.Dims, name)
		return err
	})
}

func (p *parser) dim(rec pb.Record) (size int, name string, err error) {
	size = -1
	if err = p.message(rec); err != nil {
		return size, name, err
	}
	err = p.fields("dimension", rec.Body, func(r pb.Record) error {
		switch r.Num {
		case 1:
			if err := want(r, protowire.VarintType); err != nil {
				return err
			}
			size, name = int(int64(r.Value)), ""
		case 2:
			size = -1
			return p.text(&name, r)
		}
		return nil
	})
	return max(size, -1), name, err
}
