package dicom

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// stack sorts planes into slices and times and finds the affine.
func stack(path string, planes []Plane) *Volume {
	v := &Volume{Times: 1, AffineSource: "none"}
	v.Layout, _ = planes[0].File.Layout()
	for _, p := range planes {
		if p.Frame == 0 {
			for _, w := range p.File.warnings {
				if !slices.Contains(v.Warnings, w) {
					v.Warnings = append(v.Warnings, w)
				}
			}
		}
	}
	if strings.HasPrefix(v.Layout.Photometric, "MONOCHROME1") {
		v.Warnings = append(v.Warnings, "MONOCHROME1: low values are meant bright; values are as stored")
	}
	if m, ok := planes[0].File.mosaic(v.Layout); ok {
		v.mosaic(m, planes)
		return v
	}
	if f := planes[0].File; f.Set.Has(tagSegmentSequence) {
		v.segmented(path, planes)
		return v
	}
	v.arrange(path, planes)
	return v
}

// arrange sorts planes by place and time.
func (v *Volume) arrange(path string, planes []Plane) {
	spatial := true
	for i := range planes {
		spatial = spatial && planes[i].Spatial
	}
	if !spatial {
		v.unplaced(planes)
		return
	}
	slices.SortStableFunc(planes, func(a, b Plane) int {
		return cmp.Or(cmp.Compare(a.along, b.along), compareOrder(a, b))
	})
	v.Spatial, v.AffineSource = true, "dicom"
	places := runs(planes)
	places = v.dropCopies(places)
	times := len(places[0])
	for _, r := range places {
		if len(r) != times {
			v.Planes, v.Slices = flatten(places), len(planes)
			v.Problem, v.repeats = uneven(path, places), true
			v.affine(planes[0], [3]float64{})
			return
		}
	}
	v.Slices, v.Times = len(places), times
	v.Planes = make([]Plane, 0, len(places)*times)
	for t := range times {
		for _, r := range places {
			v.Planes = append(v.Planes, r[t])
		}
	}
	v.timing()
	v.measure(path, places)
}

func compareOrder(a, b Plane) int {
	for i := range a.order {
		if c := cmp.Compare(a.order[i], b.order[i]); c != 0 {
			return c
		}
	}
	return 0
}

// runs groups sorted planes of one place, to a hundredth of a millimetre.
func runs(planes []Plane) [][]Plane {
	var out [][]Plane
	from := 0
	for i := 1; i <= len(planes); i++ {
		if i == len(planes) || planes[i].along-planes[from].along > 0.01 {
			out = append(out, planes[from:i:i])
			from = i
		}
	}
	return out
}

func flatten(places [][]Plane) []Plane {
	var out []Plane
	for _, r := range places {
		out = append(out, r...)
	}
	return out
}

// dropCopies removes planes that are the same image, byte for byte, as another at their place.
func (v *Volume) dropCopies(places [][]Plane) [][]Plane {
	least, most := len(places[0]), 0
	for _, r := range places {
		least, most = min(least, len(r)), max(most, len(r))
	}
	if most == 1 || least == most && !copies(places[0]) {
		return places
	}
	dropped := 0
	for i, r := range places {
		kept := r[:0:0]
		for _, p := range r {
			if !slices.ContainsFunc(kept, func(o Plane) bool { return samePixels(o, p) }) {
				kept = append(kept, p)
			}
		}
		dropped += len(r) - len(kept)
		places[i] = kept
	}
	if dropped > 0 {
		v.Warnings = append(v.Warnings, fmt.Sprintf("%d copies of slices were left out", dropped))
	}
	return places
}

// copies reports whether the planes of one place hold the same instance twice.
func copies(r []Plane) bool {
	for i := range r {
		for k := range i {
			a, b := r[i].File, r[k].File
			if a != b && a.Set.Text(tagSOPInstance) == b.Set.Text(tagSOPInstance) {
				return true
			}
		}
	}
	return false
}

// samePixels compares the stored pixels of two planes of different files.
func samePixels(a, b Plane) bool {
	f, g := a.File, b.File
	if f == g || f.gzipped || g.gzipped || f.pixels.length != g.pixels.length || f.size < 0 || g.size < 0 || a.Slope != b.Slope || a.Inter != b.Inter {
		return false
	}
	x, errX := os.ReadFile(f.Path)
	y, errY := os.ReadFile(g.Path)
	if errX != nil || errY != nil || f.pixels.value > len(x) || g.pixels.value > len(y) {
		return false
	}
	return bytes.Equal(x[f.pixels.value:], y[g.pixels.value:])
}

func uneven(path string, places [][]Plane) *volume.FormatError {
	least, most, total := len(places[0]), 0, 0
	for _, r := range places {
		least, most, total = min(least, len(r)), max(most, len(r)), total+len(r)
	}
	return &volume.FormatError{
		Path: path, Format: "dicom", Field: "ImagePositionPatient", Want: "the same number of images at each place",
		Got:    fmt.Sprintf("%d images at %d places, %d to %d at one", total, len(places), least, most),
		Advice: "images are missing, or the folder mixes several scans: keep one of them", Err: volume.ErrGeometry,
	}
}

// unplaced keeps the order of the instance numbers.
func (v *Volume) unplaced(planes []Plane) {
	slices.SortStableFunc(planes, compareOrder)
	v.Planes, v.Slices = planes, len(planes)
	p := planes[0]
	p.Position, p.Orientation = [3]float64{}, [6]float64{1, 0, 0, 0, 1, 0}
	step := p.Thickness
	if step <= 0 {
		step = 1
	}
	if p.Spaced {
		v.AffineSource, v.Spatial = "spacing", true
	}
	v.affine(p, [3]float64{0, 0, step})
	if len(planes) > 1 {
		v.Warnings = append(v.Warnings, "no positions of slices: sorted by InstanceNumber, at "+fmt.Sprint(step)+" mm")
	}
}

// measure finds the step between slices and whether they are evenly spaced.
func (v *Volume) measure(path string, places [][]Plane) {
	first, last := places[0][0], places[len(places)-1][0]
	n := len(places)
	v.Positions = make([]float64, n)
	for i, r := range places {
		v.Positions[i] = r[0].along
	}
	if n == 1 {
		step := first.Thickness
		if step <= 0 {
			step = 1
			v.Warnings = append(v.Warnings, "thickness of the slice is not known: 1 mm taken")
		}
		normal := first.normal()
		v.affine(first, [3]float64{normal[0] * step, normal[1] * step, normal[2] * step})
		return
	}
	var step [3]float64
	for k := range 3 {
		step[k] = (last.Position[k] - first.Position[k]) / float64(n-1)
	}
	v.affine(first, step)
	if tilt := math.Acos(min(1, math.Abs(dot(step, first.normal()))/length(step))) * 180 / math.Pi; tilt > 0.1 {
		v.Tilt = tilt
		v.Warnings = append(v.Warnings, fmt.Sprintf("slices are stacked %.2f degrees off their normal (gantry tilt): the affine is sheared", tilt))
	}
	v.Problem = unevenSteps(path, v.Positions)
	if v.Problem == nil {
		v.Problem = crooked(path, places, step)
	}
}

// unevenSteps holds distances to 1 % of their median or 0.01 mm, and lists those that differ.
func unevenSteps(path string, z []float64) *volume.FormatError {
	gaps := make([]float64, len(z)-1)
	for i := range gaps {
		gaps[i] = z[i+1] - z[i]
	}
	sorted := slices.Sorted(slices.Values(gaps))
	median := sorted[len(sorted)/2]
	if len(sorted)%2 == 0 {
		median = sorted[len(sorted)/2-1]
	}
	tol := max(0.01*median, 0.01)
	var bad []string
	odd := 0
	for i, g := range gaps {
		if math.Abs(g-median) <= tol {
			continue
		}
		if odd++; odd > 8 {
			continue
		}
		text := fmt.Sprintf("%.4g mm behind p = %.2f", g, z[i])
		if k := math.Round(g / median); k >= 2 && math.Abs(g-k*median) <= tol*k {
			text = fmt.Sprintf("%d slices missing behind p = %.2f", int(k)-1, z[i])
		}
		bad = append(bad, text)
	}
	if odd == 0 {
		return nil
	}
	if odd > 8 {
		bad = append(bad, fmt.Sprintf("and %d more", odd-8))
	}
	return &volume.FormatError{
		Path: path, Format: "dicom", Field: "ImagePositionPatient", Want: fmt.Sprintf("slices every %.4g mm", median),
		Got:    strings.Join(bad, ", "),
		Advice: "slices are missing or the folder mixes scans; Options.Rectify interpolates onto even slices", Err: volume.ErrGeometry,
	}
}

// crooked finds slices that are shifted sideways against the line of the others.
func crooked(path string, places [][]Plane, step [3]float64) *volume.FormatError {
	first := places[0][0]
	tol := max(0.5*min(first.Spacing[0], first.Spacing[1]), 0.01)
	for i, r := range places {
		for k := range 3 {
			if math.Abs(first.Position[k]+step[k]*float64(i)-r[0].Position[k]) > tol {
				return &volume.FormatError{
					Path: path, Format: "dicom", Field: "ImagePositionPatient", Want: "slices on one line",
					Got: fmt.Sprintf("slice %d beside it", i), Advice: "the folder mixes scans, or the patient table moved", Err: volume.ErrGeometry,
				}
			}
		}
	}
	return nil
}

// affine builds the affine from a plane and the step to the next slice, both LPS.
func (v *Volume) affine(p Plane, step [3]float64) {
	if step == ([3]float64{}) {
		step = p.normal()
	}
	v.Affine = [4][4]float64{3: {3: 1}}
	for k := range 3 {
		sign := 1.0
		if k < 2 {
			sign = -1 // LPS to RAS
		}
		v.Affine[k] = [4]float64{
			0 + sign*p.Orientation[k]*p.Spacing[1],
			0 + sign*p.Orientation[3+k]*p.Spacing[0],
			0 + sign*step[k],
			0 + sign*p.Position[k],
		}
	}
}

// timing finds the seconds between times, where the files say them.
func (v *Volume) timing() {
	if v.Times < 2 {
		return
	}
	s := v.Planes[0].File.Set
	if ms, ok := s.Float(tagRepetitionTime); ok && ms > 0 {
		v.TimeStep = ms / 1000
	} else if ms, ok := s.Float(tagFrameTime); ok && ms > 0 {
		v.TimeStep = ms / 1000
	}
}
