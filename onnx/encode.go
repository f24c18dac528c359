package onnx

import (
	"maps"
	"slices"

	"github.com/nitrain/nitrain/onnx/internal/pb"
)

// encoder turns a model back into bytes. What was read is compared with what the file says, message by
// message; a message that did not change is copied as a range of its source, of one that did only the
// changed fields are written anew, in the place of the old ones.
type encoder struct {
	// data says where the external data of a changed or moved tensor lies now.
	data map[origin]location
	// inline takes external data into the message.
	inline bool

	readers map[*pb.Source]*pb.Reader
}

func newEncoder() *encoder {
	return &encoder{data: map[origin]location{}, readers: map[*pb.Source]*pb.Reader{}}
}

// reader returns the one Reader of a source, whose buffer serves message after message.
func (e *encoder) reader(src *pb.Source) *pb.Reader {
	r := e.readers[src]
	if r == nil {
		r = pb.NewReader(src)
		e.readers[src] = r
	}
	return r
}

// edits is what changes in a message: per field number.
type edits map[int]edit

// edit writes a field anew. Either all writes every record of the field, in the place of the first old one
// or at the message's end, or each writes the i-th record in its place.
type edit struct {
	all  func(out *pb.Message) error
	each func(i int, rec pb.Record, out *pb.Message) error
}

// rewrite returns the message at from with the edits.
func (e *encoder) rewrite(from origin, ed edits) (*pb.Message, error) {
	out := &pb.Message{}
	if len(ed) == 0 {
		out.Copy(from.src, from.body)
		return out, nil
	}
	count := map[int]int{}
	for rec, err := range e.reader(from.src).Records(from.body) {
		if err != nil {
			return nil, err
		}
		x, ok := ed[rec.Num]
		switch i := count[rec.Num]; {
		case !ok:
			out.Copy(from.src, rec.Whole)
		case x.each != nil:
			err = x.each(i, rec, out)
		case i == 0:
			err = x.all(out)
		}
		if err != nil {
			return nil, err
		}
		count[rec.Num]++
	}
	for _, num := range slices.Sorted(maps.Keys(ed)) {
		if ed[num].all == nil || count[num] > 0 {
			continue
		}
		if err := ed[num].all(out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// put makes an edit of a function that cannot fail.
func put(f func(out *pb.Message)) edit {
	return edit{all: func(out *pb.Message) error { f(out); return nil }}
}

// text changes a string field.
func (ed edits) text(num int, was, is string) {
	if was != is {
		ed[num] = put(func(out *pb.Message) { text(out, num, is) })
	}
}

// text writes a string field, nothing for an empty string.
func text(out *pb.Message, num int, s string) {
	if s != "" {
		out.String(num, s)
	}
}

// texts changes a repeated string field.
func (ed edits) texts(num int, was, is []string) {
	if !slices.Equal(was, is) {
		ed[num] = put(func(out *pb.Message) { texts(out, num, is) })
	}
}

func texts(out *pb.Message, num int, list []string) {
	for _, s := range list {
		out.String(num, s)
	}
}

// int changes an integer field.
func (ed edits) int(num int, was, is int64) {
	if was != is {
		ed[num] = put(func(out *pb.Message) { out.Varint(num, uint64(is)) })
	}
}

// pairs changes a map that is stored as a list of entries.
func (ed edits) pairs(num int, was, is map[string]string) {
	if !maps.Equal(was, is) {
		ed[num] = put(func(out *pb.Message) { pairs(out, num, is) })
	}
}

func pairs(out *pb.Message, num int, m map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out.Nested(num, pair(entry{k, m[k]}))
	}
}

func pair(e entry) *pb.Message {
	out := &pb.Message{}
	out.String(1, e.key)
	out.String(2, e.value)
	return out
}

// item is a message of a repeated field: where it was read from, and what it is now.
type item struct {
	from   origin
	encode func() (*pb.Message, error)
}

// list changes a repeated message field whose records were old. While the same messages are there in the
// same order, each stays in its place.
func (ed edits) list(num int, src *pb.Source, old []pb.Record, items []item) {
	if len(old) == 0 && len(items) == 0 {
		return
	}
	same := len(old) == len(items)
	known := make(map[origin]pb.Record, len(old))
	for i, rec := range old {
		o := origin{src, rec.Body}
		known[o] = rec
		same = same && items[i].from == o
	}
	if same {
		ed[num] = edit{each: func(i int, rec pb.Record, out *pb.Message) error {
			body, err := items[i].encode()
			if err == nil {
				out.Replace(src, rec, body)
			}
			return err
		}}
		return
	}
	ed[num] = edit{all: func(out *pb.Message) error {
		for _, it := range items {
			body, err := it.encode()
			if err != nil {
				return err
			}
			if rec, ok := known[it.from]; ok {
				out.Replace(src, rec, body)
				continue
			}
			out.Nested(num, body)
		}
		return nil
	}}
}

// records returns the records of a message by field.
func (e *encoder) records(from origin) (map[int][]pb.Record, error) {
	out := map[int][]pb.Record{}
	for rec, err := range e.reader(from.src).Records(from.body) {
		if err != nil {
			return nil, err
		}
		out[rec.Num] = append(out[rec.Num], rec)
	}
	return out, nil
}

// reparse returns a parser that reads a message again without the graphs in it.
func (e *encoder) reparse(from origin) *parser {
	p := newParser(from.src, nil)
	p.r, p.shallow = e.reader(from.src), true
	return p
}

func (o origin) record() pb.Record {
	return pb.Record{Type: 2, Body: o.body, Whole: o.body}
}
