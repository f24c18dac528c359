package onnx

import "github.com/nitrain/nitrain/onnx/internal/pb"

func (e *encoder) model(m *Model) (*pb.Message, error) {
	if err := m.intact(); err != nil {
		return nil, err
	}
	old := &Model{}
	rec := map[int][]pb.Record{}
	if m.from.known() {
		old = newSourceModel(m.from.src)
		if err := e.reparse(m.from).model(old); err != nil {
			return nil, err
		}
		var err error
		if rec, err = e.records(m.from); err != nil {
			return nil, err
		}
	}
	ed := edits{}
	ed.int(1, int64(old.IRVersion), int64(m.IRVersion))
	ed.text(2, old.ProducerName, m.ProducerName)
	ed.text(3, old.ProducerVersion, m.ProducerVersion)
	ed.text(4, old.Domain, m.Domain)
	ed.int(5, old.ModelVersion, m.ModelVersion)
	ed.text(6, old.Doc, m.Doc)
	ed.list(7, m.from.src, rec[7], []item{{m.graph.from, func() (*pb.Message, error) { return e.graph(m.graph) }}})
	ed.opsets(8, old.Opsets, m.Opsets)
	ed.entries(14, m.from.src, rec[14], old.metadata, m.metadata)
	ed.list(25, m.from.src, rec[25], e.functions(m.Functions))
	return e.write(m.from, ed)
}

// write rewrites what was read and writes what is new.
func (e *encoder) write(from origin, ed edits) (*pb.Message, error) {
	if !from.known() {
		from.src = pb.NewSource(nil, 0)
	}
	return e.rewrite(from, ed)
}

func (ed edits) opsets(num int, was, is []Opset) {
	same := len(was) == len(is)
	for i := range was {
		same = same && was[i] == is[i]
	}
	if same {
		return
	}
	ed[num] = put(func(out *pb.Message) {
		for _, o := range is {
			body := &pb.Message{}
			body.String(1, o.Domain)
			body.Varint(2, uint64(o.Version))
			out.Nested(num, body)
		}
	})
}

// entries changes a list of StringStringEntryProto; entries that stay keep their bytes.
func (ed edits) entries(num int, src *pb.Source, old []pb.Record, was, is []entry) {
	items := make([]item, len(is))
	next := 0
	for i, now := range is {
		for k := next; k < len(was); k++ {
			if was[k].key == now.key {
				items[i].from = origin{src, old[k].Body}
				next = k + 1
				break
			}
		}
		from, kept := items[i].from, next > 0 && items[i].from.known() && was[next-1] == now
		items[i].encode = func() (*pb.Message, error) {
			if !kept {
				return pair(now), nil
			}
			out := &pb.Message{}
			out.Copy(from.src, from.body)
			return out, nil
		}
	}
	ed.list(num, src, old, items)
}

func (e *encoder) functions(list []*Function) []item {
	out := make([]item, len(list))
	for i, f := range list {
		out[i] = item{f.from, func() (*pb.Message, error) { return e.function(f) }}
	}
	return out
}

func (e *encoder) function(f *Function) (*pb.Message, error) {
	old := &Function{}
	rec := map[int][]pb.Record{}
	if f.from.known() {
		var err error
		if old, err = e.reparse(f.from).function(f.from.record()); err != nil {
			return nil, err
		}
		if rec, err = e.records(f.from); err != nil {
			return nil, err
		}
	}
	ed := edits{}
	ed.text(1, old.Name, f.Name)
	ed.texts(4, old.Inputs, f.Inputs)
	ed.texts(5, old.Outputs, f.Outputs)
	ed.texts(6, old.Attributes, f.Attributes)
	ed.list(7, f.from.src, rec[7], e.nodes(f.Nodes))
	ed.text(8, old.Doc, f.Doc)
	ed.opsets(9, old.Opsets, f.Opsets)
	ed.text(10, old.Domain, f.Domain)
	ed.list(11, f.from.src, rec[11], e.attrs(f.Defaults))
	e.values(ed, 12, f.from.src, rec[12], old.Values, f.Values)
	ed.text(13, old.Overload, f.Overload)
	ed.pairs(14, old.Metadata, f.Metadata)
	return e.write(f.from, ed)
}
