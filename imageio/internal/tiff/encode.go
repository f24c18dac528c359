package tiff

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
	"math"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// Layout is what written pages have in common. Samples are little endian, those of a pixel together.
type Layout struct {
	Type          volume.Type
	Width, Height int
	Comps         int // samples of a pixel; 3 bytes are colours
	Pages         int
	Text          string // of the first page's description, ASCII
}

// Encode writes a file whose page i has the bytes that page returns. Files that may grow beyond 4 GB are BigTIFF.
func Encode(w io.Writer, l Layout, page func(i int) ([]byte, error)) error {
	e := &encoder{w: w, l: l, offset: 4, count: 2}
	if float64(l.Width)*float64(l.Height)*float64(l.Comps*l.Type.Size())*float64(l.Pages) > 3.9e9 {
		e.offset, e.count = 8, 8
	}
	next, err := e.compressed(page, 0)
	if err != nil {
		return err
	}
	head := []byte("II*\x00")
	if e.offset == 8 {
		head = []byte("II+\x00\x08\x00\x00\x00")
	}
	head = e.number(head, uint64(len(head)+e.offset+len(next)), e.offset)
	if err := e.write(head); err != nil {
		return err
	}
	for i := range l.Pages {
		data := next
		if i+1 < l.Pages {
			if next, err = e.compressed(page, i+1); err != nil {
				return err
			}
		}
		at := e.at
		if err := e.write(data); err != nil {
			return err
		}
		if err := e.write(e.directory(i, at, len(data), len(next))); err != nil {
			return err
		}
	}
	return nil
}

type encoder struct {
	w             io.Writer
	l             Layout
	at            int64
	offset, count int // bytes of an offset, and of a directory's count
}

func (e *encoder) write(b []byte) error {
	n, err := e.w.Write(b)
	e.at += int64(n)
	return err
}

func (e *encoder) number(b []byte, v uint64, width int) []byte {
	switch width {
	case 2:
		return binary.LittleEndian.AppendUint16(b, uint16(v))
	case 4:
		return binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return binary.LittleEndian.AppendUint64(b, v)
}

// compressed returns a page's strip, of an even number of bytes so that directories are aligned.
func (e *encoder) compressed(page func(int) ([]byte, error), i int) ([]byte, error) {
	raw, err := page(i)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z, err := zlib.NewWriterLevel(&b, 3)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(raw); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	if b.Len()%2 == 1 {
		b.WriteByte(0)
	}
	return b.Bytes(), nil
}

// directory lists a page's tags in the order of their numbers, with the values that do not fit an entry behind.
func (e *encoder) directory(i int, at int64, size, following int) []byte {
	type entry struct {
		tag, kind int
		values    []uint64
	}
	form := uint64(1)
	switch e.l.Type {
	case volume.Float32:
		form = 3
	case volume.Int16, volume.Int32:
		form = 2
	}
	photometric := uint64(1)
	if e.l.Comps == 3 && e.l.Type == volume.Uint8 {
		photometric = 2
	}
	each := func(v uint64) []uint64 {
		out := make([]uint64, e.l.Comps)
		for i := range out {
			out[i] = v
		}
		return out
	}
	one := func(v uint64) []uint64 { return []uint64{v} }
	const short, long = 3, 4
	entries := []entry{
		{tagWidth, long, one(uint64(e.l.Width))},
		{tagHeight, long, one(uint64(e.l.Height))},
		{tagBits, short, each(uint64(8 * e.l.Type.Size()))},
		{tagCompression, short, one(8)},
		{tagPhotometric, short, one(photometric)},
	}
	if i == 0 && e.l.Text != "" {
		var text []uint64
		for _, c := range []byte(e.l.Text + "\x00") {
			text = append(text, uint64(c))
		}
		entries = append(entries, entry{tagDescription, 2, text})
	}
	place := entry{tagStrips, long, one(uint64(at))}
	if e.offset == 8 {
		place.kind = 16
	}
	entries = append(entries, place,
		entry{tagSamples, short, one(uint64(e.l.Comps))}, entry{tagRows, long, one(uint64(e.l.Height))},
		entry{tagCounts, long, one(uint64(min(size, math.MaxUint32)))}, entry{tagPlanar, short, one(1)})
	if photometric == 1 && e.l.Comps > 1 {
		entries = append(entries, entry{338, short, make([]uint64, e.l.Comps-1)}) // extra samples of no stated meaning
	}
	entries = append(entries, entry{tagFormat, short, each(form)})

	b := e.number(nil, uint64(len(entries)), e.count)
	behind := e.at + int64(e.count+len(entries)*(4+2*e.offset)+e.offset)
	var values []byte
	widths := map[int]int{2: 1, short: 2, long: 4, 16: 8}
	for _, t := range entries {
		b = e.number(e.number(b, uint64(t.tag), 2), uint64(t.kind), 2)
		b = e.number(b, uint64(len(t.values)), e.offset)
		var raw []byte
		for _, v := range t.values {
			if widths[t.kind] == 1 {
				raw = append(raw, byte(v))
			} else {
				raw = e.number(raw, v, widths[t.kind])
			}
		}
		if len(raw) <= e.offset {
			b = append(append(b, raw...), make([]byte, e.offset-len(raw))...)
			continue
		}
		b = e.number(b, uint64(behind)+uint64(len(values)), e.offset)
		values = append(values, raw...)
		if len(values)%2 == 1 {
			values = append(values, 0)
		}
	}
	next := uint64(0)
	if i+1 < e.l.Pages {
		next = uint64(behind) + uint64(len(values)) + uint64(following)
	}
	return append(e.number(b, next, e.offset), values...)
}
