// Package nrrd reads and writes NRRD files, with their samples attached or in files of their own.
//
// The format is that of teem's specification (teem.sourceforge.net/nrrd/format.html, versions 1 to 5); where it
// leaves room the rules are ITK's and Slicer's.
package nrrd

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

const format = "nrrd"

// most is how long a header may be.
const most = 1 << 20

// Is reports whether a file that begins with head is NRRD.
func Is(head []byte) bool { return bytes.HasPrefix(head, []byte("NRRD")) }

// header is a header's lines by field, names in lower case without spaces.
type header struct {
	field map[string]string
	files []string // the lines behind "data file: LIST"
	size  int64    // bytes up to and with the empty line
	end   bool     // the file ends with the header
}

// Parse reads a header from its first byte. Errors are *volume.FormatError without a path.
func Parse(r io.Reader, w volume.Where) (*volume.Header, error) {
	lines, err := read(r)
	if err != nil {
		return nil, err
	}
	h := &volume.Header{Format: format, Slope: 1}
	if h.Type, err = sampleType(lines.field["type"]); err != nil {
		return nil, err
	}
	axes, err := parseAxes(lines.field)
	if err != nil {
		return nil, err
	}
	order, err := geometry(h, lines.field, axes)
	if err != nil {
		return nil, err
	}
	if err := endian(h, lines.field); err != nil {
		return nil, err
	}
	if err := samples(h, lines, axes, w); err != nil {
		return nil, err
	}
	arrange(h, axes, order)
	return h, nil
}

func bad(field, want, got string) error {
	if len(got) > 80 {
		got = got[:80] + "..."
	}
	return &volume.FormatError{Format: format, Field: field, Want: want, Got: strconv.Quote(got), Err: volume.ErrCorrupt}
}

// read takes the lines of a header apart. Comments and key/value pairs, which may name the patient, are passed over.
func read(r io.Reader) (*header, error) {
	text := bufio.NewReaderSize(io.LimitReader(r, most), 1<<12)
	h := &header{field: map[string]string{}}
	for n := 0; ; n++ {
		line, err := text.ReadString('\n')
		h.size += int64(len(line))
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		h.end = errors.Is(err, io.EOF)
		if h.size >= most {
			return nil, &volume.FormatError{Format: format, Field: "header", Want: "an empty line within the first MB", Got: "none", Err: volume.ErrTooLarge}
		}
		line = strings.TrimRight(line, "\r\n")
		switch {
		case n == 0:
			if len(line) != 8 || !strings.HasPrefix(line, "NRRD000") || line[7] < '1' || line[7] > '5' {
				return nil, &volume.FormatError{Format: format, Field: "magic", Want: "NRRD0001 to NRRD0005", Got: strconv.Quote(line[:min(len(line), 16)]), Err: volume.ErrUnsupported}
			}
		case line == "":
			return h, nil
		case h.files != nil:
			h.files = append(h.files, line)
		case !strings.HasPrefix(line, "#"):
			if err := h.add(line); err != nil {
				return nil, err
			}
		}
		if h.end {
			return h, nil
		}
	}
}

func (h *header) add(line string) error {
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		return bad("header", "lines of field: value", "a line without a colon")
	}
	if strings.HasPrefix(value, "=") {
		return nil
	}
	name = strings.ToLower(strings.ReplaceAll(strings.TrimSpace(name), " ", ""))
	switch name {
	case "datafile":
		if strings.HasPrefix(strings.TrimSpace(value), "LIST") {
			h.files = []string{}
		}
	case "centerings":
		name = "centers"
	}
	h.field[name] = strings.TrimSpace(value)
	return nil
}

func sampleType(name string) (volume.Type, error) {
	switch strings.ToLower(name) {
	case "signed char", "int8", "int8_t":
		return volume.Int8, nil
	case "uchar", "unsigned char", "uint8", "uint8_t":
		return volume.Uint8, nil
	case "short", "short int", "signed short", "signed short int", "int16", "int16_t":
		return volume.Int16, nil
	case "ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t":
		return volume.Uint16, nil
	case "int", "signed int", "int32", "int32_t":
		return volume.Int32, nil
	case "uint", "unsigned int", "uint32", "uint32_t":
		return volume.Uint32, nil
	case "longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t":
		return volume.Int64, nil
	case "ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t":
		return volume.Uint64, nil
	case "float":
		return volume.Float32, nil
	case "double":
		return volume.Float64, nil
	case "block":
		return 0, &volume.FormatError{Format: format, Field: "type", Want: "a type of numbers", Got: "block", Err: volume.ErrUnsupported}
	}
	return 0, bad("type", "a type of NRRD", name)
}

func encodingOf(name string) (volume.Encoding, error) {
	switch strings.ToLower(name) {
	case "raw":
		return volume.Raw, nil
	case "txt", "text", "ascii":
		return volume.ASCII, nil
	case "hex":
		return volume.Hex, nil
	case "gz", "gzip":
		return volume.Deflate, nil
	case "bz2", "bzip2":
		return volume.Bzip2, nil
	}
	return 0, bad("encoding", "raw, ascii, hex, gzip or bzip2", name)
}

func endian(h *volume.Header, field map[string]string) error {
	encoding, err := encodingOf(field["encoding"])
	if err != nil {
		return err
	}
	if h.Type.Size() == 1 || encoding == volume.ASCII {
		return nil
	}
	switch strings.ToLower(field["endian"]) {
	case "little":
	case "big":
		h.Big = true
	default:
		return bad("endian", "little or big", field["endian"])
	}
	return nil
}

// samples finds the files.
func samples(h *volume.Header, lines *header, axes []axis, w volume.Where) error {
	encoding, err := encodingOf(lines.field["encoding"])
	if err != nil {
		return err
	}
	parts := &volume.Parts{Encoding: encoding, Type: h.Type, IgnoreSums: w.IgnoreSums}
	part, err := skips(lines.field, encoding)
	if err != nil {
		return err
	}
	whole := volume.Header{Type: h.Type, Shape: sizes(axes)}
	need, ok := whole.Bytes()
	if !ok {
		return &volume.FormatError{Format: format, Field: "sizes", Want: "sizes that fit a memory", Got: fmt.Sprint(sizes(axes)), Err: volume.ErrTooLarge}
	}
	parts.Share = need
	spec, detached := lines.field["datafile"]
	if !detached {
		if lines.end {
			return &volume.FormatError{Format: format, Field: "header", Want: "an empty line and the samples behind it", Got: "the end of the file", Err: volume.ErrTruncated}
		}
		part.Path, part.Attached, part.Offset = w.Path, true, lines.size
		parts.Files = []volume.Part{part}
		h.Source = parts
		return nil
	}
	names, dims, err := fileNames(spec, lines.files, axes, w)
	if err != nil {
		return err
	}
	if parts.Share, err = share(axes, dims, len(names), h.Type.Size()); err != nil {
		return err
	}
	for _, name := range names {
		part.Path = name
		parts.Files = append(parts.Files, part)
	}
	h.Source = parts
	return nil
}

func skips(field map[string]string, encoding volume.Encoding) (volume.Part, error) {
	var part volume.Part
	for _, f := range []struct {
		name  string
		least int64
		set   func(int64)
	}{
		{"lineskip", 0, func(n int64) { part.Lines = int(n) }},
		{"byteskip", -1, func(n int64) { part.Skip = n }},
	} {
		text, ok := field[f.name]
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < f.least {
			return part, bad(f.name, fmt.Sprintf("a number from %d", f.least), text)
		}
		f.set(n)
	}
	if part.Skip == volume.Tail && encoding != volume.Raw && encoding != volume.Deflate {
		return part, bad("byte skip", "-1 only with raw or gzip encoding", field["encoding"])
	}
	return part, nil
}

// fileNames returns the data files in order and the number of axes that each of them holds, 0 where all hold
// the whole together along the slowest axis.
func fileNames(spec string, list []string, axes []axis, w volume.Where) ([]string, int, error) {
	words := strings.Fields(spec)
	if len(words) == 0 {
		return nil, 0, bad("data file", "a file's name", spec)
	}
	limit := 1
	for _, a := range axes {
		limit = min(limit*a.size, 1<<20)
	}
	switch {
	case list != nil:
		if len(list) == 0 || len(list) > limit {
			return nil, 0, bad("data file", fmt.Sprintf("1 to %d files behind LIST", limit), strconv.Itoa(len(list)))
		}
		dims, err := subdim(words[1:])
		if err != nil {
			return nil, 0, err
		}
		names := make([]string, len(list))
		for i, name := range list {
			if names[i], err = volume.Beside(format, w.Path, name, w.Outside); err != nil {
				return nil, 0, err
			}
		}
		return names, dims, nil
	case len(words) >= 4 && strings.Contains(words[0], "%"):
		dims, err := subdim(words[4:])
		if err != nil {
			return nil, 0, err
		}
		names, err := volume.Pattern(format, w.Path, words[:4], limit, w.Outside)
		return names, dims, err
	}
	name, err := volume.Beside(format, w.Path, spec, w.Outside)
	return []string{name}, 0, err
}

func subdim(words []string) (int, error) {
	if len(words) == 0 {
		return 0, nil
	}
	n, err := strconv.Atoi(words[0])
	if err != nil || n < 1 || n > 16 {
		return 0, bad("data file", "a number of axes", words[0])
	}
	return n, nil
}

// share returns the bytes in each of n files.
func share(axes []axis, dims, n, size int) (int64, error) {
	whole := int64(size)
	inOne := int64(size)
	for i, a := range axes {
		whole *= int64(a.size) // whole was checked before
		if dims > 0 && i < dims {
			inOne *= int64(a.size)
		}
	}
	if dims == 0 {
		inOne = whole / int64(n)
	}
	if inOne*int64(n) != whole {
		return 0, bad("data file", "files that hold the samples in equal shares", fmt.Sprintf("%d files", n))
	}
	return inOne, nil
}

// Detached reports whether a path is named as a header without samples is.
func Detached(path string) bool { return strings.EqualFold(filepath.Ext(path), ".nhdr") }
