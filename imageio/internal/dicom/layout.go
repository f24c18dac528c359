package dicom

import (
	"fmt"
	"strconv"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// Layout is how a file's pixels are stored (PS3.3, C.7.6.3).
type Layout struct {
	Rows, Columns, Samples, Frames int
	Allocated, Stored, High        int // bits
	Signed                         bool
	Float                          bool // Float or Double Float Pixel Data
	Planar                         bool // colours in planes
	Photometric                    string
}

// Type returns the type that holds a stored sample.
func (l Layout) Type() volume.Type {
	switch {
	case l.Float && l.Allocated == 64:
		return volume.Float64
	case l.Float:
		return volume.Float32
	case l.Allocated <= 8 && l.Signed && l.Allocated > 1:
		return volume.Int8
	case l.Allocated <= 8:
		return volume.Uint8
	case l.Allocated == 16 && l.Signed:
		return volume.Int16
	case l.Allocated == 16:
		return volume.Uint16
	case l.Allocated == 32 && l.Signed:
		return volume.Int32
	case l.Allocated == 32:
		return volume.Uint32
	case l.Signed:
		return volume.Int64
	}
	return volume.Uint64
}

// FrameSamples returns the number of samples of a frame.
func (l Layout) FrameSamples() int { return l.Rows * l.Columns * l.Samples }

// FrameBytes returns the bytes of a decoded frame.
func (l Layout) FrameBytes() int { return l.FrameSamples() * l.Type().Size() }

// Subsampled reports native pixels of which two share their colour differences.
func (l Layout) Subsampled() bool { return l.Photometric == "YBR_FULL_422" && l.Samples == 3 }

// storedBits returns the bits that a frame takes in native pixel data.
func (l Layout) storedBits() int64 {
	n := int64(l.FrameSamples())
	if l.Subsampled() {
		n = int64(l.Rows) * int64((l.Columns+1)/2) * 4
	}
	return n * int64(l.Allocated)
}

// HasPixels reports whether the file holds an image at all.
func (f *File) HasPixels() bool { return f.hasPixels }

// Syntax returns the UID of the transfer syntax.
func (f *File) Syntax() string { return f.syntax.uid }

// Warnings returns what was mended.
func (f *File) Warnings() []string { return f.warnings }

// Layout reads and checks the description of the pixels.
func (f *File) Layout() (Layout, error) {
	if !f.hasPixels {
		e := f.fault("pixel data", volume.ErrUnsupported)
		e.Want, e.Got = "pixel data", "none in this file"
		if f.size >= 0 && f.Set.Has(tagRows) {
			e.Err = volume.ErrTruncated
		}
		return Layout{}, e
	}
	l := Layout{Samples: 1, Frames: 1, Photometric: f.Set.Text(tagPhotometric)}
	limits := []struct {
		tag      Tag
		name     string
		dst      *int
		low      int
		high     int
		optional bool
	}{
		{tagRows, "Rows", &l.Rows, 1, 65535, false},
		{tagColumns, "Columns", &l.Columns, 1, 65535, false},
		{tagSamples, "SamplesPerPixel", &l.Samples, 1, 4, true},
		{tagFrames, "NumberOfFrames", &l.Frames, 1, 1 << 31, true},
		{tagBitsAllocated, "BitsAllocated", &l.Allocated, 1, 64, false},
	}
	for _, x := range limits {
		v, ok := f.Set.Int(x.tag)
		if !ok && x.optional && !f.Set.Has(x.tag) {
			continue
		}
		if !ok {
			return l, f.want(x.name, "a number", "none")
		}
		if v < x.low || v > x.high {
			if x.tag == tagFrames && v == 0 {
				continue // written by some where one frame is meant
			}
			return l, f.want(x.name, fmt.Sprintf("%d to %d", x.low, x.high), strconv.Itoa(v))
		}
		*x.dst = v
	}
	return l, f.bits(&l)
}

// bits checks what is said about the bits of a sample.
func (f *File) bits(l *Layout) error {
	switch l.Samples {
	case 1, 3, 4:
	default:
		return f.want("SamplesPerPixel", "1, 3 or 4", strconv.Itoa(l.Samples))
	}
	v, _ := f.Set.Int(tagPlanar)
	l.Planar = v == 1 && l.Samples > 1
	switch f.pixels.tag {
	case tagFloatPixels, tagDoublePixels:
		l.Float, l.Allocated = true, 32
		if f.pixels.tag == tagDoublePixels {
			l.Allocated = 64
		}
		l.Stored, l.High = l.Allocated, l.Allocated-1
		return nil
	}
	switch l.Allocated {
	case 1, 8, 16, 32, 64:
	default:
		return f.want("BitsAllocated", "1, 8, 16, 32 or 64", strconv.Itoa(l.Allocated))
	}
	l.Stored = l.Allocated
	if v, ok := f.Set.Int(tagBitsStored); ok {
		if v < 1 || v > l.Allocated {
			return f.want("BitsStored", fmt.Sprintf("1 to BitsAllocated, which is %d", l.Allocated), strconv.Itoa(v))
		}
		l.Stored = v
	}
	l.High = l.Stored - 1
	if v, ok := f.Set.Int(tagHighBit); ok {
		if v < l.Stored-1 || v >= l.Allocated {
			return f.want("HighBit", fmt.Sprintf("%d to %d for %d bits of %d", l.Stored-1, l.Allocated-1, l.Stored, l.Allocated), strconv.Itoa(v))
		}
		l.High = v
	}
	signed, _ := f.Set.Int(tagSigned)
	l.Signed = signed == 1
	if l.Allocated == 1 && l.Samples != 1 {
		return f.want("SamplesPerPixel", "1 for one-bit pixels", strconv.Itoa(l.Samples))
	}
	return nil
}

func (f *File) want(field, want, got string) error {
	e := f.fault(field, volume.ErrCorrupt)
	e.Want, e.Got = want, got
	return e
}
