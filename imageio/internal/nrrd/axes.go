package nrrd

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// axis is what a header says about one axis.
type axis struct {
	size      int
	kind      string
	direction []float64 // nil: none
	spacing   float64   // NaN: not said
	low       float64   // "axis mins", NaN: not said
	cell      bool
}

func sizes(axes []axis) []int {
	s := make([]int, len(axes))
	for i, a := range axes {
		s[i] = a.size
	}
	return s
}

// parseAxes reads every field that has a value for each axis.
func parseAxes(field map[string]string) ([]axis, error) {
	n, err := strconv.Atoi(field["dimension"])
	if err != nil || n < 1 || n > 16 {
		return nil, bad("dimension", "1 to 16", field["dimension"])
	}
	axes := make([]axis, n)
	words := strings.Fields(field["sizes"])
	if len(words) != n {
		return nil, bad("sizes", fmt.Sprintf("%d numbers", n), field["sizes"])
	}
	for i, w := range words {
		size, err := strconv.ParseInt(w, 10, 32)
		if err != nil || size < 1 {
			return nil, bad("sizes", "numbers of 1 to 2147483647", w)
		}
		axes[i] = axis{size: int(size), spacing: math.NaN(), low: math.NaN()}
	}
	for i, w := range strings.Fields(field["kinds"]) {
		if i < n {
			axes[i].kind = strings.ToLower(w)
		}
	}
	for i, w := range strings.Fields(field["centers"]) {
		if i < n {
			axes[i].cell = w == "cell"
		}
	}
	if err := numbers("spacings", field["spacings"], axes, func(a *axis, v float64) { a.spacing = v }); err != nil {
		return nil, err
	}
	if err := numbers("axis mins", field["axismins"], axes, func(a *axis, v float64) { a.low = v }); err != nil {
		return nil, err
	}
	return axes, directions(field, axes)
}

func numbers(name, text string, axes []axis, set func(*axis, float64)) error {
	if text == "" {
		return nil
	}
	words := strings.Fields(text)
	if len(words) != len(axes) {
		return bad(name, fmt.Sprintf("%d numbers", len(axes)), text)
	}
	for i, w := range words {
		v, err := strconv.ParseFloat(w, 64)
		if err != nil {
			return bad(name, "numbers", w)
		}
		set(&axes[i], v)
	}
	return nil
}

func directions(field map[string]string, axes []axis) error {
	text := field["spacedirections"]
	if text == "" {
		return nil
	}
	vectors, err := parseVectors(text)
	if err != nil || len(vectors) != len(axes) {
		return bad("space directions", fmt.Sprintf("%d vectors or none", len(axes)), text)
	}
	for i, v := range vectors {
		axes[i].direction = v
	}
	return nil
}

// parseVectors reads (a,b,c) and none; a vector of NaN is how some programs write none.
func parseVectors(text string) ([][]float64, error) {
	var out [][]float64
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		if rest, ok := strings.CutPrefix(text, "none"); ok {
			out, text = append(out, nil), rest
			continue
		}
		inside, rest, ok := strings.Cut(text, ")")
		if !ok || !strings.HasPrefix(inside, "(") {
			return nil, fmt.Errorf("%w: vector", volume.ErrCorrupt)
		}
		text = rest
		var v []float64
		absent := 0
		for w := range strings.SplitSeq(inside[1:], ",") {
			f, err := strconv.ParseFloat(strings.TrimSpace(w), 64)
			if err != nil {
				return nil, fmt.Errorf("%w: vector", volume.ErrCorrupt)
			}
			if math.IsNaN(f) {
				absent++
			}
			v = append(v, f)
		}
		if absent == len(v) {
			v = nil
		}
		out = append(out, v)
	}
	return out, nil
}

// world is the space that the directions are in.
type world struct {
	dims int
	sign [3]float64 // to RAS+
	time bool       // the last dimension is time
	note string
}

func spaceOf(field map[string]string) (world, error) {
	name := strings.ToLower(strings.TrimPrefix(strings.ToLower(field["space"]), "3d-"))
	w := world{dims: 3, sign: [3]float64{-1, -1, 1}}
	base, timed := strings.CutSuffix(name, "-time")
	if timed {
		w.dims, w.time = 4, true
	}
	switch base {
	case "right-anterior-superior", "ras", "rast":
		w.sign = [3]float64{1, 1, 1}
	case "left-anterior-superior", "las", "last":
		w.sign = [3]float64{-1, 1, 1}
	case "left-posterior-superior", "lps", "lpst":
	case "scanner-xyz", "right-handed", "left-handed":
		w.note = fmt.Sprintf("space %q does not say where the patient's axes are: taken as left-posterior-superior", name)
	case "":
		w.note = "no space is named: axes taken as left-posterior-superior"
	default:
		return w, bad("space", "a space of NRRD", name)
	}
	if len(base) == 4 {
		w.dims, w.time = 4, true
	}
	if text := field["spacedimension"]; text != "" && name == "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 4 {
			return w, bad("space dimension", "1 to 4", text)
		}
		w.dims, w.time = n, n == 4
	}
	return w, nil
}

// geometry sets the affine and returns the indices of the spatial axes.
func geometry(h *volume.Header, field map[string]string, axes []axis) ([]int, error) {
	w, err := spaceOf(field)
	if err != nil {
		return nil, err
	}
	if w.note != "" {
		h.Warn(w.note)
	}
	spatial := spatialAxes(axes, w)
	if len(spatial) > 3 {
		return nil, &volume.FormatError{Format: format, Field: "space directions", Want: "at most 3 spatial axes", Got: strconv.Itoa(len(spatial)), Err: volume.ErrUnsupported}
	}
	columns := make([][3]float64, len(spatial))
	var origin [3]float64
	h.AffineSource = "spacings"
	for i, at := range spatial {
		a := axes[at]
		if a.direction != nil {
			h.AffineSource = "space directions"
			if len(a.direction) != w.dims {
				return nil, bad("space directions", fmt.Sprintf("vectors of %d numbers", w.dims), strconv.Itoa(len(a.direction)))
			}
			copy(columns[i][:], a.direction)
			continue
		}
		columns[i], origin[i] = a.plain(i)
	}
	if text := field["spaceorigin"]; text != "" && !strings.EqualFold(text, "none") {
		v, err := parseVectors(text)
		if err != nil || len(v) != 1 || len(v[0]) != w.dims {
			return nil, bad("space origin", fmt.Sprintf("a vector of %d numbers", w.dims), text)
		}
		copy(origin[:], v[0])
	}
	if w.dims < 3 {
		columns = flat(columns, w.dims)
	}
	m := volume.Axes(columns, origin)
	for i := range 3 {
		for j := range 4 {
			m[i][j] *= w.sign[i]
			if m[i][j] == 0 {
				m[i][j] = 0 // no negative zeros
			}
		}
	}
	h.Affine, h.Spatial = m, true
	units(h, field)
	return spatial, volume.CheckAffine(format, "space directions", m)
}

// flat gives axes of a plane, or a line, the remaining axes of the world.
func flat(columns [][3]float64, dims int) [][3]float64 {
	for i := dims; i < 3 && len(columns) == i; i++ {
		var e [3]float64
		e[i] = 1
		columns = append(columns, e)
	}
	return columns
}

// plain returns the axis' vector and its first centre from spacings and axis mins.
func (a axis) plain(i int) ([3]float64, float64) {
	var v [3]float64
	v[i] = 1
	if !math.IsNaN(a.spacing) && a.spacing != 0 {
		v[i] = a.spacing
	}
	if math.IsNaN(a.low) {
		return v, 0
	}
	if a.cell {
		return v, a.low + v[i]/2
	}
	return v, a.low
}

func units(h *volume.Header, field map[string]string) {
	for w := range strings.FieldsSeq(field["spaceunits"]) {
		if u := strings.ToLower(strings.Trim(w, `"`)); u != "mm" && u != "" && u != "millimeter" && u != "none" && u != "???" {
			h.Warn("space units are not mm and were not converted")
			return
		}
	}
}

// spatialAxes returns the axes that lie in space: those with directions, else those whose kind says so, else
// the first three.
func spatialAxes(axes []axis, w world) []int {
	var directed, kinds, any []int
	known := false
	for i, a := range axes {
		any = append(any, i)
		if a.direction != nil && !(w.time && onlyTime(a.direction)) {
			directed = append(directed, i)
		}
		switch a.kind {
		case "", "???", "none":
		case "domain", "space":
			known = true
			kinds = append(kinds, i)
		default:
			known = true
		}
	}
	switch {
	case directed != nil:
		return directed
	case known && kinds != nil:
		return kinds[:min(3, len(kinds))]
	}
	return any[:min(3, len(any))]
}

func onlyTime(v []float64) bool {
	return len(v) == 4 && v[0] == 0 && v[1] == 0 && v[2] == 0 && v[3] != 0
}

// arrange sets Shape and Comps: axes before the first spatial one are components, those behind the last
// follow, and where axes stand between, the samples are brought into that order.
func arrange(h *volume.Header, axes []axis, spatial []int) {
	first, last := spatial[0], spatial[len(spatial)-1]
	comps := 1
	for _, a := range axes[:first] {
		comps *= a.size
	}
	if first > 0 {
		h.Comps = comps
		if axes[0].kind == "list" || axes[0].kind == "time" {
			h.Frames, h.Step = axes[0].size, axes[0].step()
		}
	}
	for _, at := range spatial {
		h.Shape = append(h.Shape, axes[at].size)
	}
	others := append(between(first, last, spatial), tail(last, len(axes))...)
	for len(others) > 0 && len(h.Shape) < 3 {
		h.Shape = append(h.Shape, 1)
	}
	m := volume.Affine3(h.Affine)
	for j := range h.Shape {
		h.Zooms = append(h.Zooms, volume.Length(m[j]))
	}
	for _, at := range others {
		h.Shape = append(h.Shape, axes[at].size)
		h.Zooms = append(h.Zooms, axes[at].step())
	}
	if last-first+1 != len(spatial) {
		order := append(append(tail(-1, first), spatial...), others...)
		h.Source = &volume.Reordered{Source: h.Source, Sizes: sizes(axes), Order: order, Sample: h.Type.Size()}
	}
}

func (a axis) step() float64 {
	switch {
	case len(a.direction) == 4:
		return math.Abs(a.direction[3])
	case !math.IsNaN(a.spacing) && !math.IsInf(a.spacing, 0) && a.spacing > 0:
		return a.spacing
	}
	return 1
}

// tail returns the indices behind one, up to n.
func tail(behind, n int) []int {
	var out []int
	for i := behind + 1; i < n; i++ {
		out = append(out, i)
	}
	return out
}

// between returns the indices from first to last that are not spatial.
func between(first, last int, spatial []int) []int {
	var out []int
	for i := first; i <= last; i++ {
		found := false
		for _, s := range spatial {
			found = found || s == i
		}
		if !found {
			out = append(out, i)
		}
	}
	return out
}
