package onnx

// externalSlots returns the tensors of m whose data is external in the file.
func (m *Model) externalSlots() []externalSlot {
	f := slotFinder{e: newEncoder()}
	m.eachGraph(func(g *Graph) {
		for _, i := range g.Initializers {
			f.initializer(i)
		}
		f.nodes(g.Nodes)
	})
	for _, fn := range m.Functions {
		f.nodes(fn.Nodes)
	}
	return f.slots
}

type slotFinder struct {
	e     *encoder
	slots []externalSlot
}

func (f *slotFinder) add(from origin, old *Tensor, now *Tensor) {
	if old.from.external {
		f.slots = append(f.slots, externalSlot{from, old.from, now})
	}
}

func (f *slotFinder) initializer(i *Initializer) {
	switch {
	case !i.from.known():
	case i.Tensor.unchanged(i.from):
		f.add(i.from, i.Tensor, i.Tensor)
	default:
		if old, _, err := f.e.reparse(i.from).tensor(i.from.record()); err == nil {
			f.add(i.from, old, i.Tensor)
		}
	}
}

func (f *slotFinder) nodes(list []*Node) {
	for _, n := range list {
		for i := range n.Attrs {
			f.attr(&n.Attrs[i])
		}
	}
}

func (f *slotFinder) attr(a *Attr) {
	if !a.from.known() || a.T == nil {
		return
	}
	if t := a.T; t.from != nil && t.from.src == a.from.src && t.from.body.Off > a.from.body.Off && t.from.body.End() <= a.from.body.End() {
		f.add(t.from.origin, t, t)
		return
	}
	if old, err := f.e.reparse(a.from).attr(a.from.record()); err == nil && old.T != nil {
		f.add(old.T.from.origin, old.T, a.T)
	}
}
