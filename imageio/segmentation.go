package imageio

import (
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/nitrain/nitrain/imageio/internal/dicom"
	"github.com/nitrain/nitrain/internal/atomicfile"
)

// Segment says what a label, or a channel of probabilities, stands for.
type Segment struct {
	Value int      // the label, or the channel
	Name  string   // "label N" where it is empty
	Color [3]uint8 // black lets a colour be chosen
	Code  Code     // of the structure; the zero Code stands for tissue
}

// Code is a coded concept: a scheme such as SCT, the value in it and its meaning.
type Code struct{ Scheme, Value, Meaning string }

// Segmentation is what a DICOM segmentation says beside its voxels.
type Segmentation struct {
	// Reference is the DICOM file or folder of the scan that was segmented: patient, study and frame of reference
	// are its own.
	Reference string
	Segments  []Segment
	Algorithm string // who segmented; "nitrain" where it is empty
	Version   string
}

// WriteSegmentation writes a DICOM segmentation object. A label map becomes a binary one: the labels are the numbers
// of the segments where they and Segments leave no gap from 1 on, else they are numbered in their order. An
// image of intensities becomes a fractional one: each channel that Segments names holds probabilities of 0 to 1, stored
// in 8 bits.
//
// The image may lie on the scan's grid, and then each frame refers to the slice that it was made from, or on
// another one of the same patient space. The file appears whole or not at all.
func WriteSegmentation(path string, im *Image, s Segmentation) error {
	if err := im.Validate(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	ref, err := Open(s.Reference)
	if err != nil {
		return err
	}
	if ref.series == nil {
		return &FormatError{
			Path: path, Format: "dicom", Field: "reference", Want: "a scan in DICOM", Got: ref.Format, Err: ErrUnsupported,
			Advice: "a segmentation object belongs to a DICOM series; write .nii.gz for other scans",
		}
	}
	out := &dicom.Segmentation{
		Reference: ref.series.Volume, Aligned: ref.Grid().Same(im.Grid, 1e-2) && ref.series.Mosaic.Images == 0,
		Size: im.Grid.Size, Affine: im.Grid.Affine, Fraction: im.Kind == Intensity, Time: time.Now(),
		Algorithm: s.Algorithm, Version: s.Version,
	}
	if out.Algorithm == "" {
		out.Algorithm = "nitrain"
	}
	if out.Version == "" {
		out.Version = "1"
	}
	if im.Kind == Label {
		err = binarySegments(out, path, im, s.Segments)
	} else {
		err = fractionalSegments(out, path, im, s.Segments)
	}
	if err == nil {
		err = out.Check()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return atomicfile.Write(path, func(w io.Writer) error { return out.Write(w) })
}

// binarySegments makes a segment of each label.
func binarySegments(out *dicom.Segmentation, path string, im *Image, named []Segment) error {
	if _, err := labelType(path, im.Data); err != nil {
		return err
	}
	if im.Channels != 1 {
		return fmt.Errorf("want a label map of one channel, got %d", im.Channels)
	}
	plane := im.Grid.Size[0] * im.Grid.Size[1]
	inSlice := make([]map[float32]bool, im.Grid.Size[2])
	found := map[int]bool{}
	for z := range inSlice {
		inSlice[z] = map[float32]bool{}
		last := float32(0)
		for _, v := range im.Data[z*plane : (z+1)*plane] {
			if v != last {
				last = v
				inSlice[z][v] = true
			}
		}
		for v := range inSlice[z] {
			if v < 0 {
				return fmt.Errorf("want labels from 0, got %v", v)
			}
			if v > 0 {
				found[int(v)] = true
			}
		}
	}
	segments := complete(named, found)
	for i, s := range segments {
		out.Segments = append(out.Segments, segment(s, i+1))
	}
	mask := make([]byte, plane)
	out.Frame = func(i, z int) []byte {
		own := float32(segments[i].Value)
		if !inSlice[z][own] {
			return nil
		}
		for k, v := range im.Data[z*plane : (z+1)*plane] {
			mask[k] = 0
			if v == own {
				mask[k] = 1
			}
		}
		return mask
	}
	return nil
}

// complete adds segments for labels that nobody named. Named ones that are absent stay, since they were looked for.
func complete(named []Segment, found map[int]bool) []Segment {
	var out []Segment
	for _, s := range named {
		if s.Value > 0 {
			out = append(out, s)
			delete(found, s.Value)
		}
	}
	for v := range found {
		out = append(out, Segment{Value: v})
	}
	if len(out) == 0 {
		out = append(out, Segment{Value: 1})
	}
	slices.SortFunc(out, func(a, b Segment) int { return a.Value - b.Value })
	return out
}

func segment(s Segment, number int) dicom.Segment {
	if s.Name == "" {
		s.Name = fmt.Sprintf("label %d", s.Value)
	}
	if s.Color == ([3]uint8{}) {
		hue := math.Mod(float64(number)*0.61803398875, 1) * 6
		part := uint8(255 * (1 - math.Abs(math.Mod(hue, 2)-1)))
		s.Color = [...][3]uint8{{255, part, 0}, {part, 255, 0}, {0, 255, part}, {0, part, 255}, {part, 0, 255}, {255, 0, part}}[int(hue)]
	}
	return dicom.Segment{Number: number, Name: s.Name, Color: s.Color, Code: dicom.Code(s.Code)}
}

// fractionalSegments makes a segment of each named channel.
func fractionalSegments(out *dicom.Segmentation, path string, im *Image, named []Segment) error {
	if len(named) == 0 {
		for c := range im.Channels {
			named = append(named, Segment{Value: c, Name: fmt.Sprintf("channel %d", c)})
		}
	}
	for i, s := range named {
		if s.Value < 0 || s.Value >= im.Channels {
			return fmt.Errorf("want segments of channels 0 to %d, got %d", im.Channels-1, s.Value)
		}
		out.Segments = append(out.Segments, segment(s, i+1))
		for _, v := range im.Channel(s.Value) {
			if !(v >= -1e-3 && v <= 1.001) {
				return &FormatError{Path: path, Format: "dicom", Field: "voxels", Want: "probabilities of 0 to 1", Got: fmt.Sprint(v), Err: ErrUnsupported}
			}
		}
	}
	plane := im.Grid.Size[0] * im.Grid.Size[1]
	samples := make([]byte, plane)
	out.Frame = func(i, z int) []byte {
		any := byte(0)
		for k, v := range im.Channel(named[i].Value)[z*plane : (z+1)*plane] {
			samples[k] = uint8(math.Round(float64(min(max(v, 0), 1)) * 255))
			any |= samples[k]
		}
		if any == 0 {
			return nil
		}
		return samples
	}
	return nil
}
