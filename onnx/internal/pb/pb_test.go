package pb

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// FuzzRecords walks arbitrary bytes: no panic, and the records fill the message without gaps. What protowire
// itself accepts is accepted, and nothing else.
func FuzzRecords(f *testing.F) {
	f.Add([]byte("\x08\x96\x01\x12\x03abc\x1d\x00\x00\x80\x3f\x21\x00\x00\x00\x00\x00\x00\xf0\x3f"))
	f.Add([]byte("\x0b\x08\x01\x13\x14\x0c"))
	f.Fuzz(func(t *testing.T, data []byte) {
		src := NewSource(bytes.NewReader(data), int64(len(data)))
		at, walked := int64(0), error(nil)
		var out Message
		for rec, err := range NewReader(src).Records(src.All()) {
			if err != nil {
				walked = err
				break
			}
			if rec.Whole.Off != at || rec.Body.Off < at || rec.Body.End() > rec.Whole.End() {
				t.Fatalf("record %+v at %d", rec, at)
			}
			at = rec.Whole.End()
			out.Copy(src, rec.Whole)
		}
		if walked != nil {
			if !errors.Is(walked, ErrMalformed) {
				t.Fatal(walked)
			}
			return
		}
		rest := data
		for len(rest) > 0 {
			_, _, n := protowire.ConsumeField(rest)
			if n < 0 {
				t.Fatalf("protowire refuses what was accepted: %v", protowire.ParseError(n))
			}
			rest = rest[n:]
		}
		if !out.Verbatim(src, src.All()) {
			t.Fatal("copies of all records are not the message")
		}
	})
}

// TestLargeMessages walks a message that is longer than the window, with fields across its borders.
func TestLargeMessages(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var data []byte
	var want [][]byte
	for len(data) < 5*window {
		b := make([]byte, r.IntN(3000))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		if r.IntN(20) == 0 {
			b = bytes.Repeat(b, 30)
		}
		want = append(want, b)
		data = protowire.AppendBytes(protowire.AppendTag(data, 3, protowire.BytesType), b)
	}
	rd := NewReader(NewSource(bytes.NewReader(data), int64(len(data))))
	i := 0
	for rec, err := range rd.Records(rd.Source().All()) {
		if err != nil {
			t.Fatal(err)
		}
		if got, err := rd.Bytes(rec.Body); err != nil || !bytes.Equal(got, want[i]) {
			t.Fatalf("record %d differs: %v", i, err)
		}
		i++
	}
	if i != len(want) {
		t.Errorf("want %d records, got %d", len(want), i)
	}
}

func TestMessageParts(t *testing.T) {
	src := NewSource(bytes.NewReader([]byte("0123456789")), 10)
	var inner, m Message
	inner.Varint(1, 300)
	inner.Bytes(2, []byte("shared"))
	inner.String(3, "own")
	m.Copy(src, Span{2, 3})
	m.Nested(4, &inner)
	m.Later(5, 2, func() ([]byte, error) { return []byte("zz"), nil })
	m.Fixed32(6, 1)
	m.Fixed64(7, 2)
	m.Copy(src, Span{5, 1})
	m.Copy(src, Span{6, 2})
	want := "234\x22\x10\x08\xac\x02\x12\x06shared\x1a\x03own\x2a\x02zz\x35\x01\x00\x00\x00\x39\x02\x00\x00\x00\x00\x00\x00\x00567"
	var out bytes.Buffer
	if n, err := m.WriteTo(&out); err != nil || n != m.Len() || out.String() != want {
		t.Errorf("got %q (%d of %d bytes, %v)", out.String(), n, m.Len(), err)
	}
	m.Later(8, 3, func() ([]byte, error) { return []byte("zz"), nil })
	if _, err := m.WriteTo(&out); err == nil {
		t.Error("fewer bytes than announced: want an error")
	}
}
