// Package dicom reads DICOM files (PS3.3, PS3.5, PS3.10) and makes volumes of series, and writes segmentations.
//
// Elements are read by its own parser, which keeps the encoded bytes, walks them on each look-up and reads no
// further than the pixel data: no length in a file leads to memory before it is held against the file.
package dicom

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

const (
	firstRead = 8 << 10
	// maxHeader limits what stands before the pixel data in a compressed file, whose size is not known before
	// it is inflated.
	maxHeader = 64 << 20
)

// File is a DICOM file whose elements up to the pixel data have been read.
type File struct {
	Path string
	Set  Set

	syntax     syntax
	size       int64 // of the uncompressed file; -1 where that is not known
	gzipped    bool
	ignoreSums bool
	deflateAt  int64 // where a deflated data set starts, 0 without one
	pixels     header
	hasPixels  bool
	warnings   []string
}

// Is reports whether bytes that start a file are those of a DICOM file with its preamble.
func Is(head []byte) bool { return len(head) >= 132 && string(head[128:132]) == "DICM" }

// source gives the bytes of a file in order.
type source struct {
	io.Reader
	buf   []byte
	limit int64 // of what buf may hold
	ended bool
}

// need makes buf at least n bytes long, or as long as the file.
func (s *source) need(n int64) error {
	if n > s.limit {
		n = s.limit
	}
	for int64(len(s.buf)) < n && !s.ended {
		grown := max(2*int64(len(s.buf)), firstRead)
		grown = min(max(grown, min(n, grown+1<<20)), s.limit)
		have := len(s.buf)
		if int64(cap(s.buf)) < grown {
			s.buf = append(make([]byte, 0, grown), s.buf...)
		}
		m, err := io.ReadFull(s.Reader, s.buf[have:grown])
		s.buf = s.buf[:have+m]
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			s.ended = true
		} else if err != nil {
			return err
		}
	}
	return nil
}

// Open reads a file up to its pixel data. Bytes that are no DICOM file give ErrNotThisFormat.
func Open(path string, ignoreSums bool) (*File, error) {
	f := &File{Path: path, ignoreSums: ignoreSums}
	if err := f.open(); err != nil {
		e, ok := errors.AsType[*volume.FormatError](err)
		if !ok {
			if _, ok := errors.AsType[*os.PathError](err); ok {
				return nil, err
			}
			e = f.fault("header", volume.ErrCorrupt)
			e.Got = err.Error()
		}
		e.Path = path
		return nil, e
	}
	return f, nil
}

// fault begins an error about this file.
func (f *File) fault(field string, kind error) *volume.FormatError {
	return &volume.FormatError{Path: f.Path, Format: "dicom", Field: field, Err: kind}
}

func (f *File) open() error {
	file, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	f.size = info.Size()
	s := &source{Reader: file, limit: f.size}
	if err := s.need(firstRead); err != nil {
		return err
	}
	if len(s.buf) > 2 && s.buf[0] == 0x1f && s.buf[1] == 0x8b {
		stream, err := volume.NewStream(io.MultiReader(bytes.NewReader(s.buf), file), f.size, f.ignoreSums)
		if err != nil {
			return damaged(f, err)
		}
		defer stream.Close()
		f.gzipped, f.size = true, -1
		s = &source{Reader: stream, limit: min(maxHeader, stream.Limit())}
		if err := s.need(firstRead); err != nil {
			return damaged(f, err)
		}
	}
	return f.parse(s)
}

// damaged is the error of compressed data that cannot be inflated.
func damaged(f *File, err error) error {
	kind := volume.ErrTruncated
	if volume.IsDamage(err) {
		kind = volume.ErrCorrupt
	}
	e := f.fault("compressed data", kind)
	e.Advice = "copy or download the file again"
	return e
}

func (f *File) parse(s *source) error {
	at, err := f.meta(s)
	if err != nil {
		return err
	}
	if f.syntax.deflated {
		f.deflateAt, f.size = int64(at), -1
		rest := io.MultiReader(bytes.NewReader(s.buf[at:]), s.Reader)
		s = &source{Reader: flate.NewReader(rest), limit: maxHeader}
		at = 0
	}
	start := at
	if err := s.need(int64(at) + 12); err != nil {
		return damaged(f, err)
	}
	f.mislabelled(s.buf, at)
	c := f.syntax.coding
	for {
		if err := s.need(int64(at) + 12); err != nil {
			return damaged(f, err)
		}
		if len(s.buf)-at < 8 {
			break // the end, perhaps with padding
		}
		h, err := c.header(s.buf, at)
		if err != nil {
			return f.element(at, err)
		}
		if h.tag == tagPixels || h.tag == tagFloatPixels || h.tag == tagDoublePixels {
			f.pixels, f.hasPixels = h, true
			break
		}
		if h.tag == tagItemEnd || h.tag == tagSequenceEnd || h.tag == 0 {
			break // padding behind the data set
		}
		next, err := f.extend(s, c, h)
		if err != nil {
			return f.element(at, err)
		}
		at = next
	}
	f.Set = Set{data: s.buf[start:at:at], coding: c}
	return nil
}

// extend reads on until the element is whole and returns where the next one starts.
func (f *File) extend(s *source, c coding, h header) (int, error) {
	for {
		_, next, err := c.extent(s.buf, h, 0)
		if !shortErr(err) {
			return next, err
		}
		have := int64(len(s.buf))
		want := 2 * have
		if !h.undefined() {
			want = int64(h.value) + int64(h.length)
			if f.size >= 0 && want > f.size {
				return 0, err
			}
		}
		if err := s.need(want); err != nil {
			return 0, err
		}
		if int64(len(s.buf)) == have {
			return 0, err
		}
	}
}

func (f *File) element(at int, err error) error {
	kind := volume.ErrCorrupt
	if shortErr(err) {
		kind = volume.ErrTruncated
	}
	e := f.fault("elements", kind)
	e.Offset, e.Got = int64(at), fmt.Sprintf("%v, at byte %d", err, at)
	return e
}

// meta reads the file meta information and returns where the data set starts.
func (f *File) meta(s *source) (int, error) {
	at, uid := 132, ""
	switch {
	case Is(s.buf):
	case len(s.buf) > 8 && s.buf[0] == 2 && s.buf[1] == 0 && s.buf[3] == 0 && s.buf[4] == 'U':
		at = 0 // no preamble
	default:
		return f.sniff(s)
	}
	for {
		if err := s.need(int64(at) + 12); err != nil {
			return 0, damaged(f, err)
		}
		if len(s.buf)-at < 8 || s.buf[at] != 2 || s.buf[at+1] != 0 {
			break
		}
		c := coding{}
		if _, _, ok := vrOf(s.buf[at+4], s.buf[at+5]); !ok {
			c.implicit = true
		}
		h, err := c.header(s.buf, at)
		if err != nil {
			return 0, f.element(at, err)
		}
		next, err := f.extend(s, c, h)
		if err != nil {
			return 0, f.element(at, err)
		}
		if h.tag == tagTransferSyntax {
			uid = trim(s.buf[h.value:next])
		}
		at = next
	}
	if uid == "" {
		return f.guess(s, at)
	}
	var err error
	if f.syntax, err = syntaxOf(uid); err != nil {
		e := f.fault("transfer syntax", volume.ErrUnsupported)
		e.Want, e.Got = "one of the standard's", uid
		return 0, e
	}
	return at, nil
}

// guess finds the coding of a data set that no transfer syntax was named for.
func (f *File) guess(s *source, at int) (int, error) {
	for _, uid := range []string{base + ".1", base, base + ".2"} {
		candidate, err := syntaxOf(uid)
		if err == nil && f.plausible(s.buf, at, candidate.coding) {
			f.syntax = candidate
			f.warnings = append(f.warnings, "no transfer syntax is named: read as "+candidate.name)
			return at, nil
		}
	}
	e := f.fault("transfer syntax", volume.ErrNotThisFormat)
	e.Want, e.Got = "a transfer syntax", "none, and elements that cannot be guessed"
	return 0, e
}

// sniff accepts files without preamble, perhaps behind one stray byte.
func (f *File) sniff(s *source) (int, error) {
	for _, at := range []int{0, 1} {
		if len(s.buf) > at+8 {
			if start, err := f.guess(s, at); err == nil {
				return start, nil
			}
		}
	}
	e := f.fault("header", volume.ErrNotThisFormat)
	e.Want, e.Got = `"DICM" at byte 128, or elements`, "neither"
	return 0, e
}

// plausible reports whether some elements at the start make sense: groups from 0008, ascending tags, lengths
// that fit.
func (f *File) plausible(b []byte, at int, c coding) bool {
	last := Tag(0)
	for n := range 6 {
		h, err := c.header(b, at)
		if err != nil {
			return n > 2 && shortErr(err)
		}
		if h.tag <= last || n == 0 && h.tag>>16 != 8 && h.tag>>16 != 2 || h.tag>>16 > 0x7FE0 {
			return false
		}
		_, next, err := c.extent(b, h, 0)
		if err != nil {
			return n > 2 && shortErr(err) && (f.size < 0 || int64(h.value)+int64(h.length) <= f.size)
		}
		last, at = h.tag, next
	}
	return true
}

// mislabelled finds data sets that are said to have VRs and have none: some writers label them so.
func (f *File) mislabelled(b []byte, at int) {
	if f.syntax.coding != (coding{}) || len(b)-at < 8 {
		return
	}
	if _, _, ok := vrOf(b[at+4], b[at+5]); ok || !f.plausible(b, at, coding{implicit: true}) {
		return
	}
	f.syntax.coding.implicit = true
	f.warnings = append(f.warnings, "elements have no VR although the transfer syntax says so: read as implicit VR")
}

// Big reports whether native samples are stored in big endian.
func (f *File) Big() bool { return f.syntax.coding.big }
