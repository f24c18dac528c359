package onnx

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/nitrain/nitrain/onnx/internal/pb"
)

func (p *parser) node(rec pb.Record) (*Node, error) {
	n := &Node{from: p.origin(rec.Body)}
	if err := p.message(rec); err != nil {
		return n, err
	}
	if err := p.charge(256); err != nil {
		return n, err
	}
	err := p.fields("node", rec.Body, func(r pb.Record) error { return p.nodeField(n, r) })
	return n, err
}

func (p *parser) nodeField(n *Node, r pb.Record) error {
	switch r.Num {
	case 1:
		return p.texts(&n.Inputs, r)
	case 2:
		return p.texts(&n.Outputs, r)
	case 3:
		return p.text(&n.Name, r)
	case 4:
		return p.text(&n.OpType, r)
	case 5:
		a, err := p.attr(r)
		n.Attrs = append(n.Attrs, a)
		return err
	case 6:
		return p.text(&n.Doc, r)
	case 7:
		return p.text(&n.Domain, r)
	case 8:
		return p.text(&n.Overload, r)
	case 9:
		return p.pairs(&n.Metadata, r)
	}
	return nil
}

func (p *parser) attr(rec pb.Record) (Attr, error) {
	a := Attr{from: p.origin(rec.Body)}
	if err := p.message(rec); err != nil {
		return a, err
	}
	if err := p.charge(320); err != nil {
		return a, err
	}
	err := p.fields("attribute", rec.Body, func(r pb.Record) error { return p.attrField(&a, r) })
	if a.Kind == KindUndefined && a.Ref == "" {
		a.Kind = a.only()
	}
	return a, err
}

// only returns the kind of the one value that is there: files of IR 1 give no type.
func (a *Attr) only() AttrKind {
	for k := KindFloat; k <= KindTypes; k++ {
		if a.fields == 1<<k {
			return k
		}
	}
	return KindUndefined
}

func (p *parser) attrField(a *Attr, r pb.Record) error {
	if k := attrFieldKind(r.Num); k != KindUndefined {
		a.fields |= 1 << k
	}
	switch r.Num {
	case 1:
		return p.text(&a.Name, r)
	case 2:
		if err := want(r, protowire.Fixed32Type); err != nil {
			return err
		}
		a.F = math.Float32frombits(uint32(r.Value))
	case 3:
		return p.int(&a.I, r)
	case 4:
		return p.text(&a.S, r)
	case 7:
		return p.floats(&a.Floats, r)
	case 8:
		return p.ints(&a.Ints, r)
	case 9:
		return p.texts(&a.Strings, r)
	case 20:
		var v int64
		err := p.int(&v, r)
		a.Kind = AttrKind(v)
		return err
	case 21:
		return p.text(&a.Ref, r)
	default:
		return p.attrMessage(a, r)
	}
	return nil
}

func (p *parser) attrMessage(a *Attr, r pb.Record) (err error) {
	switch r.Num {
	case 5:
		if a.T != nil {
			return errTwice(r)
		}
		a.T, _, err = p.tensor(r)
	case 6:
		if a.G != nil {
			return errTwice(r)
		}
		a.G, err = p.graph(r)
	case 10:
		var t *Tensor
		t, _, err = p.tensor(r)
		a.Tensors = append(a.Tensors, t)
	case 11:
		var g *Graph
		g, err = p.graph(r)
		a.Graphs = append(a.Graphs, g)
	}
	return err
}

// attrFieldKind returns the kind of value that a field of AttributeProto holds.
func attrFieldKind(num int) AttrKind {
	kinds := [...]AttrKind{
		2: KindFloat, 3: KindInt, 4: KindString, 5: KindTensor, 6: KindGraph, 7: KindFloats,
		8: KindInts, 9: KindStrings, 10: KindTensors, 11: KindGraphs, 14: KindType, 15: KindTypes,
		22: KindSparseTensor, 23: KindSparseTensors,
	}
	if num < len(kinds) {
		return kinds[num]
	}
	return KindUndefined
}

func (p *parser) floats(dst *[]float32, r pb.Record) error {
	if err := p.charge(4 * (r.Body.Len + 1)); err != nil {
		return err
	}
	b, err := p.r.Fixed(nil, r, 4)
	for ; len(b) >= 4; b = b[4:] {
		v, _ := protowire.ConsumeFixed32(b)
		*dst = append(*dst, math.Float32frombits(v))
	}
	return err
}
