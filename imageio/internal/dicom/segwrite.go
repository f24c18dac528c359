package dicom

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

const segmentationClass = "1.2.840.10008.5.1.4.1.1.66.4"

// Segment is one segment of a segmentation to write.
type Segment struct {
	Number int
	Name   string
	Color  [3]uint8
	Code   Code // of the property; the zero Code stands for tissue
}

// Segmentation is what a segmentation object is written from.
type Segmentation struct {
	Reference *Volume // the series that was segmented
	Aligned   bool    // slice z of the segmentation is slice z of the reference
	Size      [3]int
	Affine    [4][4]float64 // to RAS+ mm
	Segments  []Segment
	Algorithm string
	Version   string
	Fraction  bool // samples of 0 to 255 instead of 0 and 1
	Time      time.Time
	// Frame gives the samples of a segment in a slice, nil where it is empty.
	Frame func(segment, z int) []byte
}

// frameRef is a frame that will be written.
type frameRef struct{ segment, z int }

// Write writes the object (PS3.3, A.51). Empty frames are left out, but for the first and the last slice of the first
// segment: they keep the extent of the grid.
func (s *Segmentation) Write(w io.Writer) error {
	frames := s.frames()
	set, instance, err := s.describe(frames)
	if err != nil {
		return err
	}
	if _, err := w.Write(fileBytes(segmentationClass, instance, set)); err != nil {
		return err
	}
	return s.pixels(w, frames)
}

func (s *Segmentation) frames() []frameRef {
	var out []frameRef
	for i := range s.Segments {
		for z := range s.Size[2] {
			ends := i == 0 && (z == 0 || z == s.Size[2]-1)
			if ends || s.Frame(i, z) != nil {
				out = append(out, frameRef{i, z})
			}
		}
	}
	return out
}

// pixels writes the element of the pixel data: bits, the lowest first, frames without gaps; or bytes.
func (s *Segmentation) pixels(w io.Writer, frames []frameRef) error {
	plane := s.Size[0] * s.Size[1]
	total := int64(plane) * int64(len(frames))
	if !s.Fraction {
		total = (total + 7) / 8
	}
	padded := total + total&1
	if padded >= math.MaxUint32 {
		return &volume.FormatError{Format: "dicom", Field: "pixel data", Want: "less than 4 GiB in a segmentation", Got: strconv.FormatInt(padded, 10), Err: volume.ErrTooLarge}
	}
	head := []byte{0xE0, 0x7F, 0x10, 0x00, 'O', 'B', 0, 0, byte(padded), byte(padded >> 8), byte(padded >> 16), byte(padded >> 24)}
	if _, err := w.Write(head); err != nil {
		return err
	}
	empty := make([]byte, plane)
	out := make([]byte, 0, plane+8)
	var acc byte
	bits := 0
	for _, f := range frames {
		samples := s.Frame(f.segment, f.z)
		if samples == nil {
			samples = empty
		}
		if s.Fraction {
			if _, err := w.Write(samples); err != nil {
				return err
			}
			continue
		}
		out = out[:0]
		for _, v := range samples {
			if v != 0 {
				acc |= 1 << bits
			}
			if bits++; bits == 8 {
				out = append(out, acc)
				acc, bits = 0, 0
			}
		}
		if _, err := w.Write(out); err != nil {
			return err
		}
	}
	var tail []byte
	if bits > 0 {
		tail = append(tail, acc)
	}
	if total&1 == 1 {
		tail = append(tail, 0)
	}
	_, err := w.Write(tail)
	return err
}

// describe builds the data set up to the pixel data.
func (s *Segmentation) describe(frames []frameRef) (set *builder, instance string, err error) {
	b := &builder{}
	instance = newUID()
	s.origin(b)
	b.text(tagCharset, "CS", "ISO_IR 192")
	b.text(tagImageType, "CS", "DERIVED", "PRIMARY")
	b.text(tagSOPClass, "UI", segmentationClass)
	b.text(tagSOPInstance, "UI", instance)
	date, clock := s.Time.Format("20060102"), s.Time.Format("150405")
	b.text(0x00080023, "DA", date)
	b.text(tagContentTime, "TM", clock)
	b.text(0x00080021, "DA", date)
	b.text(0x00080031, "TM", clock)
	b.text(tagModality, "CS", "SEG")
	b.text(tagManufacturer, "LO", "nitrain")
	b.text(0x00081090, "LO", "nitrain")
	b.text(0x00181000, "LO", "1")
	b.text(0x00181020, "LO", s.Version)
	b.text(tagSeriesUID, "UI", newUID())
	b.text(tagSeriesNumber, "IS", "300")
	b.text(tagInstanceNumber, "IS", "1")
	b.text(0x0008103E, "LO", "Segmentation")

	b.short(tagSamples, 1)
	b.text(tagPhotometric, "CS", "MONOCHROME2")
	b.text(tagFrames, "IS", strconv.Itoa(len(frames)))
	b.short(tagRows, s.Size[1])
	b.short(tagColumns, s.Size[0])
	bits := 1
	if s.Fraction {
		bits = 8
	}
	b.short(tagBitsAllocated, bits)
	b.short(tagBitsStored, bits)
	b.short(tagHighBit, bits-1)
	b.short(tagSigned, 0)
	b.text(0x00282110, "CS", "00") // no lossy compression

	b.text(0x00700080, "CS", "SEGMENTATION")
	b.text(0x00700081, "LO", "Segmentation")
	b.text(0x00700084, "PN", "")
	s.segments(b)
	dimension := newUID()
	dimensions(b, dimension)
	if err := s.geometry(b, frames); err != nil {
		return nil, "", err
	}
	if s.Aligned {
		s.references(b)
	}
	return b, instance, nil
}

// origin copies patient, study and frame of reference, in UTF-8.
func (s *Segmentation) origin(b *builder) {
	from := s.Reference.Planes[0].File.Set
	for _, t := range []struct {
		tag Tag
		vr  string
	}{
		{tagStudyDate, "DA"},
		{tagStudyTime, "TM"},
		{tagAccession, "SH"},
		{tagReferringPhysician, "PN"},
		{0x00081030, "LO"},
		{tagPatientName, "PN"},
		{tagPatientID, "LO"},
		{tagPatientBirth, "DA"},
		{tagPatientSex, "CS"},
		{tagStudyUID, "UI"},
		{tagStudyID, "SH"},
		{tagFrameOfReference, "UI"},
		{tagPositionReference, "LO"},
	} {
		value := from.String(t.tag)
		if value == "" && (t.tag == tagStudyUID || t.tag == tagFrameOfReference) {
			value = newUID()
		}
		if value == "" && t.tag == 0x00081030 {
			continue
		}
		b.text(t.tag, t.vr, value)
	}
}

func (s *Segmentation) segments(b *builder) {
	kind := "BINARY"
	if s.Fraction {
		kind = "FRACTIONAL"
		b.text(0x00620010, "CS", "PROBABILITY")
		b.short(tagMaxFractional, 255)
	}
	b.text(tagSegmentationType, "CS", kind)
	items := make([]*builder, len(s.Segments))
	for i, seg := range s.Segments {
		item := &builder{}
		item.short(tagSegmentNumber, seg.Number)
		item.text(0x00620005, "LO", limited(seg.Name))
		item.text(0x00620008, "CS", "AUTOMATIC")
		item.text(0x00620009, "LO", limited(s.Algorithm))
		item.short(0x0062000D, labColour(seg.Color)...)
		item.code(0x00620003, Code{"SCT", "123037004", "Anatomical Structure"})
		c := seg.Code
		if c.Value == "" {
			c = Code{"SCT", "85756007", "Tissue"}
		}
		c.Meaning = limited(c.Meaning)
		item.code(0x0062000F, c)
		items[i] = item
	}
	b.sequence(tagSegmentSequence, items...)
}

// limited cuts a text to what LO may hold and removes what separates values.
func limited(s string) string {
	out := []rune{}
	for _, r := range s {
		if r != '\\' && r >= ' ' && len(out) < 64 {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return "unnamed"
	}
	return string(out)
}

func dimensions(b *builder, uid string) {
	organization := &builder{}
	organization.text(0x00209164, "UI", uid)
	b.sequence(0x00209221, organization)
	index := func(pointer, group Tag, label string) *builder {
		item := &builder{}
		item.text(0x00209164, "UI", uid)
		item.pointer(0x00209165, pointer)
		item.pointer(0x00209167, group)
		item.text(0x00209421, "LO", label)
		return item
	}
	b.sequence(0x00209222,
		index(tagReferencedSegment, tagSegmentIdentification, "ReferencedSegmentNumber"),
		index(tagPosition, tagPlanePosition, "ImagePositionPatient"))
}

// geometry writes the functional groups.
func (s *Segmentation) geometry(b *builder, frames []frameRef) error {
	a := s.Affine
	var row, col, step [3]float64
	for k := range 3 {
		sign := 1.0
		if k < 2 {
			sign = -1 // RAS to LPS
		}
		row[k], col[k], step[k] = sign*a[k][0], sign*a[k][1], sign*a[k][2]
	}
	dx, dy := length(row), length(col)
	if !(dx > 0 && dy > 0) || math.Abs(dot(row, col)) > 1e-4*dx*dy {
		return &volume.FormatError{Format: "dicom", Field: "affine", Want: "rows and columns at right angles", Got: "others", Err: volume.ErrGeometry}
	}
	direction := make([]float64, 6)
	for k := range 3 {
		direction[k], direction[3+k] = 0+row[k]/dx, 0+col[k]/dy
	}
	between := math.Abs(dot(step, cross(row, col))) / dx / dy
	orientation := &builder{}
	orientation.decimal(tagOrientation, direction...)
	measures := &builder{}
	measures.decimal(tagSliceThickness, between)
	measures.decimal(tagSpacingBetweenSlices, between)
	measures.decimal(tagPixelSpacing, dy, dx)
	shared := &builder{}
	shared.sequence(tagPlaneOrientation, orientation)
	shared.sequence(tagPixelMeasures, measures)
	b.sequence(tagSharedGroups, shared)

	items := make([]*builder, len(frames))
	for i, f := range frames {
		items[i] = s.frameGroups(f)
	}
	b.sequence(tagPerFrameGroups, items...)
	return nil
}

func (s *Segmentation) frameGroups(f frameRef) *builder {
	position := make([]float64, 3)
	for k := range 3 {
		sign := 1.0
		if k < 2 {
			sign = -1
		}
		position[k] = 0 + sign*(s.Affine[k][3]+s.Affine[k][2]*float64(f.z))
	}
	place, content, which, item := &builder{}, &builder{}, &builder{}, &builder{}
	place.decimal(tagPosition, position...)
	content.long(tagDimensionValues, f.segment+1, f.z+1)
	which.short(tagReferencedSegment, s.Segments[f.segment].Number)
	item.sequence(tagPlanePosition, place)
	item.sequence(tagFrameContent, content)
	item.sequence(tagSegmentIdentification, which)
	if s.Aligned {
		derivation := &builder{}
		derivation.code(0x00089215, Code{"DCM", "113076", "Segmentation"})
		derivation.sequence(0x00082112, s.source(f.z))
		item.sequence(0x00089124, derivation)
	}
	return item
}

// source refers to the image that a slice was segmented from.
func (s *Segmentation) source(z int) *builder {
	p := s.Reference.Planes[0]
	if z < len(s.Reference.Planes) {
		p = s.Reference.Planes[z]
	}
	ref := reference(p.File.Set)
	if s.Reference.Layout.Frames > 1 {
		ref.text(0x00081160, "IS", strconv.Itoa(p.Frame+1))
	}
	ref.code(0x0040A170, Code{"DCM", "121322", "Source image for image processing operation"})
	return ref
}

func reference(s Set) *builder {
	ref := &builder{}
	ref.text(0x00081150, "UI", s.Text(tagSOPClass))
	ref.text(0x00081155, "UI", s.Text(tagSOPInstance))
	return ref
}

// references lists the images of the series that was segmented.
func (s *Segmentation) references(b *builder) {
	var items []*builder
	var last *File
	for _, p := range s.Reference.Planes {
		if p.File != last && p.File.Set.Has(tagSOPInstance) {
			items = append(items, reference(p.File.Set))
		}
		last = p.File
	}
	if len(items) == 0 {
		return
	}
	series := &builder{}
	series.sequence(0x0008114A, items...)
	series.text(tagSeriesUID, "UI", s.Reference.Planes[0].File.Set.Text(tagSeriesUID))
	b.sequence(0x00081115, series)
}

// Check reports what would make the object invalid.
func (s *Segmentation) Check() error {
	if len(s.Segments) == 0 || len(s.Segments) > math.MaxUint16 {
		return fmt.Errorf("want 1 to 65535 segments, got %d", len(s.Segments))
	}
	if s.Size[0] > math.MaxUint16 || s.Size[1] > math.MaxUint16 {
		return fmt.Errorf("want at most 65535 rows and columns, got %v", s.Size)
	}
	return nil
}
