package bundle

import (
	"slices"

	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/predict"
)

// inferers returns a test for the inferers that are understood.
func inferers() func(string) bool {
	return among("SimpleInferer", "SlidingWindowInferer", "SlidingWindowInfererAdapt", "SliceInferer")
}

// infer translates the inferer.
func (t *translator) infer(v any) {
	c, ok := v.(*Component)
	if !ok {
		if v != nil {
			t.refuse("inferer", "inferer", "%s: no class can be told from it", describe(v))
		}
		return
	}
	name, _ := className(c.Target, inferers())
	if name == "" {
		t.refuse(c.Target, c.ID, "%s", foreign(c.Target))
		return
	}
	if why := componentFault(c); why != "" {
		t.refuse(c.Target, c.ID, "%s", why)
		return
	}
	a := t.newArgs(c, c.Target)
	switch name {
	case "SimpleInferer":
	case "SliceInferer":
		t.slices = a.int("spatial_dim", 0)
		if t.slices < 0 || t.slices > 2 {
			a.fault("spatial_dim", "want 0, 1 or 2, got %d", t.slices)
			t.slices = 0
		}
		fallthrough
	default:
		t.window(a)
	}
	a.done()
}

// window translates what the sliding inferers have in common.
func (t *translator) window(a *args) {
	s := t.chosen()
	if s == nil {
		s = &stream{axes: []int{0, 1, 2}[:t.dims]}
	}
	a.understood(devices()...)
	a.understood("progress", "cache_roi_weight_map", "cpu_thresh", "buffer_steps", "buffer_dim")
	a.off("coordinates of the window as another input are not what a Spec says", "with_coord")
	if v := a.floatOr("cval", 0); v != 0 {
		a.fault("cval", "only zeros may stand outside of an image")
	}
	tile := &predict.Tile{Rule: patch.MONAI, Batch: a.int("sw_batch_size", 1)}
	tile.Size = t.roi(a, s)
	tile.Overlap = t.overlap(a, s)
	tile.Blend = choice(a, "mode", map[string]patch.Blend{"": patch.Uniform, "constant": patch.Uniform, "gaussian": patch.Gaussian})
	if sigma := a.floats("sigma_scale"); len(sigma) > 0 && tile.Blend == patch.Gaussian {
		if tile.Sigma = sigma[0]; slices.Max(sigma) != slices.Min(sigma) {
			a.fault("sigma_scale", "one number for each axis is not what a Spec says")
		}
	}
	tile.Pad = t.outside(a)
	t.spec.Tile = tile
}

// outside reads what stands around an image that is smaller than a window.
func (t *translator) outside(a *args) patch.Edge {
	return choice(a, "padding_mode", map[string]patch.Edge{
		"": patch.Constant, "constant": patch.Constant, "replicate": patch.Replicate, "reflect": patch.Reflect, "circular": patch.Circular,
	})
}

// perAxis puts values along the array's axes, the slices' left out, at the image's.
func (t *translator) perAxis(a *args, name string, s *stream, v []float64, put func(axis int, v float64)) {
	var axes []int
	for i, axis := range s.axes {
		if i != t.slices {
			axes = append(axes, axis)
		}
	}
	if len(v) == 1 {
		v = slices.Repeat(v, len(axes))
	}
	if len(v) != len(axes) {
		a.fault(name, "want 1 or %d numbers, got %d", len(axes), len(v))
		return
	}
	for i, axis := range axes {
		put(axis, v[i])
	}
}

func (t *translator) roi(a *args, s *stream) [3]int {
	var size [3]int
	roi := a.ints("roi_size")
	if len(roi) == 0 {
		a.fault("roi_size", "is missing")
		return size
	}
	v := make([]float64, len(roi))
	for i := range roi {
		v[i] = float64(max(roi[i], 0))
	}
	for i := len(s.axes); i < 3; i++ {
		size[i] = 1
	}
	if t.slices >= 0 && t.slices < len(s.axes) {
		size[s.axes[t.slices]] = 1
	}
	t.perAxis(a, "roi_size", s, v, func(axis int, v float64) { size[axis] = int(v) })
	return size
}

func (t *translator) overlap(a *args, s *stream) predict.Overlap {
	v := a.floats("overlap")
	if len(v) == 0 {
		return predict.Overlap{0.25, 0.25, 0.25}
	}
	if len(v) == 1 {
		return predict.Overlap{v[0], v[0], v[0]}
	}
	var o predict.Overlap
	if t.slices >= 0 && len(v) == 3 { // one for the slices too, which are one thick
		v = slices.Delete(slices.Clone(v), t.slices, t.slices+1)
	}
	t.perAxis(a, "overlap", s, v, func(axis int, v float64) { o[axis] = v })
	return o
}
