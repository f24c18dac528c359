package dicom

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Plane is one frame with its place and the values that it stands for.
type Plane struct {
	File  *File
	Frame int

	Spatial     bool       // Position and Orientation are known
	Position    [3]float64 // of the first pixel's centre, LPS mm
	Orientation [6]float64 // directions along a row, along a column
	Spacing     [2]float64 // between rows, between columns; mm
	Spaced      bool       // Spacing is known
	Thickness   float64    // of the slice, 0 if unknown

	Slope, Inter float64
	Segment      int // of a segmentation

	key   string     // of what may not be mixed in one volume
	order [5]float64 // time and the like, most important first
	along float64    // position along the normal
}

// planes returns the frames of a file with their geometry. group makes the key of what may not be mixed.
func (f *File) planes() ([]Plane, error) {
	l, err := f.Layout()
	if err != nil {
		return nil, err
	}
	if l.Frames > 1<<20 && f.size >= 0 && int64(l.Frames) > f.size {
		return nil, f.want("NumberOfFrames", "no more frames than bytes", strconv.Itoa(l.Frames))
	}
	first := Plane{File: f, Slope: 1}
	first.describe(f.Set)
	first.key = f.seriesKey(l)
	f.ordered(&first)
	if l.Frames == 1 && !f.Set.Has(tagPerFrameGroups) {
		first.shared(f.Set)
		first.orient()
		return []Plane{first}, nil
	}
	first.shared(f.Set)
	out := make([]Plane, l.Frames)
	for i := range out {
		out[i] = first
		out[i].Frame = i
		out[i].order[4] = float64(i)
	}
	f.perFrame(out)
	f.offsets(out)
	for i := range out {
		out[i].orient()
	}
	return out, nil
}

func (p *Plane) shared(s Set) {
	if groups := s.First(tagSharedGroups); len(groups.data) > 0 {
		p.functional(groups)
	}
}

// perFrame reads the functional groups of each frame of an enhanced object (PS3.3, C.7.6.16).
func (f *File) perFrame(out []Plane) {
	i := 0
	for item := range f.Set.Items(tagPerFrameGroups) {
		if i == len(out) {
			return
		}
		out[i].functional(item)
		i++
	}
}

// functional reads the groups that say where a frame is and what its values mean.
func (p *Plane) functional(s Set) {
	if g := s.First(tagPlanePosition); len(g.data) > 0 {
		p.position(g)
	}
	if g := s.First(tagPlaneOrientation); len(g.data) > 0 {
		p.orientation(g)
	}
	if g := s.First(tagPixelMeasures); len(g.data) > 0 {
		p.measures(g)
	}
	if g := s.First(tagValueTransformation); len(g.data) > 0 {
		p.values(g)
	}
	if g := s.First(tagSegmentIdentification); len(g.data) > 0 {
		p.Segment, _ = g.Int(tagReferencedSegment)
		p.order[0] = float64(p.Segment)
	}
	if g := s.First(tagFrameContent); len(g.data) > 0 {
		if v, ok := g.Float(tagTemporalIndex); ok {
			p.order[1] = v
		}
		if id := g.Text(tagStackID); id != "" {
			p.key += "|stack " + id
		}
	}
}

// describe reads what a classic image says about itself.
func (p *Plane) describe(s Set) {
	p.position(s)
	p.orientation(s)
	p.measures(s)
	p.values(s)
}

func (p *Plane) position(s Set) { p.fill(s, tagPosition, p.Position[:], 1) }

func (p *Plane) orientation(s Set) { p.fill(s, tagOrientation, p.Orientation[:], 2) }

func (p *Plane) fill(s Set, tag Tag, dst []float64, _ int) {
	var v [6]float64
	if s.Fill(tag, v[:len(dst)]) {
		copy(dst, v[:len(dst)])
		if tag == tagPosition {
			p.Spatial = true
		}
	}
}

func (p *Plane) measures(s Set) {
	var v [2]float64
	if s.Fill(tagPixelSpacing, v[:]) || s.Fill(tagImagerPixelSpacing, v[:]) {
		if v[0] > 0 && v[1] > 0 && v[0] < 1e6 && v[1] < 1e6 {
			p.Spacing, p.Spaced = v, true
		}
	}
	if t, ok := s.Float(tagSpacingBetweenSlices); ok && t != 0 {
		p.Thickness = math.Abs(t)
	} else if t, ok := s.Float(tagSliceThickness); ok && t > 0 {
		p.Thickness = t
	}
}

func (p *Plane) values(s Set) {
	if v, ok := s.Float(tagSlope); ok && v != 0 {
		p.Slope = v
	}
	if v, ok := s.Float(tagIntercept); ok {
		p.Inter = v
	}
	if v, ok := s.Float(tagDoseScaling); ok && v > 0 {
		p.Slope = v
	}
}

// orient makes the directions unit vectors at right angles, or says that the place is not known.
func (p *Plane) orient() {
	if !p.Spaced {
		p.Spacing = [2]float64{1, 1}
	}
	row, col := [3]float64(p.Orientation[:3]), [3]float64(p.Orientation[3:])
	a, b := length(row), length(col)
	if !(a > 0.5 && a < 1.5 && b > 0.5 && b < 1.5) || math.Abs(dot(row, col)) > 0.1 {
		p.Spatial = false
		p.Orientation = [6]float64{1, 0, 0, 0, 1, 0}
		return
	}
	for _, v := range p.Position {
		if math.Abs(v) > 1e7 {
			p.Spatial = false
		}
	}
	p.along = dot(p.Position, p.normal())
}

// normal returns the direction that slices are stacked along.
func (p *Plane) normal() [3]float64 {
	return cross([3]float64(p.Orientation[:3]), [3]float64(p.Orientation[3:]))
}

// offsets places the frames of an RT dose (PS3.3, C.8.8.3.2).
func (f *File) offsets(out []Plane) {
	e := f.Set.Get(tagGridFrameOffsets)
	if e.Count() != len(out) || !out[0].Spatial {
		return
	}
	z := make([]float64, len(out))
	if e.numbers(z) != len(z) {
		return
	}
	n := out[0].normal()
	start := 0.0
	if z[0] != 0 { // positions instead of offsets
		start = z[0]
	}
	for i := range out {
		for k := range 3 {
			out[i].Position[k] = out[0].Position[k] + n[k]*(z[i]-start)
		}
		if z[0] != 0 && n[2] < 0 {
			out[i].Position[2] = out[0].Position[2] + z[i] - start
		}
	}
}

// seriesKey names what all images of one volume share.
func (f *File) seriesKey(l Layout) string {
	s := f.Set
	image := s.Text(tagImageType)
	if len(image) > 128 {
		image = image[:128]
	}
	return strings.Join([]string{
		s.Text(tagSeriesUID), s.Text(tagSOPClass), image, "echo " + s.Text(tagEchoNumber),
		fmt.Sprintf("%dx%dx%d %d", l.Columns, l.Rows, l.Samples, l.Allocated),
	}, "|")
}

// ordered fills in what orders images of one place: time and the like.
func (f *File) ordered(p *Plane) {
	s := f.Set
	p.order[0] = s.FloatOr(tagBValue, 0)
	p.order[1] = s.FloatOr(tagTemporalPosition, 0)
	p.order[2] = s.FloatOr(tagAcquisitionNumber, 0)
	p.order[3] = s.FloatOr(tagTriggerTime, 0)
	p.order[4] = s.FloatOr(tagInstanceNumber, 0)
}

func dot(a, b [3]float64) float64 { return a[0]*b[0] + a[1]*b[1] + a[2]*b[2] }

func length(a [3]float64) float64 { return math.Sqrt(dot(a, a)) }

func cross(a, b [3]float64) [3]float64 {
	return [3]float64{a[1]*b[2] - a[2]*b[1], a[2]*b[0] - a[0]*b[2], a[0]*b[1] - a[1]*b[0]}
}
