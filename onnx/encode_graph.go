package onnx

import (
	"slices"

	"github.com/nitrain/nitrain/onnx/internal/pb"
)

func (e *encoder) graph(g *Graph) (*pb.Message, error) {
	old := &Graph{}
	rec := map[int][]pb.Record{}
	if g.from.known() {
		var err error
		if rec, err = e.records(g.from); err != nil {
			return nil, err
		}
		if old, err = e.oldGraph(g.from, rec); err != nil {
			return nil, err
		}
	}
	ed := edits{}
	ed.list(1, g.from.src, rec[1], e.nodes(g.Nodes))
	ed.text(2, old.Name, g.Name)
	ed.list(5, g.from.src, rec[5], e.initializers(g.Initializers))
	ed.text(10, old.Doc, g.Doc)
	e.values(ed, 11, g.from.src, rec[11], old.Inputs, g.allInputs())
	e.values(ed, 12, g.from.src, rec[12], old.Outputs, g.Outputs)
	e.values(ed, 13, g.from.src, rec[13], old.Values, g.Values)
	ed.list(15, g.from.src, rec[15], sparse(g.Sparse))
	ed.pairs(16, old.Metadata, g.Metadata)
	return e.write(g.from, ed)
}

// oldGraph reads what the file says of a graph, but for nodes and tensors.
func (e *encoder) oldGraph(from origin, rec map[int][]pb.Record) (*Graph, error) {
	g := &Graph{}
	p := e.reparse(from)
	for _, num := range [...]int{2, 10, 11, 12, 13, 16} {
		for _, r := range rec[num] {
			if err := p.graphField(g, r); err != nil {
				return nil, err
			}
		}
	}
	return g, nil
}

// allInputs returns the inputs with those that are initializers in the order of the file.
func (g *Graph) allInputs() []ValueInfo {
	inputs, defaults := g.Inputs, g.DefaultInputs
	var out []ValueInfo
	for _, isDefault := range g.ir3 {
		switch {
		case isDefault && len(defaults) > 0:
			out, defaults = append(out, defaults[0]), defaults[1:]
		case !isDefault && len(inputs) > 0:
			out, inputs = append(out, inputs[0]), inputs[1:]
		}
	}
	return append(append(out, inputs...), defaults...)
}

func (e *encoder) nodes(list []*Node) []item {
	out := make([]item, len(list))
	for i, n := range list {
		out[i] = item{n.from, func() (*pb.Message, error) { return e.node(n) }}
	}
	return out
}

func (e *encoder) initializers(list []*Initializer) []item {
	out := make([]item, len(list))
	for i, it := range list {
		out[i] = item{it.from, func() (*pb.Message, error) { return e.tensor(it.from, it.Name, it.Tensor) }}
	}
	return out
}

func sparse(list []*SparseInitializer) []item {
	out := make([]item, len(list))
	for i, s := range list {
		out[i] = item{s.from, func() (*pb.Message, error) {
			body := &pb.Message{}
			body.Copy(s.from.src, s.from.body)
			return body, nil
		}}
	}
	return out
}

func (e *encoder) node(n *Node) (*pb.Message, error) {
	old := &Node{}
	rec := map[int][]pb.Record{}
	if n.from.known() {
		var err error
		if old, err = e.reparse(n.from).node(n.from.record()); err != nil {
			return nil, err
		}
		if len(n.Attrs) > 0 || len(old.Attrs) > 0 {
			if rec, err = e.records(n.from); err != nil {
				return nil, err
			}
		}
	}
	ed := edits{}
	ed.texts(1, old.Inputs, n.Inputs)
	ed.texts(2, old.Outputs, n.Outputs)
	ed.text(3, old.Name, n.Name)
	ed.text(4, old.OpType, n.OpType)
	ed.list(5, n.from.src, rec[5], e.attrs(n.Attrs))
	ed.text(6, old.Doc, n.Doc)
	ed.text(7, old.Domain, n.Domain)
	ed.text(8, old.Overload, n.Overload)
	ed.pairs(9, old.Metadata, n.Metadata)
	return e.write(n.from, ed)
}

// values changes a list of ValueInfoProto: a value is known by its name.
func (e *encoder) values(ed edits, num int, src *pb.Source, old []pb.Record, was, is []ValueInfo) {
	items := make([]item, len(is))
	taken := make([]bool, len(was))
	byName := make(map[string]int, len(was))
	for k := range slices.Backward(was) {
		byName[was[k].Name] = k
	}
	for i, v := range is {
		k, ok := byName[v.Name]
		if i < len(was) && was[i].Name == v.Name {
			k, ok = i, true
		}
		if !ok || taken[k] {
			items[i] = item{encode: func() (*pb.Message, error) { return e.value(origin{}, ValueInfo{}, v) }}
			continue
		}
		taken[k] = true
		from := origin{src, old[k].Body}
		items[i] = item{from, func() (*pb.Message, error) { return e.value(from, was[k], v) }}
	}
	ed.list(num, src, old, items)
}

func (e *encoder) value(from origin, was, is ValueInfo) (*pb.Message, error) {
	ed := edits{}
	ed.text(1, was.Name, is.Name)
	if was.DType != is.DType || was.Kind != is.Kind || !sameShape(was.Shape, is.Shape) ||
		!slices.Equal(was.Dims, is.Dims) || (was.Shape == nil) != (is.Shape == nil) {
		ed[2] = put(func(out *pb.Message) { out.Nested(2, typ(is)) })
	}
	return e.write(from, ed)
}

// typ returns a TypeProto.
func typ(v ValueInfo) *pb.Message {
	tensor := &pb.Message{}
	if v.DType != Undefined {
		tensor.Varint(1, uint64(v.DType))
	}
	if v.Shape != nil {
		tensor.Nested(2, shape(v))
	}
	out := &pb.Message{}
	switch v.Kind {
	case "sequence", "optional":
		element, holder := &pb.Message{}, &pb.Message{}
		element.Nested(1, tensor)
		holder.Nested(1, element)
		out.Nested(map[string]int{"sequence": 4, "optional": 9}[v.Kind], holder)
	case "sparse":
		out.Nested(8, tensor)
	default:
		out.Nested(1, tensor)
	}
	return out
}

func shape(v ValueInfo) *pb.Message {
	out := &pb.Message{}
	for i, size := range v.Shape {
		dim := &pb.Message{}
		switch {
		case size >= 0:
			dim.Varint(1, uint64(size))
		case i < len(v.Dims):
			text(dim, 2, v.Dims[i])
		}
		out.Nested(1, dim)
	}
	return out
}
