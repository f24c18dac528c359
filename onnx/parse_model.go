package onnx

import (
	"errors"
	"fmt"

	"github.com/nitrain/nitrain/onnx/internal/pb"
)

func (p *parser) model(m *Model) error {
	err := p.fields("model", m.from.body, func(r pb.Record) error { return p.modelField(m, r) })
	if err != nil {
		return err
	}
	if m.graph == nil {
		return errors.New("model without a graph")
	}
	return nil
}

func (p *parser) modelField(m *Model, r pb.Record) error {
	switch r.Num {
	case 1:
		var v int64
		err := p.int(&v, r)
		m.IRVersion = int(v)
		return err
	case 2:
		return p.text(&m.ProducerName, r)
	case 3:
		return p.text(&m.ProducerVersion, r)
	case 4:
		return p.text(&m.Domain, r)
	case 5:
		return p.int(&m.ModelVersion, r)
	case 6:
		return p.text(&m.Doc, r)
	case 7:
		if m.graph != nil {
			return errors.New("two graphs")
		}
		g, err := p.graph(r)
		m.graph = g
		return err
	case 8:
		o, err := p.opset(r)
		m.Opsets = append(m.Opsets, o)
		return err
	case 14:
		e, err := p.pair(r)
		m.metadata = append(m.metadata, e)
		return err
	case 25:
		f, err := p.function(r)
		m.Functions = append(m.Functions, f)
		return err
	}
	return nil
}

func (p *parser) opset(rec pb.Record) (Opset, error) {
	var o Opset
	if err := p.message(rec); err != nil {
		return o, err
	}
	if err := p.charge(32); err != nil {
		return o, err
	}
	err := p.fields("opset", rec.Body, func(r pb.Record) error {
		switch r.Num {
		case 1:
			return p.text(&o.Domain, r)
		case 2:
			var v int64
			err := p.int(&v, r)
			o.Version = int(v)
			return err
		}
		return nil
	})
	return o, err
}

func (p *parser) graph(rec pb.Record) (*Graph, error) {
	if err := p.message(rec); err != nil {
		return nil, err
	}
	g := &Graph{from: p.origin(rec.Body)}
	if err := p.charge(512); err != nil {
		return nil, err
	}
	if p.shallow {
		return g, nil
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	err := p.fields("graph", rec.Body, func(r pb.Record) error { return p.graphField(g, r) })
	g.splitInputs()
	return g, err
}

func (p *parser) graphField(g *Graph, r pb.Record) error {
	switch r.Num {
	case 1:
		n, err := p.node(r)
		g.Nodes = append(g.Nodes, n)
		if err != nil {
			return fmt.Errorf("node %d %q: %w", len(g.Nodes)-1, n.Name, err)
		}
	case 2:
		return p.text(&g.Name, r)
	case 5:
		i, err := p.initializer(r)
		g.Initializers = append(g.Initializers, i)
		return err
	case 10:
		return p.text(&g.Doc, r)
	case 11:
		return p.values(&g.Inputs, r)
	case 12:
		return p.values(&g.Outputs, r)
	case 13:
		return p.values(&g.Values, r)
	case 15:
		s, err := p.sparse(r)
		g.Sparse = append(g.Sparse, s)
		return err
	case 16:
		return p.pairs(&g.Metadata, r)
	}
	return nil
}

// splitInputs moves the inputs that are initializers to DefaultInputs.
func (g *Graph) splitInputs() {
	given := make(map[string]bool, len(g.Initializers))
	for _, i := range g.Initializers {
		given[i.Name] = true
	}
	var inputs []ValueInfo
	g.ir3 = make([]bool, len(g.Inputs))
	for i, v := range g.Inputs {
		g.ir3[i] = given[v.Name]
		if given[v.Name] {
			g.DefaultInputs = append(g.DefaultInputs, v)
			continue
		}
		inputs = append(inputs, v)
	}
	g.Inputs = inputs
}

func (p *parser) initializer(rec pb.Record) (*Initializer, error) {
	if err := p.charge(48); err != nil {
		return nil, err
	}
	t, name, err := p.tensor(rec)
	return &Initializer{Name: name, Tensor: t, from: p.origin(rec.Body)}, err
}

func (p *parser) sparse(rec pb.Record) (*SparseInitializer, error) {
	s := &SparseInitializer{from: p.origin(rec.Body)}
	if err := p.message(rec); err != nil {
		return s, err
	}
	if err := p.charge(128); err != nil {
		return s, err
	}
	var dims []int64
	err := p.fields("sparse tensor", rec.Body, func(r pb.Record) (err error) {
		switch r.Num {
		case 1:
			s.Values, s.Name, err = p.tensor(r)
		case 2:
			s.Indices, _, err = p.tensor(r)
		case 3:
			err = p.ints(&dims, r)
		}
		return err
	})
	s.Shape = toInts(dims)
	return s, err
}

func toInts(v []int64) []int {
	out := make([]int, len(v))
	for i, d := range v {
		out[i] = int(d)
	}
	return out
}

func (p *parser) function(rec pb.Record) (*Function, error) {
	f := &Function{from: p.origin(rec.Body)}
	if err := p.message(rec); err != nil {
		return f, err
	}
	if err := p.charge(512); err != nil {
		return f, err
	}
	err := p.fields("function", rec.Body, func(r pb.Record) error { return p.functionField(f, r) })
	return f, err
}

func (p *parser) functionField(f *Function, r pb.Record) error {
	switch r.Num {
	case 1:
		return p.text(&f.Name, r)
	case 4:
		return p.texts(&f.Inputs, r)
	case 5:
		return p.texts(&f.Outputs, r)
	case 6:
		return p.texts(&f.Attributes, r)
	case 7:
		n, err := p.node(r)
		f.Nodes = append(f.Nodes, n)
		return err
	case 8:
		return p.text(&f.Doc, r)
	case 9:
		o, err := p.opset(r)
		f.Opsets = append(f.Opsets, o)
		return err
	case 10:
		return p.text(&f.Domain, r)
	case 11:
		a, err := p.attr(r)
		f.Defaults = append(f.Defaults, a)
		return err
	case 12:
		return p.values(&f.Values, r)
	case 13:
		return p.text(&f.Overload, r)
	case 14:
		return p.pairs(&f.Metadata, r)
	}
	return nil
}
