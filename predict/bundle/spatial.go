package bundle

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/transform"
)

// spatialSteps are the transforms that move, turn, cut or scale.
func spatialSteps() []step {
	return []step{
		{"Orientation", "`orient`", (*translator).orientation},
		{"Spacing", "`spacing`, rule monai", (*translator).spacing},
		{"Resize", "`resize`; the default mode is area", (*translator).resize},
		{"Zoom", "`zoom`; the default mode is area", (*translator).zoom},
		{"CropForeground", "`crop_foreground`", (*translator).cropForeground},
		{"CenterSpatialCrop", "`center_crop`", (*translator).centerCrop},
		{"SpatialPad", "`pad`", (*translator).pad},
		{"DivisiblePad", "`pad_multiple`", (*translator).padMultiple},
		{"ResizeWithPadOrCrop", "`pad` and `center_crop`", (*translator).padOrCrop},
		{"Flip", "`orient`, where an Orientation came before", (*translator).flip},
		{"Rotate90", "`orient`, where an Orientation came before", (*translator).rotate90},
		{"Transpose", "`input.layout`", (*translator).transpose},
	}
}

func (t *translator) orientation(a *args, s *stream) {
	if v, ok := a.get("labels"); ok && !plainLabels(v) {
		a.fault("labels", "other names of the axes than L R, P A, I S are not understood")
	}
	codes := strings.Join(a.texts("axcodes"), "")
	if a.bool("as_closest_canonical") {
		codes = "RAS"
	}
	if len(codes) == 2 && t.dims == 2 {
		codes += "S"
	}
	if codes == "" {
		a.fault("axcodes", "is missing")
		return
	}
	t.orient(a, s, codes)
}

// plainLabels reports whether the names of the axes' ends are the usual ones.
func plainLabels(v any) bool {
	list, _ := v.([]any)
	want := []string{"LR", "PA", "IS"}
	for i, x := range list {
		pair, _ := x.([]any)
		if i > 2 || len(pair) != 2 || describe(pair) != fmt.Sprintf("[%q, %q]", want[i][:1], want[i][1:]) {
			return false
		}
	}
	return len(list) == 3
}

func (t *translator) spacing(a *args, s *stream) {
	a.understood("dtype", "ensure_same_shape", "align_corners", "recompute_affine")
	a.off("sizes by the extent of the voxels are not what a Spec says", "scale_extent")
	a.off("a resampling that depends on the image's own spacing is not what a Spec says", "min_pixdim", "max_pixdim")
	if !slices.IsSorted(s.axes) {
		a.refuse(a.item, a.where, "after axes were exchanged by Transpose the affine no longer fits them")
		return
	}
	step := transform.Spacing{Rule: transform.MONAI, MM: transform.Vector{-1, -1, -1}}
	mm := a.floats("pixdim")
	if len(mm) == 0 {
		a.fault("pixdim", "is missing")
		return
	}
	for i := range t.dims {
		step.MM[i] = mm[min(i, len(mm)-1)]
		if step.MM[i] <= 0 || math.IsNaN(step.MM[i]) {
			step.MM[i] = -1
		}
	}
	step.Diagonal = a.bool("diagonal")
	step.Interpolation = a.sampling("mode")
	step.Edge = a.edge("padding_mode")
	s.sized = true
	a.add(s, step)
}

// sampling reads a mode of grid_sample.
func (a *args) sampling(name string) transform.Interpolation {
	return choice(a, name, map[string]transform.Interpolation{
		"": transform.Linear, "bilinear": transform.Linear, "trilinear": transform.Linear, "linear": transform.Linear, "1": transform.Linear,
		"nearest": transform.Nearest, "0": transform.Nearest,
		"3": transform.Cubic,
	})
}

func (a *args) edge(name string) transform.Edge {
	return choice(a, name, map[string]transform.Edge{
		"": transform.Border, "border": transform.Border, "zeros": transform.Zeros, "reflection": transform.Reflect,
	})
}

// stretching reads a mode of interpolate.
func (a *args) stretching(name string) transform.Interpolation {
	return choice(a, name, map[string]transform.Interpolation{
		"": transform.Area, "area": transform.Area,
		"bilinear": transform.Linear, "trilinear": transform.Linear, "linear": transform.Linear,
		"nearest": transform.Nearest, "nearest-exact": transform.NearestExact,
	})
}

// size reads sizes along the array's axes and puts them at the image's; -1 keeps an axis.
func (t *translator) size(a *args, name string, s *stream) (size [3]int, ok bool) {
	n := a.ints(name)
	if len(n) == 1 {
		n = slices.Repeat(n, len(s.axes))
	}
	if len(n) != len(s.axes) {
		a.fault(name, "want 1 or %d numbers, got %d", len(s.axes), len(n))
		return size, false
	}
	for i, v := range n {
		size[s.axes[i]] = max(v, -1)
	}
	return size, true
}

func (t *translator) resize(a *args, s *stream) {
	a.understood("dtype")
	a.only("size_mode", "a size of the longest axis is not what a Spec says", "all")
	step := transform.Resize{Interpolation: a.stretching("mode"), AlignCorners: a.bool("align_corners"), AntiAliasing: a.bool("anti_aliasing")}
	if sigma := a.floats("anti_aliasing_sigma"); len(sigma) == 1 {
		step.Sigma = transform.Factors{sigma[0], sigma[0], sigma[0]}
	} else if len(sigma) == len(s.axes) {
		for i, v := range sigma {
			step.Sigma[s.axes[i]] = v
		}
	} else if len(sigma) > 0 {
		a.fault("anti_aliasing_sigma", "want 1 or %d numbers, got %d", len(s.axes), len(sigma))
	}
	size, ok := t.size(a, "spatial_size", s)
	if !ok {
		return
	}
	step.Size, s.sized = size, true
	a.add(s, step)
}

func (t *translator) zoom(a *args, s *stream) {
	a.understood("dtype")
	factors := a.floats("zoom")
	if len(factors) == 1 {
		factors = slices.Repeat(factors, len(s.axes))
	}
	if len(factors) != len(s.axes) {
		a.fault("zoom", "want 1 or %d numbers, got %d", len(s.axes), len(factors))
		return
	}
	step := transform.Zoom{
		Factor: transform.Factors{1, 1, 1}, Interpolation: a.stretching("mode"),
		AlignCorners: a.bool("align_corners"), KeepSize: a.boolOrTrue("keep_size"),
	}
	for i, f := range factors {
		step.Factor[s.axes[i]] = f
	}
	a.only("padding_mode", "only the border voxels are understood", "edge")
	s.sized = true
	a.add(s, step)
}

func (t *translator) cropForeground(a *args, s *stream) {
	a.understood("start_coord_key", "end_coord_key", "return_coords")
	if a.keys > 0 {
		if key := a.text("source_key"); key == "" || t.streams[key] != s {
			a.fault("source_key", "a crop to the foreground of another image (%q) is not what a Spec says", key)
		}
	}
	a.off("a crop to the foreground of some channels is not what a Spec says", "channel_indices")
	if k := a.ints("k_divisible"); slices.ContainsFunc(k, func(n int) bool { return n > 1 }) {
		a.fault("k_divisible", "sizes rounded up to a multiple while cropping are not what a Spec says")
	}
	step := transform.CropForeground{AllowSmaller: a.bool("allow_smaller"), Above: t.foreground(a)}
	margin := a.ints("margin")
	if len(margin) == 1 {
		margin = slices.Repeat(margin, len(s.axes))
	}
	for i, m := range margin {
		if i < len(s.axes) {
			step.Margin[s.axes[i]] = m
		}
	}
	padded := step.Margin != transform.Each{} && !step.AllowSmaller
	if mode := a.text("mode"); padded && mode != "" && mode != "constant" {
		a.fault("mode", "%q: only zeros may fill what a margin takes from outside of the image", mode)
	}
	for _, name := range []string{"value", "constant_values"} {
		if v := a.floatOr(name, 0); padded && v != 0 {
			a.fault(name, "only zeros may fill what a margin takes from outside of the image")
		}
	}
	if _, said := a.args.get("allow_smaller"); !said && padded && t.older(1, 5) {
		t.note("CropForeground of MONAI before 1.5 cut the margin off at the image's border; here it is filled with zeros, as MONAI has it now")
	}
	s.sized = true
	a.add(s, step)
}

// older reports whether the bundle was made for a MONAI before a version.
func (t *translator) older(major, minor int) bool {
	var x, y int
	n, _ := fmt.Sscanf(t.b.metadata.text("monai_version"), "%d.%d", &x, &y)
	return n == 2 && (x < major || x == major && y < minor)
}

func (t *translator) centerCrop(a *args, s *stream) {
	if size, ok := t.size(a, "roi_size", s); ok {
		s.sized = true
		a.add(s, transform.CenterCrop{Size: size})
	}
}

func (t *translator) pad(a *args, s *stream) {
	value, mode, method := a.padding()
	if size, ok := t.size(a, "spatial_size", s); ok {
		s.sized = true
		a.add(s, transform.Pad{Size: size, Value: value, Mode: mode, Method: method})
	}
}

func (t *translator) padMultiple(a *args, s *stream) {
	value, mode, method := a.padding()
	if size, ok := t.size(a, "k", s); ok {
		step := transform.PadMultiple{Value: value, Mode: mode, Method: method}
		for i, k := range size {
			step.K[i] = max(k, 0)
		}
		s.sized = true
		a.add(s, step)
	}
}

func (t *translator) padOrCrop(a *args, s *stream) {
	value, mode, method := a.padding()
	size, ok := t.size(a, "spatial_size", s)
	if !ok {
		return
	}
	s.sized = true
	a.add(s, transform.CenterCrop{Size: size})
	a.add(s, transform.Pad{Size: size, Value: value, Mode: mode, Method: method})
}

// padding reads what the padding transforms have in common.
func (a *args) padding() (value float64, mode transform.PadMode, method transform.PadMethod) {
	value = a.floatOr("value", a.floatOr("constant_values", 0))
	mode = choice(a, "mode", map[string]transform.PadMode{
		"": transform.PadConstant, "constant": transform.PadConstant, "edge": transform.PadEdge, "replicate": transform.PadEdge,
		"reflect": transform.PadReflect, "symmetric": transform.PadSymmetric,
	})
	if mode != transform.PadConstant {
		value = 0
	}
	method = choice(a, "method", map[string]transform.PadMethod{
		"": transform.PadAround, "symmetric": transform.PadAround, "end": transform.PadEnd,
	})
	return value, mode, method
}

// flip turns axes round, which is an orientation with the opposite letters.
func (t *translator) flip(a *args, s *stream) {
	axes := a.ints("spatial_axis")
	if _, ok := a.args.get("spatial_axis"); !ok || len(axes) == 0 {
		for i := range s.axes {
			axes = append(axes, i)
		}
	}
	t.turn(a, s, func(codes []byte) bool {
		for _, x := range axes {
			if x < 0 {
				x += len(s.axes)
			}
			if x < 0 || x >= len(s.axes) {
				return false
			}
			codes[x] = imageio.Opposite(codes[x])
		}
		return true
	})
}

func (t *translator) rotate90(a *args, s *stream) {
	k := a.int("k", 1)
	axes := a.ints("spatial_axes")
	if len(axes) == 0 {
		axes = []int{0, 1}
	}
	t.turn(a, s, func(codes []byte) bool {
		for i := range axes {
			if axes[i] < 0 {
				axes[i] += len(s.axes)
			}
		}
		if len(axes) != 2 || axes[0] == axes[1] || min(axes[0], axes[1]) < 0 || max(axes[0], axes[1]) >= len(s.axes) {
			return false
		}
		x, y := axes[0], axes[1]
		for range ((k % 4) + 4) % 4 { // NumPy's rot90: out[i, j] = in[j, n-1-i]
			codes[x], codes[y] = imageio.Opposite(codes[y]), codes[x]
		}
		return true
	})
}

// turn changes the letters of the orientation that an earlier step has fixed.
func (t *translator) turn(a *args, s *stream, change func(codes []byte) bool) {
	if len(s.codes) != 3 {
		a.refuse(a.item, a.where, "turns the image by its array's axes; only after an Orientation is it known which those are")
		return
	}
	codes := []byte(s.codes)
	if !change(codes) {
		a.refuse(a.item, a.where, "names an axis that there is not")
		return
	}
	t.orient(a, s, string(codes))
}

// transpose changes the order of the array's axes, which is the tensor's layout.
func (t *translator) transpose(a *args, s *stream) {
	order := a.ints("indices")
	if len(order) != len(s.axes)+1 || order[0] != 0 {
		a.fault("indices", "want an order of %d axes whose first is the channels', got %v", len(s.axes)+1, order)
		return
	}
	axes := make([]int, len(s.axes))
	for i, o := range order[1:] {
		if o < 1 || o > len(s.axes) || slices.Contains(order[1:i+1], o) {
			a.fault("indices", "%v is no order of the axes", order)
			return
		}
		axes[i] = s.axes[o-1]
	}
	s.axes = axes
}
