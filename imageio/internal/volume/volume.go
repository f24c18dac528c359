// Package volume holds what the parsers of the single formats share: the description of a stored
// volume, the types of its samples, the errors, and the streams that its bytes come from.
package volume

import "math"

// Header describes the samples of a file and where they are, as a format's parser found it.
type Header struct {
	Format        string        // "nifti1", "nifti2", "mgh"
	Type          Type          // of one stored sample
	Comps         int           // samples of Type that a voxel has, fastest in the file and no axis of Shape; 0: as the type says
	Frames        int           // of Comps, the fastest ones are so many points in time; 0: none are
	Step          float64       // distance of the frames
	Source        Source        // where the samples are; nil: from Offset of the header's file or, of a pair, the other one
	Big           bool          // big endian
	Shape         []int         // as the file has it, all positive
	Offset        int64         // of the first sample
	Pair          bool          // the samples are in another file than the header
	Zooms         []float64     // one per axis of Shape
	Affine        [4][4]float64 // voxel centres to RAS+ mm
	AffineSource  string        // where the affine came from
	Spatial       bool          // false: the file has no geometry and Affine is as stored
	Slope, Inter  float64       // scaling; 1 and 0 mean none
	SformCode     int
	Qform         *[4][4]float64 // the quaternion's affine where there is a usable one
	QformCode     int
	Intent        int
	Units         uint8
	Extensions    []Extension
	BadExtensions bool // extensions were damaged, so Offset may be too
	Warnings      []string
}

// Extension is one block of application data behind a NIfTI header.
type Extension struct {
	Code int
	Data []byte
}

// Components returns the samples that each voxel of Shape has: 1, unless colours or vectors are stored together.
func (h *Header) Components() int {
	if h.Comps > 0 {
		return h.Comps
	}
	return h.Type.Components()
}

// Part returns the type of one component: of colours, the bytes that they are made of.
func (h *Header) Part() Type {
	if h.Type.Components() > 1 {
		return Uint8
	}
	return h.Type
}

// Scaled reports whether slope and intercept change the samples.
func (h *Header) Scaled() bool {
	return (h.Slope != 1 || h.Inter != 0) && h.Type.Components() == 1 // colours are never scaled
}

// Warn notes what was wrong and how it was mended.
func (h *Header) Warn(text string) { h.Warnings = append(h.Warnings, text) }

// Bytes returns the number of bytes that the samples take in the file, and whether it is a sane number.
func (h *Header) Bytes() (int64, bool) {
	n := int64(h.Part().Size())
	for _, d := range append([]int{h.Components()}, h.Shape...) {
		if d < 1 || n > math.MaxInt64/int64(d) {
			return 0, false
		}
		n *= int64(d)
	}
	return n, true
}
