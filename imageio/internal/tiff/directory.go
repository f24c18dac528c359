// Package tiff reads and writes TIFF and BigTIFF files of grey values, colours and numbers, one page or a stack of them.
//
// The format is Adobe's TIFF 6.0 with Technical Notes 1 to 3 and BigTIFF's wider offsets.
package tiff

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

const format = "tiff"

// Is reports whether a file that begins with head is a TIFF.
func Is(head []byte) bool {
	if len(head) < 8 {
		return false
	}
	switch string(head[:4]) {
	case "II*\x00", "MM\x00*", "II+\x00", "MM\x00+":
		return true
	}
	return false
}

// tags that are read.
const (
	tagSubfile, tagWidth, tagHeight, tagBits, tagCompression, tagPhotometric = 254, 256, 257, 258, 259, 262
	tagFillOrder, tagDescription, tagStrips, tagOrientation, tagSamples      = 266, 270, 273, 274, 277
	tagRows, tagCounts, tagPlanar, tagPredictor, tagTileWidth, tagTileHeight = 278, 279, 284, 317, 322, 323
	tagTiles, tagTileCounts, tagFormat                                       = 324, 325, 339
)

// most are how many pages a file may have and how many values are kept of a tag.
const (
	mostPages  = 1 << 16
	mostValues = 1 << 22
)

// file is an open TIFF.
type file struct {
	r     io.ReaderAt
	size  int64
	order binary.ByteOrder
	big   bool  // big endian
	wide  bool  // BigTIFF
	used  int64 // bytes of directories and values read so far
}

// directory holds the numbers of a page's tags.
type directory map[int][]uint64

func bad(field, want, got string) error {
	return &volume.FormatError{Format: format, Field: field, Want: want, Got: got, Err: volume.ErrCorrupt}
}

func unsupported(field, want, got string) error {
	return &volume.FormatError{Format: format, Field: field, Want: want, Got: got, Err: volume.ErrUnsupported}
}

// one returns a tag's first number, or what it is without the tag.
func (d directory) one(tag int, without uint64) uint64 {
	if v := d[tag]; len(v) > 0 {
		return v[0]
	}
	return without
}

func (f *file) bytes(at int64, n int) ([]byte, error) {
	if at < 0 || n < 0 || at > f.size-int64(n) {
		return nil, &volume.FormatError{Format: format, Field: "directory", Offset: at, Want: fmt.Sprintf("%d bytes", n), Got: "the end of the file", Err: volume.ErrTruncated}
	}
	if f.used += int64(n); f.used > 2*f.size+1<<10 {
		return nil, bad("directory", "values of their own for each tag", "the same bytes again and again")
	}
	b := make([]byte, n)
	if _, err := f.r.ReadAt(b, at); err != nil && err != io.EOF {
		return nil, err
	}
	return b, nil
}

// open reads the first bytes and returns the place of the first directory.
func open(r io.ReaderAt, size int64) (*file, int64, error) {
	f := &file{r: r, size: size, order: binary.LittleEndian}
	head, err := f.bytes(0, 8)
	if err != nil {
		return nil, 0, err
	}
	if head[0] == 'M' {
		f.order, f.big = binary.BigEndian, true
	}
	if f.order.Uint16(head[2:]) == 42 {
		return f, int64(f.order.Uint32(head[4:])), nil
	}
	f.wide = true
	rest, err := f.bytes(8, 8)
	if err != nil {
		return nil, 0, err
	}
	return f, int64(f.order.Uint64(rest)), nil
}

// widths are the bytes of a count, of an entry, and of an offset.
func (f *file) widths() (count, entry, offset int) {
	if f.wide {
		return 8, 20, 8
	}
	return 2, 12, 4
}

func (f *file) number(b []byte, width int) uint64 {
	switch width {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(f.order.Uint16(b))
	case 4:
		return uint64(f.order.Uint32(b))
	}
	return f.order.Uint64(b)
}

// directory reads the tags of a page and the place of the next one.
func (f *file) directory(at int64) (directory, int64, error) {
	count, entry, offset := f.widths()
	b, err := f.bytes(at, count)
	if err != nil {
		return nil, 0, err
	}
	n := f.number(b, count)
	if n > 4096 {
		return nil, 0, bad("directory", "at most 4096 tags", strconv.FormatUint(n, 10))
	}
	b, err = f.bytes(at+int64(count), int(n)*entry+offset)
	if err != nil {
		return nil, 0, err
	}
	d := directory{}
	for range n {
		if err := f.tag(d, b[:entry], offset); err != nil {
			return nil, 0, err
		}
		b = b[entry:]
	}
	next := f.number(b, offset)
	if next > math.MaxInt64 {
		return nil, 0, bad("directory", "a place in the file", strconv.FormatUint(next, 10))
	}
	return d, int64(next), nil
}

// tag keeps the numbers of the tags that are read.
func (f *file) tag(d directory, entry []byte, offset int) error {
	tag := int(f.order.Uint16(entry))
	switch tag {
	case tagSubfile, tagWidth, tagHeight, tagBits, tagCompression, tagPhotometric, tagFillOrder, tagDescription, tagStrips, tagOrientation,
		tagSamples, tagRows, tagCounts, tagPlanar, tagPredictor, tagTileWidth, tagTileHeight, tagTiles, tagTileCounts, tagFormat:
	default:
		return nil
	}
	width := 0
	switch f.order.Uint16(entry[2:]) {
	case 1, 2, 6, 7:
		width = 1
	case 3, 8:
		width = 2
	case 4, 9, 13:
		width = 4
	case 16, 17, 18:
		width = 8
	default:
		return nil
	}
	count := f.number(entry[4:], offset)
	if _, twice := d[tag]; twice || tag == tagDescription && count > 1<<16 {
		return nil
	}
	if count > mostValues || int64(count)*int64(width) > f.size {
		return bad(fmt.Sprintf("tag %d", tag), "as many values as fit the file", strconv.FormatUint(count, 10))
	}
	value := entry[4+offset:]
	if n := int(count) * width; n > offset {
		var err error
		if value, err = f.bytes(int64(f.number(value, offset)), n); err != nil {
			return err
		}
	}
	values := make([]uint64, count)
	for i := range values {
		values[i] = f.number(value[i*width:], width)
	}
	d[tag] = values
	return nil
}
