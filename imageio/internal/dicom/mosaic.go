package dicom

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Mosaic is how Siemens packs the slices of one time into one picture.
type Mosaic struct {
	Images, Side  int // slices, and tiles along an edge
	Width, Height int // of a tile
}

// mosaic recognises a mosaic: its image type says so and its private elements say how many slices it holds.
func (f *File) mosaic(l Layout) (Mosaic, bool) {
	kinds := strings.Split(f.Set.Text(tagImageType), `\`)
	if !slices.Contains(kinds, "MOSAIC") || l.Frames != 1 || l.Samples != 1 {
		return Mosaic{}, false
	}
	n, ok := f.Set.privateInt(tagMosaicImages)
	if !ok {
		v := csaNumbers(f.Set.Get(tagCSAImage).Value, "NumberOfImagesInMosaic")
		if len(v) > 0 {
			n, ok = int(v[0]), true
		}
	}
	if !ok || n < 1 || n > 1<<16 {
		return Mosaic{}, false
	}
	m := Mosaic{Images: n, Side: int(math.Ceil(math.Sqrt(float64(n))))}
	m.Width, m.Height = l.Columns/m.Side, l.Rows/m.Side
	if m.Width*m.Side != l.Columns || m.Height*m.Side != l.Rows {
		return Mosaic{}, false
	}
	return m, true
}

// privateInt reads a number of a private element, whose VR a file may not say.
func (s Set) privateInt(tag Tag) (int, bool) {
	e := s.Get(tag)
	if e.VR == "UN" || e.VR == "" {
		e.VR = "US"
		if len(e.Value) != 2 {
			e.VR = "IS"
		}
	}
	var one [1]float64
	if e.numbers(one[:]) < 1 {
		return 0, false
	}
	return int(one[0]), true
}

// mosaic arranges mosaics: each is the slices of one time.
func (v *Volume) mosaic(m Mosaic, planes []Plane) {
	slices.SortStableFunc(planes, compareOrder)
	v.Mosaic, v.Planes, v.Slices, v.Times = m, planes, m.Images, len(planes)
	v.Spatial, v.AffineSource = planes[0].Spatial, "dicom"
	if !v.Spatial {
		v.AffineSource = "none"
	}
	p := planes[0]
	normal := p.normal()
	n := csaNumbers(p.File.Set.Get(tagCSAImage).Value, "SliceNormalVector")
	if len(n) >= 3 && math.Abs(length([3]float64(n))-1) < 0.1 {
		normal = [3]float64(n[:3])
	}
	step := p.Thickness
	if step <= 0 {
		step = 1
	}
	for k := range 3 { // the position is that of a full-size picture around the same centre
		p.Position[k] += p.Orientation[k]*p.Spacing[1]*float64(m.Width*m.Side-m.Width)/2 +
			p.Orientation[3+k]*p.Spacing[0]*float64(m.Height*m.Side-m.Height)/2
	}
	v.affine(p, [3]float64{normal[0] * step, normal[1] * step, normal[2] * step})
	v.timing()
}

// csaNumbers reads an entry of Siemens' CSA header (layout as in nibabel's csareader).
func csaNumbers(b []byte, name string) []float64 {
	at := 0
	if len(b) > 8 && string(b[:4]) == "SV10" {
		at = 8
	}
	if len(b) < at+8 {
		return nil
	}
	entries := int(binary.LittleEndian.Uint32(b[at:]))
	at += 8
	for range min(entries, 1024) {
		if len(b) < at+84 {
			return nil
		}
		this, _, _ := strings.Cut(string(b[at:at+64]), "\x00")
		items := int(binary.LittleEndian.Uint32(b[at+76:]))
		at += 84
		var values []float64
		for range items {
			if len(b) < at+16 {
				return nil
			}
			n := int(binary.LittleEndian.Uint32(b[at+4:]))
			if n < 0 || n > len(b)-at-16 {
				return nil
			}
			text := strings.Trim(string(b[at+16:at+16+n]), " \x00")
			if v, err := strconv.ParseFloat(text, 64); err == nil && this == name {
				values = append(values, v)
			}
			at = min(at+16+(n+3)/4*4, len(b))
		}
		if this == name {
			return values
		}
	}
	return nil
}
