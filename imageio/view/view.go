// Package view draws pictures of scans, segmentations and heat maps.
//
// Pictures follow the radiologists' convention: axial and coronal slices as seen from the feet and from the
// front, so that the patient's right is on the left, anterior or superior up; sagittal slices with
// anterior on the left. Slices are those of the voxel grid, named after the nearest anatomical
// plane, and every millimetre takes the same room in both directions.
package view

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"

	"github.com/nitrain/nitrain/imageio"
)

// Options say what is drawn beside the scan. The zero value draws the scan alone.
type Options struct {
	Seg     *imageio.Image // label map on any grid, laid over by world position
	Heat    *imageio.Image // heat map on any grid; one with negative values gets two colours
	Labels  []Label        // names and colours; labels that are missing get a number and Color
	Grid    bool           // evenly spaced slices of one plane instead of three planes
	Plane   Plane          // of Grid
	Window  [2]float64     // intensities shown black and white; equal: 1 and 99 % of what is not background
	Channel int            // of the scan
	Title   string         // above the picture
	Through *[3]int        // voxel of the scan that the three planes go through; nil: chosen
	// Histogram adds a panel with the frequencies of the intensities and the window.
	Histogram bool
}

// Label names a value of a label map and may give it a colour; the zero colour means Color(Value).
type Label struct {
	Value int
	Name  string
	Color color.RGBA
}

// Sizes in pixels.
const (
	panelSize  = 420 // of the longest side of a panel
	singleSize = 720 // the same where there is only one panel
	tileSize   = 190 // the same in a grid of slices
	smallPanel = 200 // a narrower panel has fewer letters and thinner lines
	gap        = 10
	margin     = 14
)

// Montage draws the scan in three planes through the middle of the segmentation (where most of its labels
// show), of the heat, or of the bright content; a second and third row lay segmentation and heat
// over it. A 2-D scan has one plane. Below stand the legend with volumes and the heat's scale.
func Montage(scan *imageio.Image, o Options) (image.Image, error) {
	s, err := newScene(scan, o)
	if err != nil {
		return nil, err
	}
	if o.Grid && s.depth() > 1 {
		return s.compose(s.gridRows(), tileSize)
	}
	planes := s.planes()
	size := panelSize
	if len(planes) == 1 {
		size = singleSize
	}
	rows := []row{{planes: planes}}
	if o.Seg != nil {
		rows = append(rows, row{planes: planes, seg: true})
	}
	if o.Heat != nil {
		rows = append(rows, row{planes: planes, heat: true, outline: o.Seg != nil})
	}
	if len(planes) == 1 && len(rows) > 1 { // one plane: side by side reads better than on top of each other
		size = panelSize
		return s.compose(sideBySide(rows), size)
	}
	return s.compose(rows, size)
}

// row is a line of panels with the same overlay. Panels of their own overlay are given by each.
type row struct {
	planes  []plane
	seg     bool // filled labels
	outline bool // labels as lines
	heat    bool
	lines   []line // further label maps as lines
	each    []row  // panel by panel instead of planes
}

func (r row) panels() []row {
	if r.each != nil {
		return r.each
	}
	var list []row
	for _, p := range r.planes {
		list = append(list, row{planes: []plane{p}, seg: r.seg, outline: r.outline, heat: r.heat, lines: r.lines})
	}
	return list
}

func sideBySide(rows []row) []row {
	var each []row
	for _, r := range rows {
		each = append(each, r.panels()...)
	}
	return []row{{each: each}}
}

// scene is a scan with all that is needed to draw slices of it.
type scene struct {
	o      Options
	scan   *imageio.Image
	window [2]float64
	core   [3][2]int // first and last voxel with content along each axis
	box    [3][2]int // the same with a margin: what is shown
	space  [3]float64
	seg    *overlay
	heat   *overlay
	top    float64 // heat drawn with full colour
	signed bool    // heat has negative values
	names  map[int]Label
	colour bool    // the scan is a colour picture
	more   []entry // further lines of the legend
}

func newScene(scan *imageio.Image, o Options) (*scene, error) {
	if scan == nil {
		return nil, errors.New("view: want a scan, got none")
	}
	if err := scan.Validate(); err != nil {
		return nil, fmt.Errorf("view: scan: %w", err)
	}
	if o.Channel < 0 || o.Channel >= scan.Channels {
		return nil, fmt.Errorf("view: scan has %d channels, got channel %d", scan.Channels, o.Channel)
	}
	if at := o.Through; at != nil {
		for axis, n := range scan.Grid.Size {
			if at[axis] < 0 || at[axis] >= n {
				return nil, fmt.Errorf("view: planes through voxel %v: want one of %v", *at, scan.Grid.Size)
			}
		}
	}
	s := &scene{o: o, scan: scan, space: scan.Grid.Spacing(), names: map[int]Label{}}
	s.colour = coloured(scan)
	for _, l := range o.Labels {
		s.names[l.Value] = l
	}
	var err error
	if s.seg, err = newOverlay("segmentation", o.Seg, scan.Grid); err != nil {
		return nil, err
	}
	if s.heat, err = newOverlay("heat map", o.Heat, scan.Grid); err != nil {
		return nil, err
	}
	s.window = o.Window
	if s.window[0] == s.window[1] {
		s.window = robustWindow(scan.Channel(o.Channel))
	}
	if s.colour {
		s.window = [2]float64{0, 255}
	}
	s.core = s.contentBox()
	s.box = s.withMargin(s.core)
	if o.Heat != nil {
		s.top, s.signed = heatRange(o.Heat.Channel(0))
	}
	return s, nil
}

// coloured reports whether an image's channels are red, green and blue of a byte each.
func coloured(im *imageio.Image) bool {
	if im.Channels < 3 || im.Source == nil {
		return false
	}
	switch im.Source.Stored {
	case "rgb24", "rgba32":
		return true
	case "uint8":
		return im.Source.Components == 3
	}
	return false
}

// depth is the number of voxels along the scan's third axis: 1 for a 2-D scan.
func (s *scene) depth() int { return s.scan.Grid.Size[2] }

// compose draws rows of panels and what belongs below them.
func (s *scene) compose(rows []row, size int) (image.Image, error) {
	pen := newPen()
	scale := s.scaleFor(rows, size)
	type placed struct {
		panel row
		at    image.Rectangle
	}
	var all []placed
	y, width := margin, 0
	if s.o.Title != "" {
		y += 26
	}
	for _, r := range rows {
		x, high := margin, 0
		for _, p := range r.panels() {
			w, h := s.panelPixels(p.planes[0], scale)
			all = append(all, placed{p, image.Rect(x, y, x+w, y+h)})
			x += w + gap
			high = max(high, h)
		}
		width = max(width, x-gap)
		y += high + gap
	}
	width = max(width+margin, 320)
	below := s.footer(pen, width)
	canvas := image.NewRGBA(image.Rect(0, 0, width, y+below.Bounds().Dy()+margin/2))
	draw.Draw(canvas, canvas.Bounds(), image.NewUniform(color.RGBA{16, 16, 18, 255}), image.Point{}, draw.Src)
	if s.o.Title != "" {
		pen.text(canvas, margin, margin+14, s.o.Title, white())
	}
	narrow := panelSize * 2
	for _, p := range all {
		narrow = min(narrow, p.at.Dx())
	}
	for i, p := range all {
		s.panel(canvas, p.at, p.panel)
		s.annotate(pen, canvas, p.at, p.panel.planes[0])
		if spatial(s.scan) && (i == 0 || !s.o.Grid) { // the same length in all panels
			scaleBar(pen, canvas, p.at, barLength(narrow, scale), scale)
		}
	}
	draw.Draw(canvas, below.Bounds().Add(image.Pt(0, y)), below, image.Point{}, draw.Over)
	return canvas, nil
}

// scaleFor returns the pixels per mm that make the longest side of all panels that many pixels.
func (s *scene) scaleFor(rows []row, size int) float64 {
	longest := 0.0
	for _, r := range rows {
		for _, p := range r.panels() {
			w, h := s.extent(p.planes[0])
			longest = max(longest, w, h)
		}
	}
	return float64(size) / longest
}

// extent returns width and height of a panel in mm.
func (s *scene) extent(p plane) (float64, float64) {
	side := func(axis int) float64 { return float64(s.box[axis][1]-s.box[axis][0]+1) * s.space[axis] }
	return side(p.u), side(p.v)
}

func (s *scene) panelPixels(p plane, scale float64) (int, int) {
	w, h := s.extent(p)
	return max(1, int(math.Round(w*scale))), max(1, int(math.Round(h*scale)))
}
