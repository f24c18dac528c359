package view

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"

	"github.com/nitrain/nitrain/imageio"
)

// Slice says which slice of a scan a thumbnail shows and what lies over it.
type Slice struct {
	Plane  Plane          // Acquired by default
	Index  *int           // voxel index across the plane; nil: where the truth, or else the segmentation, shows most
	Seg    *imageio.Image // outlined in its labels' colours
	Truth  *imageio.Image // outlined in white
	Heat   *imageio.Image // laid over in colour
	Labels []Label
	Window [2]float64 // as in Options
	Size   int        // pixels of the longer side, 256 by default
}

// Thumbnail returns a small picture of one slice as PNG, for reports and pages. It has no letters; the
// orientation is that of Montage.
func Thumbnail(scan *imageio.Image, t Slice) ([]byte, error) {
	guide := t.Truth
	if guide == nil || empty(guide) {
		guide = t.Seg
	}
	if guide != nil && empty(guide) {
		guide = nil
	}
	o := Options{Seg: guide, Heat: t.Heat, Labels: t.Labels, Window: t.Window}
	s, err := newScene(scan, o)
	if err != nil {
		return nil, err
	}
	which := t.Plane
	if which == Acquired {
		which = acquired(scan)
	}
	p := planeOf(scan, which)
	p.index = s.middle()[p.normal]
	if t.Index != nil {
		if *t.Index < 0 || *t.Index >= scan.Grid.Size[p.normal] {
			return nil, fmt.Errorf("view: slice index: want 0 to %d, got %d", scan.Grid.Size[p.normal]-1, *t.Index)
		}
		p.index = *t.Index
	}
	size := t.Size
	if size <= 0 {
		size = 256
	}
	one := row{planes: []plane{p}, heat: t.Heat != nil}
	w, h := s.panelPixels(p, s.scaleFor([]row{one}, size))
	canvas := image.NewRGBA(image.Rect(0, 0, w, h))
	s.panel(canvas, canvas.Bounds(), one)
	for _, l := range []struct {
		seg    *imageio.Image
		colour func(int) color.RGBA
	}{{t.Truth, truthColour}, {t.Seg, s.colourOf}} {
		o, err := newOverlay("segmentation", l.seg, scan.Grid)
		if err != nil {
			return nil, err
		}
		s.outline(canvas, canvas.Bounds(), p, line{o, l.colour})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, canvas); err != nil {
		return nil, fmt.Errorf("view: %w", err)
	}
	return b.Bytes(), nil
}

// line is a label map whose regions are outlined.
type line struct {
	seg    *overlay // nil: nothing
	colour func(label int) color.RGBA
}

func truthColour(int) color.RGBA { return color.RGBA{255, 255, 255, 255} }

// outline draws the rims of a label map's regions.
func (s *scene) outline(canvas *image.RGBA, at image.Rectangle, p plane, l line) {
	if l.seg == nil {
		return
	}
	with := *s
	with.seg = l.seg
	w, h := at.Dx(), at.Dy()
	labels := with.labelsOf(p, w, h, true)
	thick := 1
	if w >= smallPanel {
		thick = 2
	}
	for y := range h {
		for x := range w {
			if v := labels[y*w+x]; v != 0 && inside(labels, x, y, w, h, thick) {
				canvas.SetRGBA(at.Min.X+x, at.Min.Y+y, blend(canvas.RGBAAt(at.Min.X+x, at.Min.Y+y), l.colour(v), 0.9))
			}
		}
	}
}

// inside reports whether a region of a smaller value, or none, begins within so many pixels: the line
// between two regions is drawn once, in the colour of the larger value.
func inside(labels []int, x, y, w, h, thick int) bool {
	for d := 1; d <= thick; d++ {
		for _, q := range [4][2]int{{x - d, y}, {x + d, y}, {x, y - d}, {x, y + d}} {
			if q[0] >= 0 && q[1] >= 0 && q[0] < w && q[1] < h && labels[q[1]*w+q[0]] < labels[y*w+x] {
				return true
			}
		}
	}
	return false
}

func empty(im *imageio.Image) bool {
	for _, v := range im.Data {
		if v != 0 {
			return false
		}
	}
	return true
}
