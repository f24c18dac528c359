package imageio

import "fmt"

// segments reads a segmentation: a binary one as a map of segment numbers, a fractional one as a channel of 0 to 1
// for each segment.
func (s *series) segments(f *File, im *Image, kind Kind) ([]float32, int, error) {
	if err := s.Verify(f.limits); err != nil {
		return nil, 0, err
	}
	n := im.Grid.Len()
	if top := s.Fraction(); top > 0 {
		if kind == Label {
			return nil, 0, &FormatError{Path: f.path, Format: f.Format, Field: "SegmentationType", Want: "a binary segmentation for a label map", Got: "a fractional one", Err: ErrUnsupported}
		}
		channels := s.Segments()
		if int64(channels)*int64(n)*4 > f.limits {
			return nil, 0, &FormatError{Path: f.path, Format: f.Format, Field: "segments", Want: fmt.Sprintf("at most %d bytes of voxels", f.limits), Got: fmt.Sprintf("%d segments", channels), Err: ErrTooLarge}
		}
		data := make([]float32, channels*n)
		return data, channels, s.Fractions(data, channels, top, f.limits)
	}
	data := make([]float32, n)
	overlap, err := s.Labels(data, f.limits)
	if overlap > 0 {
		im.Source.Warnings = append(im.Source.Warnings, fmt.Sprintf("segments overlap in %d voxels, which got the higher number", overlap))
	}
	return data, 1, err
}
