package bundle

import (
	"slices"
	"strings"

	"github.com/nitrain/nitrain/imageio/transform"
)

const nothing = "nothing: every image here is float32 with a channel axis, a grid and its file's name"

// plainSteps are the transforms that load images or move them between forms that are one here.
func plainSteps() []step {
	return []step{
		{"LoadImage", "nothing: images are read from files (NIfTI, DICOM, NRRD, PNG, JPEG, ...)", (*translator).load},
		{"EnsureChannelFirst", nothing, plain("strict_check", "channel_dim")},
		{"AddChannel", nothing, plain()},
		{"AsChannelFirst", nothing, plain("channel_dim")},
		{"EnsureType", nothing, (*translator).castFloat},
		{"CastToType", nothing, (*translator).castFloat},
		{"ToTensor", nothing, (*translator).castFloat},
		{"ToNumpy", nothing, (*translator).castFloat},
		{"ToCupy", nothing, (*translator).castFloat},
		{"ToDevice", nothing, plain()},
		{"FromMetaTensor", nothing, plain("data_type")},
		{"ToMetaTensor", nothing, plain()},
		{"DeleteItems", nothing, plain("sep", "use_re")},
		{"SelectItems", nothing, plain()},
		{"FlattenSubKeys", nothing, plain("sub_keys", "delete_keys", "prefix")},
		{"SqueezeDim", "nothing, where it removes the last axis", (*translator).squeeze},
		{"Identity", nothing, plain()},
		{"DataStats", nothing, plain("prefix", "data_type", "data_shape", "value_range", "data_value", "meta_info", "additional_info", "name")},
		{"SimulateDelay", nothing, plain("delay_time")},
	}
}

// plain is a transform that means nothing here, with the parameters that it may have.
func plain(params ...string) func(*translator, *args, *stream) {
	return func(_ *translator, a *args, _ *stream) { a.understood(params...) }
}

// castFloat is a change of type or form, which must leave the samples as they are.
func (t *translator) castFloat(a *args, _ *stream) {
	a.understood("data_type", "wrap_sequence", "track_meta")
	a.only("dtype", "samples are float32 here, and this type would round or cut them", floats()...)
}

// floats are the names of the types that hold the samples as they are, or better.
func floats() []string { return []string{"float32", "float64", "float", "double", "None"} }

func (t *translator) load(a *args, s *stream) {
	a.understood("image_only", "ensure_channel_first", "simple_keys", "prune_meta_pattern", "prune_meta_sep", "expanduser",
		"overwriting", "series_name", "series_meta", "channel_dim", "squeeze_non_spatial_dims", "defer_size", "force", "label_dict", "fname_regex")
	a.only("dtype", "samples are float32 here, and this type would round or cut them", floats()...)
	s.loaded = true
	if !a.boolOrTrue("affine_lps_to_ras") {
		a.fault("affine_lps_to_ras", "an affine that stays in LPS turns images round")
	}
	if a.bool("as_closest_canonical") {
		t.orient(a, s, "RAS")
	}
	rows := a.boolOrTrue("reverse_indexing")
	pil := t.reader(a)
	_, set := a.args.get("reverse_indexing")
	switch {
	case set && pil && !rows && len(s.axes) == 2:
		s.axes = []int{1, 0}
	case set && !(pil && rows):
		a.fault("reverse_indexing", "arrays in this order of axes are not understood")
	}
	if !a.boolOrTrue("swap_ij") {
		a.fault("swap_ij", "arrays in this order of axes are not understood")
	}
	t.converter(a)
}

// reader checks the reader's name and reports whether it is the one for photographs.
func (t *translator) reader(a *args) (pil bool) {
	v, ok := a.get("reader")
	if !ok {
		return true // chosen by the file's name
	}
	list, is := v.([]any)
	if !is {
		list = []any{v}
	}
	for _, x := range list {
		var name string
		switch x := x.(type) {
		case string:
			name = x
		case *Symbol:
			name = x.Name
		case *Component:
			name = x.Target
			if len(x.Args.keys) > 0 {
				a.fault("reader", "%s with parameters of its own (%s)", x.Target, strings.Join(x.Args.keys, ", "))
			}
		}
		name = strings.ToLower(name[strings.LastIndexByte(name, '.')+1:])
		pil = pil || name == "pilreader"
		if !slices.Contains([]string{"itkreader", "nibabelreader", "nrrdreader", "pilreader", "pydicomreader"}, name) {
			a.fault("reader", "%s is not understood", describe(x))
		}
	}
	return pil
}

// converter recognises what may be done to a photograph while it is read.
func (t *translator) converter(a *args) {
	a.used["converter"] = true
	v, ok := a.args.get("converter")
	if !ok || v == nil {
		return
	}
	o, _ := v.(*Opaque)
	if o != nil && o.tree != nil {
		switch t.r.canonical(o.tree) {
		case `lambda1:_0.convert("RGB")`:
			t.note("grey pictures are not made RGB, as the bundle's reader does: give pictures with 3 channels")
			return
		case "lambda1:_0":
			return
		}
	}
	a.fault("converter", "%s is not understood", describe(v))
}

func (t *translator) squeeze(a *args, s *stream) {
	a.understood("update_meta")
	if d := a.int("dim", 0); d != -1 && d != len(s.axes)+1 {
		a.fault("dim", "axis %d may be one that matters", d)
	}
}

// orient adds a turn of the axes.
func (t *translator) orient(a *args, s *stream, codes string) {
	if !slices.IsSorted(s.axes) {
		a.refuse(a.item, a.where, "after axes were exchanged by Transpose the affine no longer fits them")
		return
	}
	s.codes = codes
	a.add(s, transform.Orient{Axes: codes})
}
