package pb

import (
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// Message is the body of a message to be written: new bytes, ranges of sources and bytes that are loaded
// only while they are written, in order. The zero value is an empty message.
type Message struct {
	parts []part
	n     int64
}

type part struct {
	mem  []byte
	own  bool // mem may be appended to
	src  *Source
	span Span
	load func() ([]byte, error)
}

// Len returns the length in bytes.
func (m *Message) Len() int64 { return m.n }

// Copy appends a range of src as it is.
func (m *Message) Copy(src *Source, at Span) {
	if at.Len == 0 {
		return
	}
	m.n += at.Len
	if k := len(m.parts) - 1; k >= 0 && m.parts[k].src == src && m.parts[k].span.End() == at.Off {
		m.parts[k].span.Len += at.Len
		return
	}
	m.parts = append(m.parts, part{src: src, span: at})
}

// Verbatim reports whether the message is exactly the range at of src.
func (m *Message) Verbatim(src *Source, at Span) bool {
	if len(m.parts) == 0 {
		return at.Len == 0
	}
	return len(m.parts) == 1 && m.parts[0].src == src && m.parts[0].span == at
}

// Append appends another message's bytes, without a tag.
func (m *Message) Append(o *Message) {
	for _, p := range o.parts {
		if p.src != nil {
			m.Copy(p.src, p.span)
			continue
		}
		m.parts = append(m.parts, p)
	}
	m.n = m.n + o.n - o.copied()
}

func (m *Message) copied() (n int64) {
	for _, p := range m.parts {
		if p.src != nil {
			n += p.span.Len
		}
	}
	return n
}

// tail returns the new bytes at the end, to which more may be appended.
func (m *Message) tail() *part {
	if k := len(m.parts) - 1; k >= 0 && m.parts[k].own {
		return &m.parts[k]
	}
	m.parts = append(m.parts, part{own: true})
	return &m.parts[len(m.parts)-1]
}

func (m *Message) add(f func([]byte) []byte) {
	t := m.tail()
	was := len(t.mem)
	t.mem = f(t.mem)
	m.n += int64(len(t.mem) - was)
}

// Varint appends a varint field.
func (m *Message) Varint(num int, v uint64) {
	m.add(func(b []byte) []byte {
		return protowire.AppendVarint(protowire.AppendTag(b, protowire.Number(num), protowire.VarintType), v)
	})
}

// Fixed32 appends a fixed32 field.
func (m *Message) Fixed32(num int, v uint32) {
	m.add(func(b []byte) []byte {
		return protowire.AppendFixed32(protowire.AppendTag(b, protowire.Number(num), protowire.Fixed32Type), v)
	})
}

// Fixed64 appends a fixed64 field.
func (m *Message) Fixed64(num int, v uint64) {
	m.add(func(b []byte) []byte {
		return protowire.AppendFixed64(protowire.AppendTag(b, protowire.Number(num), protowire.Fixed64Type), v)
	})
}

// String appends a string or bytes field.
func (m *Message) String(num int, s string) {
	m.header(num, int64(len(s)))
	m.add(func(b []byte) []byte { return append(b, s...) })
}

// Bytes appends a bytes field that shares b, which must not change until the message is written.
func (m *Message) Bytes(num int, b []byte) {
	m.header(num, int64(len(b)))
	m.parts = append(m.parts, part{mem: b})
	m.n += int64(len(b))
}

// Later appends a bytes field of n bytes that load returns when the message is written.
func (m *Message) Later(num int, n int64, load func() ([]byte, error)) {
	m.header(num, n)
	m.parts = append(m.parts, part{load: load, span: Span{0, n}})
	m.n += n
}

// Nested appends a message field.
func (m *Message) Nested(num int, body *Message) {
	m.header(num, body.n)
	m.Append(body)
}

// Replace appends a message field whose record was rec in src, with a new body. The tag and the length keep
// their bytes where the length is the same; a body that did not change is copied whole.
func (m *Message) Replace(src *Source, rec Record, body *Message) {
	if body.n != rec.Body.Len {
		m.Nested(rec.Num, body)
		return
	}
	m.Copy(src, rec.Header())
	m.Append(body)
}

func (m *Message) header(num int, n int64) {
	m.add(func(b []byte) []byte {
		return protowire.AppendVarint(protowire.AppendTag(b, protowire.Number(num), protowire.BytesType), uint64(n))
	})
}

// WriteTo writes the message. Memory stays constant but for the largest part that is loaded.
func (m *Message) WriteTo(w io.Writer) (int64, error) {
	total := int64(0)
	for _, p := range m.parts {
		n, err := p.writeTo(w)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func (p part) writeTo(w io.Writer) (int64, error) {
	if p.src != nil {
		n, err := io.Copy(w, io.NewSectionReader(p.src.r, p.span.Off, p.span.Len))
		if err == nil && n != p.span.Len {
			err = fmt.Errorf("copy %d bytes at %d: %w", p.span.Len, p.span.Off, io.ErrUnexpectedEOF)
		}
		return n, err
	}
	b := p.mem
	if p.load != nil {
		var err error
		if b, err = p.load(); err != nil {
			return 0, err
		}
		if int64(len(b)) != p.span.Len {
			return 0, fmt.Errorf("want %d bytes, got %d", p.span.Len, len(b))
		}
	}
	n, err := w.Write(b)
	return int64(n), err
}
