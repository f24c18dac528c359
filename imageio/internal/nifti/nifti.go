// Package nifti reads and writes the headers of NIfTI-1 and NIfTI-2 files.
//
// Where the standard leaves room the rules are nibabel's (checked with 5.4), save where a header that
// nibabel refuses or mangles can be read without doubt; those cases are warned about.
package nifti

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// HeadSize is how many bytes [Is] and [Parse] want to see first: a NIfTI-1 header.
const HeadSize = 348

const (
	tail2     = "\x00\r\n\x1a\n" // closes the magic of version 2
	analyze   = "\x00\x00\x00\x00"
	cifti     = 32 // extension code of CIFTI-2
	ico7Faces = 27307
	ico7      = 163842 // vertices of FreeSurfer's fsaverage, stored as 27307 x 1 x 6
)

// Is reports whether a file that begins with head should be read as NIfTI: it has the size field or
// the magic of one.
func Is(head []byte) bool {
	if len(head) < 12 {
		return false
	}
	if _, _, ok := sizeField(head); ok {
		return true
	}
	return string(head[4:6]) == "n+" || len(head) >= HeadSize && (string(head[344:346]) == "n+" || string(head[344:346]) == "ni")
}

// Magic reports whether a header of version 1 has NIfTI's magic, or is of version 2.
func Magic(head []byte) bool {
	if version, _, ok := sizeField(head); ok && version == 2 {
		return true
	}
	return len(head) >= HeadSize && (string(head[344:347]) == "ni1" || string(head[344:347]) == "n+1")
}

// sizeField returns version and byte order from sizeof_hdr.
func sizeField(head []byte) (version int, big, ok bool) {
	for _, big := range []bool{false, true} {
		switch order(big).Uint32(head) {
		case 348:
			return 1, big, true
		case 540:
			return 2, big, true
		}
	}
	return 0, false, false
}

// Parse reads a header whose first HeadSize bytes are head (fewer if the file ends there) and whose
// following bytes rest gives, up to the voxels. Errors are *volume.FormatError without a path.
func Parse(head []byte, rest io.Reader) (*volume.Header, error) {
	f, err := readFields(head, rest)
	if err != nil {
		return nil, err
	}
	h := &volume.Header{
		Format: fmt.Sprintf("nifti%d", f.version), Big: f.big, Intent: f.intent, Units: f.units,
		SformCode: f.scode, QformCode: f.qcode,
	}
	for _, step := range []func(*volume.Header, *fields) error{
		setMagic, setShape, setType, setOffset, setScaling, setZooms, setAffine,
	} {
		if err := step(h, f); err != nil {
			return nil, err
		}
	}
	if err := readExtensions(h, f, rest); err != nil {
		return nil, err
	}
	return h, nil
}

func readFields(head []byte, rest io.Reader) (*fields, error) {
	if len(head) < HeadSize {
		return nil, &volume.FormatError{
			Format: "nifti", Field: "header", Err: volume.ErrTruncated,
			Want: fmt.Sprintf("at least %d bytes", HeadSize), Got: strconv.Itoa(len(head)),
		}
	}
	version, big, ok := sizeField(head)
	switch {
	case !ok:
		return nil, &volume.FormatError{
			Format: "nifti", Field: "sizeof_hdr", Err: volume.ErrCorrupt,
			Want: "348 or 540", Got: strconv.Itoa(int(int32(order(false).Uint32(head)))),
		}
	case version == 1:
		f := fields1(head, big)
		return &f, nil
	}
	full := make([]byte, 540)
	n := copy(full, head)
	if m, err := io.ReadFull(rest, full[n:]); err != nil {
		return nil, streamError("header", "540 bytes", n+m, err)
	}
	f := fields2(full, big)
	return &f, nil
}

// streamError turns an early end into ErrTruncated and keeps other errors.
func streamError(field, want string, got int, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = volume.ErrTruncated
	}
	return &volume.FormatError{Format: "nifti", Field: field, Want: want, Got: strconv.Itoa(got), Err: err}
}

func fail(h *volume.Header, field string, kind error, want, got string) error {
	return &volume.FormatError{Format: h.Format, Field: field, Want: want, Got: got, Err: kind}
}

func setMagic(h *volume.Header, f *fields) error {
	if f.version == 2 {
		if f.magic[3:] != tail2 || f.magic[:3] != "n+2" && f.magic[:3] != "ni2" {
			return fail(h, "magic", volume.ErrNotThisFormat, `"n+2\0\r\n\x1a\n" or "ni2\0\r\n\x1a\n"`, fmt.Sprintf("%q", f.magic))
		}
		h.Pair = f.magic[1] == 'i'
		return nil
	}
	switch f.magic {
	case "n+1\x00":
	case "ni1\x00":
		h.Pair = true
	case analyze:
		return &volume.FormatError{
			Format: "analyze 7.5", Field: "magic", Want: `"n+1\0" or "ni1\0"`, Got: "zeros",
			Err: volume.ErrNotThisFormat, Advice: "a file without magic is Analyze 7.5, which does not say left from right; convert it to NIfTI",
		}
	default:
		return fail(h, "magic", volume.ErrNotThisFormat, `"n+1\0" or "ni1\0"`, fmt.Sprintf("%q", f.magic))
	}
	return nil
}

func setShape(h *volume.Header, f *fields) error {
	n := f.dim[0]
	if n < 1 || n > 7 {
		return fail(h, "dim[0]", volume.ErrCorrupt, "1 to 7", strconv.FormatInt(n, 10))
	}
	dims := f.dim[1 : n+1]
	if f.version == 1 && n >= 3 { // FreeSurfer's ways to store long vectors
		first := [3]int64{dims[0], dims[1], dims[2]}
		switch {
		case first == [3]int64{-1, 1, 1} && f.glmin > 0:
			dims[0] = f.glmin
		case first == [3]int64{ico7Faces, 1, 6}:
			dims[0], dims[1], dims[2] = ico7, 1, 1
		}
	}
	for i, d := range dims {
		if d < 1 {
			return fail(h, fmt.Sprintf("dim[%d]", i+1), volume.ErrCorrupt, "at least 1", strconv.FormatInt(d, 10))
		}
		if d > math.MaxInt32 {
			return fail(h, fmt.Sprintf("dim[%d]", i+1), volume.ErrTooLarge, "at most 2147483647", strconv.FormatInt(d, 10))
		}
		h.Shape = append(h.Shape, int(d))
	}
	if f.version == 2 && f.intent >= 3000 && f.intent <= 3099 {
		return ciftiError()
	}
	return nil
}

func ciftiError() error {
	return &volume.FormatError{
		Format: "cifti2", Field: "intent_code", Want: "a volume", Got: "a CIFTI-2 matrix",
		Err: volume.ErrUnsupported, Advice: "extract a volume first, for instance with wb_command -cifti-separate",
	}
}

func setType(h *volume.Header, f *fields) error {
	switch f.datatype {
	case 2:
		h.Type = volume.Uint8
	case 4:
		h.Type = volume.Int16
	case 8:
		h.Type = volume.Int32
	case 16:
		h.Type = volume.Float32
	case 32:
		h.Type = volume.Complex64
	case 64:
		h.Type = volume.Float64
	case 128:
		h.Type = volume.RGB24
	case 256:
		h.Type = volume.Int8
	case 512:
		h.Type = volume.Uint16
	case 768:
		h.Type = volume.Uint32
	case 1024:
		h.Type = volume.Int64
	case 1280:
		h.Type = volume.Uint64
	case 1792:
		h.Type = volume.Complex128
	case 2304:
		h.Type = volume.RGBA32
	default:
		names := map[int]string{0: " (unknown)", 1: " (binary)", 1536: " (float128)", 2048: " (complex256)"}
		return fail(h, "datatype", volume.ErrUnsupported,
			"one of 2 4 8 16 32 64 128 256 512 768 1024 1280 1792 2304", strconv.Itoa(f.datatype)+names[f.datatype])
	}
	return nil
}

func setOffset(h *volume.Header, f *fields) error {
	least := float64(f.size + 4)
	if h.Pair {
		least = 0
	}
	off := f.voxOffset
	switch {
	case math.IsNaN(off) || math.IsInf(off, 0) || off > 1<<53:
		return fail(h, "vox_offset", volume.ErrCorrupt, "a place in the file", fmt.Sprint(off))
	case off == 0:
		off = least
	case off < least:
		return fail(h, "vox_offset", volume.ErrCorrupt, fmt.Sprintf("at least %g", least), fmt.Sprint(off))
	}
	h.Offset = int64(off)
	if off != least && math.Mod(off, 16) != 0 {
		h.Warn(fmt.Sprintf("vox_offset %g is not a multiple of 16: voxels read from byte %d", off, h.Offset))
	}
	return nil
}

// setScaling follows nibabel: without a usable slope the intercept does not count either.
func setScaling(h *volume.Header, f *fields) error {
	h.Slope, h.Inter = 1, 0
	usable := f.slope != 0 && !math.IsNaN(f.slope) && !math.IsInf(f.slope, 0)
	if !usable {
		if f.slope != 0 || f.inter != 0 {
			h.Warn(fmt.Sprintf("scl_slope %g: voxels are not scaled", f.slope))
		}
		return nil
	}
	if math.IsNaN(f.inter) || math.IsInf(f.inter, 0) {
		return fail(h, "scl_inter", volume.ErrCorrupt, "a finite number", fmt.Sprint(f.inter))
	}
	if h.Type.Components() == 1 {
		h.Slope, h.Inter = f.slope, f.inter
	}
	return nil
}

// readExtensions passes over the bytes between header and voxels and keeps the extensions in them.
// Damaged ones are dropped with a warning.
func readExtensions(h *volume.Header, f *fields, rest io.Reader) error {
	const most = 16 << 20 // bytes of extensions that are kept
	gap := int64(most)
	if !h.Pair {
		gap = h.Offset - f.size
	}
	var flags [4]byte
	if n, err := io.ReadFull(rest, flags[:]); err != nil {
		if h.Pair && (err == io.EOF || err == io.ErrUnexpectedEOF) {
			return nil
		}
		return streamError("extension flags", "4 bytes", n, err)
	}
	gap -= 4
	if flags[0] == 0 || gap < 8 {
		return nil
	}
	if gap > most {
		h.Warn(fmt.Sprintf("extensions of %d bytes are not kept", gap))
		return nil
	}
	var block bytes.Buffer // grows as bytes arrive: the gap is only a claim
	if _, err := io.CopyN(&block, rest, gap); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	list, ok := parseExtensions(block.Bytes(), f.big)
	if !ok {
		h.Warn("extensions are damaged and were dropped")
		h.BadExtensions = true
		return nil
	}
	h.Extensions = list
	for _, e := range list {
		if e.Code == cifti {
			return ciftiError()
		}
	}
	return nil
}

func parseExtensions(b []byte, big bool) ([]volume.Extension, bool) {
	var list []volume.Extension
	for len(b) >= 16 {
		size, code := int64(int32(order(big).Uint32(b))), int(int32(order(big).Uint32(b[4:])))
		if size == 0 && code == 0 {
			break // padding
		}
		if size < 8 || size%16 != 0 || size > int64(len(b)) {
			return nil, false
		}
		list = append(list, volume.Extension{Code: code, Data: bytes.Clone(b[8:size])})
		b = b[size:]
	}
	return list, true
}
