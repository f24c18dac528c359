package dicom

import (
	"fmt"
	"strings"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// Title names a volume in a list: what it is and where it came from, nothing of the patient.
func (v *Volume) Title(size [3]int) string {
	s := v.Planes[0].File.Set
	text := "series " + word(s.Text(tagSeriesNumber))
	if m := word(s.Text(tagModality)); m != "" {
		text += " " + m
	}
	text += fmt.Sprintf(" %dx%dx%d", size[0], size[1], size[2])
	if v.Times > 1 {
		text += fmt.Sprintf("x%d", v.Times)
	}
	kinds := strings.Split(s.Text(tagImageType), `\`)
	if len(kinds) > 2 {
		text += " " + word(kinds[2])
	}
	return text
}

// word keeps the letters and digits of a code.
func word(s string) string {
	keep := func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r == '_' || r == '-' {
			return r
		}
		return -1
	}
	if len(s) > 32 {
		s = s[:32]
	}
	return strings.Map(keep, s)
}

// Rescale returns slope and intercept where all planes share them, else 1 and 0.
func (v *Volume) Rescale() (slope, inter float64) {
	slope, inter = v.Planes[0].Slope, v.Planes[0].Inter
	for _, p := range v.Planes {
		if p.Slope != slope || p.Inter != inter {
			return 1, 0
		}
	}
	if v.Layout.Samples > 1 || v.Planes[0].File.Set.Has(tagModalityLUT) {
		return 1, 0
	}
	return slope, inter
}

// Check holds all files against the limit on bytes of voxels, and against what they promise.
func (v *Volume) Check(limit int64) error {
	var last *File
	for _, p := range v.Planes {
		if p.File == last {
			continue
		}
		last = p.File
		if err := last.Check(limit); err != nil {
			return err
		}
	}
	size := v.Size()
	need := 4 * int64(v.Components())
	for _, n := range []int{size[0], size[1], size[2], v.Times} {
		if need > limit/int64(n) {
			e := last.fault("size", volume.ErrTooLarge)
			e.Want, e.Got = fmt.Sprintf("at most %d bytes of voxels", limit), fmt.Sprintf("%v voxels at %d times", size, v.Times)
			e.Advice = "the limit (Options.MaxBytes) is too low for this image, or a header is damaged"
			return e
		}
		need *= int64(n)
	}
	return nil
}

// Verify decodes the first frame of compressed pixels, so that memory for all of them is taken only once the
// header was seen to tell the truth.
func (v *Volume) Verify(limit int64) error {
	p := v.Planes[0]
	if !p.File.pixels.undefined() {
		return nil
	}
	px, err := p.File.Pixels(limit)
	if err != nil {
		return err
	}
	defer px.Close()
	if len(v.Planes) == 1 && px.FrameBytes() < 1<<26 {
		return nil // decoded at once, and checked then
	}
	_, err = px.Frame(p.Frame)
	return err
}

// Mendable reports whether interpolation between slices can make a volume of the planes.
func (v *Volume) Mendable() bool {
	return v.Problem != nil && !v.Segmented && len(v.Positions) == v.Slices && v.Slices > 1 && v.Slices*v.Times == len(v.Planes)
}

// PlaneOf returns the plane of a frame of the only file, or of a place in the volume.
func (v *Volume) PlaneOf(i int, asFile bool) *Plane {
	if asFile && v.Planes[i].Frame != i {
		for k := range v.Planes {
			if v.Planes[k].Frame == i {
				return &v.Planes[k]
			}
		}
	}
	return &v.Planes[i]
}

// Lookup returns the Modality LUT of the first file, nil where there is none.
func (v *Volume) Lookup() (func(int) float64, error) {
	f := v.Planes[0].File
	l, ok, err := f.modalityLUT(v.Layout)
	if err != nil || !ok {
		return nil, err
	}
	return func(i int) float64 { return float64(l.at(i)) }, nil
}

// Syntax returns the UID of the transfer syntax of the first file.
func (v *Volume) Syntax() string { return v.Planes[0].File.syntax.uid }

// Files returns how many files the volume was made of.
func (v *Volume) Files() int {
	seen := map[*File]bool{}
	for _, p := range v.Planes {
		seen[p.File] = true
	}
	return len(seen)
}
