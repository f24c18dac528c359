package dicom

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// maxSlices bounds the slices that a sparse segmentation may span.
const maxSlices = 1 << 16

// segmented arranges the frames of a segmentation: places without a frame are empty.
func (v *Volume) segmented(path string, planes []Plane) {
	v.Segmented = true
	spatial := true
	for i := range planes {
		spatial = spatial && planes[i].Spatial
	}
	if !spatial {
		v.Segmented = false
		v.unplaced(planes)
		return
	}
	slices.SortStableFunc(planes, func(a, b Plane) int { return cmp.Or(cmp.Compare(a.along, b.along), cmp.Compare(a.Segment, b.Segment)) })
	v.Planes, v.Spatial, v.AffineSource = planes, true, "dicom"
	places := runs(planes)
	first, last := planes[0], planes[len(planes)-1]
	step := pitch(places, first.Thickness)
	v.Slices = 1
	if len(places) > 1 {
		count := (last.along - first.along) / step
		if count > maxSlices {
			v.Problem = &volume.FormatError{Path: path, Format: "dicom", Field: "ImagePositionPatient", Want: fmt.Sprintf("at most %d slices", maxSlices), Got: fmt.Sprintf("%.4g", count), Err: volume.ErrGeometry}
			v.Slices = len(planes)
			v.affine(first, [3]float64{})
			return
		}
		v.Slices = int(math.Round(count)) + 1
	}
	var way [3]float64
	n := first.normal()
	for k := range 3 {
		way[k] = n[k] * step
		if v.Slices > 1 { // the true way, which need not be the normal
			way[k] = (last.Position[k] - first.Position[k]) / float64(v.Slices-1)
		}
	}
	v.affine(first, way)
	for _, p := range planes {
		at := (p.along - first.along) / step
		if math.Abs(at-math.Round(at)) > 0.1 {
			v.Problem = &volume.FormatError{Path: path, Format: "dicom", Field: "ImagePositionPatient", Want: fmt.Sprintf("frames at multiples of %.4g mm", step), Got: fmt.Sprintf("one at %.4g", p.along-first.along), Err: volume.ErrGeometry}
			return
		}
	}
}

// pitch returns the distance of slices: what the file says where all gaps are multiples of it, else the
// smallest gap.
func pitch(places [][]Plane, said float64) float64 {
	smallest := math.Inf(1)
	fits := said > 0
	for i := 1; i < len(places); i++ {
		gap := places[i][0].along - places[i-1][0].along
		smallest = min(smallest, gap)
		k := math.Round(gap / said)
		fits = fits && k >= 1 && math.Abs(gap-k*said) < 0.05*said
	}
	switch {
	case fits:
		return said
	case math.IsInf(smallest, 1):
		return 1
	}
	return smallest
}

// Slice returns which slice of a segmentation a plane lies in.
func (v *Volume) Slice(i int) int {
	if v.Slices < 2 {
		return 0
	}
	first, last := v.Planes[0].along, v.Planes[len(v.Planes)-1].along
	return min(v.Slices-1, int(math.Round((v.Planes[i].along-first)/(last-first)*float64(v.Slices-1))))
}

// Fraction returns the stored value that means 1 in a fractional segmentation, 0 for a binary one.
func (v *Volume) Fraction() float64 {
	s := v.Planes[0].File.Set
	if s.Text(tagSegmentationType) != "FRACTIONAL" {
		return 0
	}
	return max(1, s.FloatOr(tagMaxFractional, 255))
}

// Segments returns the highest number of a segment.
func (v *Volume) Segments() int {
	n := 1
	for _, p := range v.Planes {
		n = max(n, p.Segment)
	}
	return n
}

// Labels writes the number of the segment that a voxel belongs to and returns how many belong to several.
func (v *Volume) Labels(dst []float32, limit int64) (overlap int, err error) {
	var mu sync.Mutex // two frames may lie in one slice
	err = v.Each(limit, func(i int, p *Pixels, frame []byte) error {
		mu.Lock()
		defer mu.Unlock()
		plane := dst[v.Slice(i)*p.Rows*p.Columns:]
		size, own := p.Type().Size(), float32(max(1, v.Planes[i].Segment))
		for k := range p.Rows * p.Columns {
			if frame[k*size] == 0 {
				continue
			}
			if plane[k] != 0 && plane[k] != own {
				overlap++
			}
			plane[k] = max(plane[k], own)
		}
		return nil
	})
	return overlap, err
}

// Fractions writes a channel of 0 to 1 for each segment.
func (v *Volume) Fractions(dst []float32, channels int, top float64, limit int64) error {
	n := len(dst) / channels
	return v.Each(limit, func(i int, p *Pixels, frame []byte) error {
		c := min(max(v.Planes[i].Segment, 1), channels) - 1
		plane := dst[c*n+v.Slice(i)*p.Rows*p.Columns:][:p.Rows*p.Columns]
		volume.Floats(plane, frame, p.Type(), false, 1, 0)
		for k := range plane {
			plane[k] = float32(float64(plane[k]) / top)
		}
		return nil
	})
}
