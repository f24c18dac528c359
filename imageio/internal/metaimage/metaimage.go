// Package metaimage reads and writes MetaImage files: .mha, and .mhd with the samples in files of their own.
//
// The format is that of MetaIO as ITK 5 uses it (metaImage.cxx).
package metaimage

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

const format = "metaimage"

// most is how long a header may be.
const most = 1 << 20

// Is reports whether a file that begins with head is a MetaImage: text whose first line is one of its keys.
func Is(head []byte) bool {
	key, _, ok := strings.Cut(string(head), "=")
	first := []string{
		"objecttype", "ndims", "comment", "objectsubtype", "transformtype", "name", "id", "parentid", "binarydata",
		"compresseddata", "modality", "dimsize", "acquisitiondate", "color", "itk_inputfiltername",
	}
	return ok && slices.Contains(first, strings.ToLower(strings.TrimSpace(strings.TrimPrefix(key, "\ufeff"))))
}

// header is a header's keys, in lower case, up to ElementDataFile.
type header struct {
	key   map[string]string
	files []string // the lines behind ElementDataFile = LIST
	size  int64    // bytes up to the end of the line of ElementDataFile
}

// Parse reads a header from its first byte. Errors are *volume.FormatError without a path.
func Parse(r io.Reader, w volume.Where) (*volume.Header, error) {
	lines, err := read(r)
	if err != nil {
		return nil, err
	}
	if t := lines.key["objecttype"]; t != "" && !strings.EqualFold(t, "Image") {
		return nil, &volume.FormatError{Format: format, Field: "ObjectType", Want: "Image", Got: strconv.Quote(short(t)), Err: volume.ErrUnsupported}
	}
	h := &volume.Header{Format: format, Slope: 1, Big: lines.truth("binarydatabyteordermsb", "elementbyteordermsb")}
	if h.Type, err = elementType(lines.key["elementtype"]); err != nil {
		return nil, err
	}
	if err := shape(h, lines); err != nil {
		return nil, err
	}
	if err := geometry(h, lines); err != nil {
		return nil, err
	}
	if err := samples(h, lines, w); err != nil {
		return nil, err
	}
	return h, nil
}

func short(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}

func bad(field, want, got string) error {
	return &volume.FormatError{Format: format, Field: field, Want: want, Got: strconv.Quote(short(got)), Err: volume.ErrCorrupt}
}

func read(r io.Reader) (*header, error) {
	text := bufio.NewReaderSize(io.LimitReader(r, most), 1<<12)
	h := &header{key: map[string]string{}}
	for {
		line, err := text.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		h.size += int64(len(line))
		if h.size >= most {
			return nil, &volume.FormatError{Format: format, Field: "header", Want: "ElementDataFile within the first MB", Got: "none", Err: volume.ErrTooLarge}
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "\ufeff"), "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if ok {
			h.key[name] = value
		}
		if name == "elementdatafile" {
			if strings.HasPrefix(strings.ToUpper(value), "LIST") {
				return h, h.list(text)
			}
			return h, nil
		}
		if err != nil {
			return nil, bad("ElementDataFile", "the last key of the header", "none")
		}
	}
}

func (h *header) list(text *bufio.Reader) error {
	for {
		line, err := text.ReadString('\n')
		if line = strings.TrimSpace(line); line != "" {
			h.files = append(h.files, line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// truth reads the first of the keys that is there.
func (h *header) truth(names ...string) bool {
	for _, n := range names {
		if v := h.key[n]; v != "" {
			return strings.ContainsRune("tTyY1", rune(v[0]))
		}
	}
	return false
}

func elementType(name string) (volume.Type, error) {
	switch strings.TrimSuffix(strings.ToUpper(name), "_ARRAY") {
	case "MET_CHAR", "MET_ASCII_CHAR":
		return volume.Int8, nil
	case "MET_UCHAR":
		return volume.Uint8, nil
	case "MET_SHORT":
		return volume.Int16, nil
	case "MET_USHORT":
		return volume.Uint16, nil
	case "MET_INT", "MET_LONG": // MetaIO counts 4 bytes for a long
		return volume.Int32, nil
	case "MET_UINT", "MET_ULONG":
		return volume.Uint32, nil
	case "MET_LONG_LONG":
		return volume.Int64, nil
	case "MET_ULONG_LONG":
		return volume.Uint64, nil
	case "MET_FLOAT":
		return volume.Float32, nil
	case "MET_DOUBLE":
		return volume.Float64, nil
	}
	return 0, bad("ElementType", "a type of MetaImage", name)
}

func shape(h *volume.Header, lines *header) error {
	n, err := strconv.Atoi(lines.key["ndims"])
	if err != nil || n < 1 || n > 7 {
		return bad("NDims", "1 to 7", lines.key["ndims"])
	}
	words := strings.Fields(lines.key["dimsize"])
	if len(words) < n {
		return bad("DimSize", fmt.Sprintf("%d numbers", n), lines.key["dimsize"])
	}
	for _, w := range words[:n] {
		d, err := strconv.ParseInt(w, 10, 32)
		if err != nil || d < 1 {
			return bad("DimSize", "numbers of 1 to 2147483647", w)
		}
		h.Shape = append(h.Shape, int(d))
	}
	if text := lines.key["elementnumberofchannels"]; text != "" {
		c, err := strconv.ParseInt(text, 10, 32)
		if err != nil || c < 1 {
			return bad("ElementNumberOfChannels", "a number from 1", text)
		}
		if c > 1 {
			h.Comps = int(c)
		}
	}
	if _, ok := h.Bytes(); !ok {
		return &volume.FormatError{Format: format, Field: "DimSize", Want: "sizes that fit a memory", Got: fmt.Sprint(h.Shape), Err: volume.ErrTooLarge}
	}
	return nil
}

// numbers reads the first of the keys that is there as at least n numbers; fallback gives the i-th otherwise.
func (h *header) numbers(n int, fallback func(i int) float64, names ...string) ([]float64, string, error) {
	out := make([]float64, n)
	for i := range out {
		out[i] = fallback(i)
	}
	for _, name := range names {
		text, ok := h.key[name]
		if !ok {
			continue
		}
		words := strings.Fields(text)
		if len(words) < n {
			return nil, name, bad(name, fmt.Sprintf("%d numbers", n), text)
		}
		for i := range out {
			v, err := strconv.ParseFloat(words[i], 64)
			if err != nil {
				return nil, name, bad(name, "numbers", words[i])
			}
			out[i] = v
		}
		return out, name, nil
	}
	return out, "", nil
}

// geometry: the matrix is written axis by axis, each with its direction in LPS.
func geometry(h *volume.Header, lines *header) error {
	n := len(h.Shape)
	spacing, _, err := lines.numbers(n, func(int) float64 { return 1 }, "elementspacing", "elementsize")
	if err != nil {
		return err
	}
	offset, _, err := lines.numbers(n, func(int) float64 { return 0 }, "offset", "position", "origin")
	if err != nil {
		return err
	}
	identity := func(i int) float64 {
		if i%(n+1) == 0 {
			return 1
		}
		return 0
	}
	matrix, name, err := lines.numbers(n*n, identity, "transformmatrix", "rotation", "orientation")
	if err != nil {
		return err
	}
	h.AffineSource = "spacing"
	if name != "" {
		h.AffineSource = "matrix"
	}
	columns, origin := make([][3]float64, min(n, 3)), [3]float64{}
	for j := range columns {
		if spacing[j] == 0 {
			h.Warn(fmt.Sprintf("spacing of axis %d is 0: taken as 1", j))
			spacing[j] = 1
		}
		for i := range columns {
			columns[j][i] = matrix[j*n+i] * spacing[j]
		}
		origin[j] = offset[j]
	}
	for j := len(columns); j < 3; j++ {
		var e [3]float64
		e[j] = 1
		columns = append(columns, e)
	}
	h.Affine, h.Spatial = volume.FromLPS(volume.Axes(columns, origin)), true
	for i := range 2 {
		for j := range 4 {
			h.Affine[i][j] += 0 // no negative zeros
		}
	}
	m := volume.Affine3(h.Affine)
	for j := range h.Shape {
		zoom := math.Abs(spacing[j])
		if j < 3 {
			zoom = volume.Length(m[j])
		}
		h.Zooms = append(h.Zooms, zoom)
	}
	return volume.CheckAffine(format, "TransformMatrix", h.Affine)
}

// samples finds the files.
func samples(h *volume.Header, lines *header, w volume.Where) error {
	need, _ := h.Bytes() // shape has checked it
	p := &volume.Parts{Type: h.Type, Share: need, IgnoreSums: w.IgnoreSums}
	switch {
	case lines.key["binarydata"] != "" && !lines.truth("binarydata"):
		p.Encoding = volume.ASCII
		h.Big = false
	case lines.truth("compresseddata"):
		p.Encoding = volume.Deflate
	}
	part := volume.Part{}
	if text := lines.key["headersize"]; text != "" {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < -1 {
			return bad("HeaderSize", "a number from -1", text)
		}
		part.Skip = n
	}
	names, local, err := fileNames(h, lines, w)
	if err != nil {
		return err
	}
	if local {
		part.Path, part.Attached, part.Offset = w.Path, true, lines.size
		p.Files = []volume.Part{part}
		h.Source = p
		return nil
	}
	if need%int64(len(names)) != 0 {
		return bad("ElementDataFile", "files that hold the samples in equal shares", fmt.Sprintf("%d files", len(names)))
	}
	p.Share = need / int64(len(names))
	for _, name := range names {
		part.Path = name
		p.Files = append(p.Files, part)
	}
	h.Source = p
	return nil
}

func fileNames(h *volume.Header, lines *header, w volume.Where) (names []string, local bool, err error) {
	spec := lines.key["elementdatafile"]
	limit := 1
	for _, d := range h.Shape {
		limit = min(limit*d, 1<<20)
	}
	words := strings.Fields(spec)
	switch {
	case strings.EqualFold(spec, "LOCAL"):
		return nil, true, nil
	case len(words) == 0:
		return nil, false, bad("ElementDataFile", "LOCAL, a file, LIST or a pattern", spec)
	case strings.EqualFold(words[0], "LIST"):
		if len(lines.files) == 0 || len(lines.files) > limit {
			return nil, false, bad("ElementDataFile", fmt.Sprintf("1 to %d files behind LIST", limit), strconv.Itoa(len(lines.files)))
		}
		for _, f := range lines.files {
			name, err := volume.Beside(format, w.Path, f, w.Outside)
			if err != nil {
				return nil, false, err
			}
			names = append(names, name)
		}
		return names, false, nil
	case len(words) >= 3 && strings.Contains(words[0], "%"):
		if len(words) == 3 {
			words = append(words, "1")
		}
		names, err = volume.Pattern(format, w.Path, words[:4], limit, w.Outside)
		return names, false, err
	}
	name, err := volume.Beside(format, w.Path, spec, w.Outside)
	return []string{name}, false, err
}
