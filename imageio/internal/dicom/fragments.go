package dicom

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// assemble finds which fragments make which frame (PS3.5, A.4).
func (p *Pixels) assemble() error {
	table, fragments, err := p.fragments()
	if err != nil {
		return err
	}
	switch {
	case len(fragments) == 0:
		return p.file.want("pixel data", "fragments", "none")
	case p.Frames == 1:
		p.frames = [][]span{fragments}
		return nil
	case len(fragments) == p.Frames:
		p.frames = make([][]span, p.Frames)
		for i := range fragments {
			p.frames[i] = fragments[i : i+1]
		}
		return nil
	case len(fragments) < p.Frames:
		e := p.file.fault("pixel data", volume.ErrTruncated)
		e.Want, e.Got = fmt.Sprintf("%d frames", p.Frames), fmt.Sprintf("%d fragments", len(fragments))
		return e
	}
	if p.byOffsets(table, fragments) || p.byOffsets(p.extendedTable(), fragments) {
		return nil
	}
	return p.byMarkers(fragments)
}

// fragments walks the items of encapsulated pixel data. The first is the Basic Offset Table.
func (p *Pixels) fragments() (table []int64, fragments []span, err error) {
	at := p.start
	end := p.start + p.available()
	c := p.file.syntax.coding
	for first := true; ; first = false {
		var b [8]byte
		if end-at < 8 {
			if len(fragments) > 0 && p.Frames <= len(fragments) {
				p.file.warnings = append(p.file.warnings, "the pixel data have no end")
				return table, fragments, nil
			}
			return nil, nil, p.file.element(int(at), errShort)
		}
		if _, err := p.at.ReadAt(b[:], at); err != nil {
			return nil, nil, p.file.element(int(at), errShort)
		}
		h, err := c.header(b[:], 0)
		if err != nil {
			return nil, nil, err
		}
		if h.tag == tagSequenceEnd {
			return table, fragments, nil
		}
		if h.tag != tagItem {
			return nil, nil, p.file.want("pixel data", "items", h.tag.String())
		}
		n := int64(h.length)
		if n > end-at-8 {
			e := p.file.fault("pixel data", volume.ErrTruncated)
			e.Offset, e.Want, e.Got = at, fmt.Sprintf("a fragment of %d bytes", n), strconv.FormatInt(end-at-8, 10)
			return nil, nil, e
		}
		if first {
			if table, err = p.offsets(span{at + 8, n}); err != nil {
				return nil, nil, err
			}
		} else {
			fragments = append(fragments, span{at + 8, n})
		}
		at += 8 + n
	}
}

func (p *Pixels) offsets(s span) ([]int64, error) {
	if s.n == 0 {
		return nil, nil
	}
	b, err := p.read(s)
	if err != nil {
		return nil, err
	}
	table := make([]int64, len(b)/4)
	for i := range table {
		table[i] = int64(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return table, nil
}

func (p *Pixels) extendedTable() []int64 {
	e := p.file.Set.Get(tagExtendedOffsets)
	if len(e.Value)/8 != p.Frames {
		return nil
	}
	table := make([]int64, p.Frames)
	for i := range table {
		table[i] = int64(binary.LittleEndian.Uint64(e.Value[8*i:]))
	}
	return table
}

// byOffsets groups fragments by a table that says where frames start, counted from the first fragment's item.
func (p *Pixels) byOffsets(table []int64, fragments []span) bool {
	if len(table) != p.Frames {
		return false
	}
	frames := make([][]span, 0, p.Frames)
	origin, from := fragments[0].at-8, 0
	for i := range table {
		to := len(fragments)
		if i+1 < len(table) {
			for to = from; to < len(fragments) && fragments[to].at-8-origin < table[i+1]; {
				to++
			}
		}
		if to == from || fragments[from].at-8-origin != table[i] {
			return false
		}
		frames = append(frames, fragments[from:to])
		from = to
	}
	p.frames = frames
	return true
}

// byMarkers groups fragments by the marker that starts a JPEG, JPEG-LS or JPEG 2000 image.
func (p *Pixels) byMarkers(fragments []span) error {
	var frames [][]span
	from := 0
	for i, f := range fragments {
		var b [4]byte
		if f.n < 4 {
			continue
		}
		if _, err := p.at.ReadAt(b[:], f.at); err != nil {
			return p.file.element(int(f.at), errShort)
		}
		starts := b[0] == 0xFF && (b[1] == 0xD8 || b[1] == 0x4F) && b[2] == 0xFF
		if starts && i > from {
			frames = append(frames, fragments[from:i])
			from = i
		}
	}
	frames = append(frames, fragments[from:])
	if len(frames) != p.Frames {
		return p.file.want("pixel data", fmt.Sprintf("%d frames", p.Frames), fmt.Sprintf("%d fragments that begin %d frames", len(fragments), len(frames)))
	}
	p.frames = frames
	return nil
}

// encapsulated decodes one frame of fragments.
func (p *Pixels) encapsulated(i int) ([]byte, error) {
	data, err := p.join(p.frames[i])
	if err != nil {
		return nil, err
	}
	b, err := p.decode(data)
	if err != nil {
		if e, ok := err.(*volume.FormatError); ok { //nolint:errorlint // codecs return it bare
			return nil, e
		}
		e := p.file.fault("pixel data", volume.ErrCorrupt)
		e.Got = fmt.Sprintf("frame %d of %s: %v", i, p.file.syntax.name, err)
		return nil, e
	}
	return b, nil
}

// join reads the fragments of one frame as one run of bytes.
func (p *Pixels) join(spans []span) ([]byte, error) {
	total := int64(0)
	for _, s := range spans {
		total += s.n
	}
	if int64(cap(p.buf)) < total {
		p.buf = make([]byte, total)
	}
	b := p.buf[:0]
	for _, s := range spans {
		if _, err := p.at.ReadAt(b[len(b):int64(len(b))+s.n], s.at); err != nil {
			return nil, p.file.element(int(s.at), errShort)
		}
		b = b[:int64(len(b))+s.n]
	}
	return b, nil
}
