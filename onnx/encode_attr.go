package onnx

import (
	"math"
	"slices"

	"github.com/nitrain/nitrain/onnx/internal/pb"
)

func (e *encoder) attrs(list []Attr) []item {
	out := make([]item, len(list))
	for i := range list {
		a := &list[i]
		out[i] = item{a.from, func() (*pb.Message, error) { return e.attr(a) }}
	}
	return out
}

func (e *encoder) attr(a *Attr) (*pb.Message, error) {
	old := Attr{}
	rec := map[int][]pb.Record{}
	if a.from.known() {
		var err error
		if old, err = e.reparse(a.from).attr(a.from.record()); err != nil {
			return nil, err
		}
		if old.T != nil || old.G != nil || old.Tensors != nil || old.Graphs != nil {
			if rec, err = e.records(a.from); err != nil {
				return nil, err
			}
		}
	}
	ed := edits{}
	ed.text(1, old.Name, a.Name)
	if math.Float32bits(old.F) != math.Float32bits(a.F) || a.made(KindFloat) {
		ed[2] = put(func(out *pb.Message) { out.Fixed32(2, math.Float32bits(a.F)) })
	}
	if old.I != a.I || a.made(KindInt) {
		ed[3] = put(func(out *pb.Message) { out.Varint(3, uint64(a.I)) })
	}
	if old.S != a.S || a.made(KindString) {
		ed[4] = put(func(out *pb.Message) { out.String(4, a.S) })
	}
	ed.list(5, a.from.src, rec[5], e.tensors(rec[5], a.from.src, one(a.T)))
	ed.list(6, a.from.src, rec[6], e.graphs(one(a.G)))
	if !slices.EqualFunc(old.Floats, a.Floats, sameBits) {
		ed[7] = put(func(out *pb.Message) {
			for _, f := range a.Floats {
				out.Fixed32(7, math.Float32bits(f))
			}
		})
	}
	if !slices.Equal(old.Ints, a.Ints) {
		ed[8] = put(func(out *pb.Message) {
			for _, v := range a.Ints {
				out.Varint(8, uint64(v))
			}
		})
	}
	ed.texts(9, old.Strings, a.Strings)
	ed.list(10, a.from.src, rec[10], e.tensors(rec[10], a.from.src, a.Tensors))
	ed.list(11, a.from.src, rec[11], e.graphs(a.Graphs))
	ed.int(20, int64(old.Kind), int64(a.Kind))
	ed.text(21, old.Ref, a.Ref)
	return e.write(a.from, ed)
}

func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

// made reports whether the attribute was made in memory with a value of the kind k, which is then written
// even when it is zero.
func (a *Attr) made(k AttrKind) bool { return !a.from.known() && a.Kind == k && a.Ref == "" }

func one[T any](v *T) []*T {
	if v == nil {
		return nil
	}
	return []*T{v}
}

// tensors pairs the i-th tensor with the i-th old record, whose encoding it keeps.
func (e *encoder) tensors(old []pb.Record, src *pb.Source, list []*Tensor) []item {
	out := make([]item, len(list))
	for i, t := range list {
		var from origin
		if i < len(old) {
			from = origin{src, old[i].Body}
		}
		out[i] = item{from, func() (*pb.Message, error) { return e.tensorKeepName(from, t) }}
	}
	return out
}

func (e *encoder) graphs(list []*Graph) []item {
	out := make([]item, len(list))
	for i, g := range list {
		out[i] = item{g.from, func() (*pb.Message, error) { return e.graph(g) }}
	}
	return out
}
