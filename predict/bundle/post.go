package bundle

import (
	"slices"

	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/predict"
)

// stage says what the network's result is at a place of the postprocessing.
type stage uint8

const (
	neverStage     stage = iota
	rawStage             // the network's output
	activatedStage       // after an activation
	pickedStage          // labels, or masks
)

// decoding is what the postprocessing does to the network's output.
type decoding struct {
	stage      stage
	activation predict.Activation
	pick       predict.Pick
	threshold  float64
	onehot     int   // classes that labels are spread over; 0: none
	inverted   stage // at which stage the result goes back to the image's grid
	nearest    bool
	keep       []transform.Keep
	keepFirst  bool   // components are removed before the way back
	marks      []mark // which channel is which value, the first that holds first
	values     []int  // a new value for each label
	old        []int  // of which these are the old ones
	saved      saving
}

// saving is what SaveImage says.
type saving struct {
	table    bool // a SaveClassification
	resample bool
	linear   bool
}

// postStep is one of the postprocessing transforms that is understood.
type postStep struct {
	name    string
	becomes string
	do      func(t *translator, a *args)
}

func postSteps() []postStep {
	return []postStep{
		{"Activations", "`decode.activation`", (*translator).activations},
		{"AsDiscrete", "`decode.pick`: argmax or a threshold", (*translator).asDiscrete},
		{"Invert", "`decode.restore`: where it stands in the list says what goes back to the scan's grid", nil},
		{"KeepLargestConnectedComponent", "`decode.keep`", (*translator).keepLargest},
		{"RemoveSmallObjects", "`decode.keep`", (*translator).removeSmall},
		{"MapLabelValue", "other values of `labels`", (*translator).mapLabels},
		{"Lambda", "where the function is recognised: `x[1:]`, nested `torch.where` on channels, `torch.nan_to_num`", (*translator).lambdaPost},
		{"SaveImage", "nothing: prediction writes its own files", (*translator).saveImage},
		{"SaveClassification", "nothing: prediction writes its own table", (*translator).saveTable},
		{"EnsureType", nothing, plainPost("data_type", "dtype", "wrap_sequence", "track_meta")},
		{"CastToType", nothing, plainPost("dtype")},
		{"ToTensor", nothing, plainPost("dtype", "wrap_sequence", "track_meta")},
		{"ToNumpy", nothing, plainPost("dtype", "wrap_sequence")},
		{"ToCupy", nothing, plainPost("dtype", "wrap_sequence")},
		{"ToDevice", nothing, plainPost()},
		{"FromMetaTensor", nothing, plainPost("data_type")},
		{"ToMetaTensor", nothing, plainPost()},
		{"DeleteItems", nothing, plainPost("sep", "use_re")},
		{"SelectItems", nothing, plainPost()},
		{"FlattenSubKeys", nothing, plainPost("sub_keys", "delete_keys", "prefix")},
		{"Identity", nothing, plainPost()},
		{"DataStats", nothing, plainPost("prefix", "data_type", "data_shape", "value_range", "data_value", "meta_info", "additional_info", "name")},
	}
}

func plainPost(params ...string) func(*translator, *args) {
	return func(_ *translator, a *args) { a.understood(params...) }
}

// postprocess translates the postprocessing.
func (t *translator) postprocess(section, preprocessing any) {
	t.post.stage = rawStage
	table := postSteps()
	at := func(name string) int { return slices.IndexFunc(table, func(s postStep) bool { return s.name == name }) }
	for _, c := range t.compose(section, "postprocessing", 0) {
		name, dict := className(c.Target, func(n string) bool { return at(n) >= 0 })
		if name == "" {
			t.refuse(c.Target, c.ID, "%s", unknownStep(c.Target))
			continue
		}
		a := t.newArgs(c, c.Target)
		if dict {
			keys := t.keysOf(c)
			a.keys, a.key = len(keys), slices.Index(keys, "pred")
			a.understood("keys", "allow_missing_keys", "meta_keys", "meta_key_postfix")
			if a.key < 0 {
				if len(keys) == 1 && t.isPrediction(keys[0]) {
					a.key = 0
				} else {
					continue // of the image or the truth, not the result
				}
			}
		}
		a.understood(devices()...)
		if name == "Invert" {
			t.invert(a, preprocessing)
		} else {
			table[at(name)].do(t, a)
		}
		a.done()
	}
}

// isPrediction reports whether a key that is not called pred can be nothing else.
func (t *translator) isPrediction(key string) bool {
	return t.streams[key] == nil && !slices.Contains([]string{"image", "label", "mask"}, key)
}

func (t *translator) activations(a *args) {
	if d := a.int("dim", 0); d != 0 {
		a.fault("dim", "only channels can be the axis of an activation")
	}
	if _, ok := a.args.get("other"); ok {
		a.used["other"] = true
		if a.args.values["other"] != nil {
			a.fault("other", "%s is no activation that is recognised", a.written("other"))
		}
	}
	kind := predict.None
	sig, soft := a.bool("sigmoid"), a.bool("softmax")
	switch {
	case sig && soft:
		a.refuse(a.item, a.where, "sigmoid and softmax at once")
	case sig:
		kind = predict.Sigmoid
	case soft:
		kind = predict.Softmax
	default:
		return
	}
	if t.post.stage != rawStage {
		a.refuse(a.item, a.where, "an activation of what is no longer the network's output")
		return
	}
	t.post.stage, t.post.activation = activatedStage, kind
}

func (t *translator) asDiscrete(a *args) {
	a.understood("keepdim", "dtype")
	if d := a.int("dim", 0); d != 0 {
		a.fault("dim", "only channels can be the axis of argmax")
	}
	arg := a.bool("argmax")
	onehot := a.int("to_onehot", 0)
	limit, limited := a.float("threshold")
	if r := a.text("rounding"); r != "" && !limited {
		limit, limited = 0.5, true // torchrounding
	}
	if t.post.stage == pickedStage {
		t.discreteAgain(a, arg, limited, limit, onehot)
		return
	}
	switch {
	case arg:
		t.post.stage, t.post.pick, t.post.onehot = pickedStage, predict.Argmax, onehot
		if limited && (onehot == 0 || limit <= 0 || limit > 1) {
			a.fault("threshold", "a threshold of labels")
		}
	case onehot != 0:
		a.fault("to_onehot", "of what is no label yet")
	case limited:
		t.post.stage, t.post.pick, t.post.threshold = pickedStage, predict.Threshold, limit
	}
}

// discreteAgain is AsDiscrete of what is discrete already: one-hot form and thresholds between 0 and 1 change nothing.
func (t *translator) discreteAgain(a *args, arg, limited bool, limit float64, onehot int) {
	masks := t.post.pick == predict.Threshold || t.post.onehot > 0
	switch {
	case arg && (!masks || t.post.pick == predict.Threshold):
		a.fault("argmax", "of what is no score")
	case limited && (limit <= 0 || limit > 1 || !masks):
		a.fault("threshold", "of labels")
	case arg:
		t.post.onehot = 0
	}
	if onehot > 0 {
		t.post.onehot = onehot
	}
}

// invert notes where the result goes back to the image's grid.
func (t *translator) invert(a *args, preprocessing any) {
	a.understood("orig_meta_keys", "meta_keys", "to_tensor")
	if v, ok := a.get("transform"); ok && !sameSection(v, preprocessing) {
		a.fault("transform", "%s is not the preprocessing", describe(v))
	} else if !ok {
		a.fault("transform", "is missing")
	}
	if keys := a.texts("orig_keys"); len(keys) > 0 {
		k := keys[min(max(a.key, 0), len(keys)-1)]
		if s := t.streams[k]; s == nil || !s.loaded {
			a.fault("orig_keys", "%q is no image that was prepared", k)
		}
	}
	if f := a.lambda("post_func"); f == nil || !isName(f.kids[0], f.names[0]) {
		if v, ok := a.args.get("post_func"); ok && v != nil {
			a.fault("post_func", "%s is no function that is recognised", a.written("post_func"))
		}
	}
	if t.post.inverted != neverStage {
		a.refuse(a.item, a.where, "the result went back to the image's grid before")
	}
	t.post.inverted, t.post.nearest = t.post.stage, a.boolOrTrue("nearest_interp")
}

func sameSection(a, b any) bool {
	switch a := a.(type) {
	case *Component:
		b, ok := b.(*Component)
		return ok && a == b
	case []any:
		b, ok := b.([]any)
		return ok && len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
	}
	return false
}

func (t *translator) keepLargest(a *args) {
	k := transform.Keep{Labels: a.ints("applied_labels"), Largest: a.int("num_components", 1), Each: a.boolOrTrue("independent")}
	a.understood("is_onehot")
	if n := a.int("connectivity", 0); n != 0 {
		k.Connectivity = t.connectivity(a, n)
	}
	t.components(a, k)
}

func (t *translator) removeSmall(a *args) {
	a.understood("pixdim")
	a.off("sizes in mm are not what a Spec says", "by_measure")
	k := transform.Keep{MinSize: a.int("min_size", 64), Connectivity: t.connectivity(a, a.int("connectivity", 1)), Each: a.boolOrTrue("independent_channels")}
	t.components(a, k)
}

// connectivity turns the number of axes along which neighbours may differ into the number of neighbours.
func (t *translator) connectivity(a *args, hops int) int {
	switch {
	case hops == 1:
		return 6
	case hops == 2 && t.dims == 3:
		return 18
	case hops == 2 && t.dims == 2, hops == 3 && t.dims == 3:
		return 26
	}
	a.fault("connectivity", "want 1 to %d, got %d", t.dims, hops)
	return 26
}

// components adds a rule about connected components.
func (t *translator) components(a *args, k transform.Keep) {
	switch {
	case t.post.stage != pickedStage:
		a.refuse(a.item, a.where, "components of what is no label yet")
		return
	case t.post.pick == predict.Threshold && len(t.post.marks) == 0 && !t.single():
		a.refuse(a.item, a.where, "components of masks that overlap are not what a Spec says")
		return
	}
	if t.post.pick == predict.Threshold && t.single() {
		k.Labels = nil
	}
	k.Labels = slices.DeleteFunc(k.Labels, func(v int) bool { return v == 0 })
	if k.Largest < 0 || k.MinSize < 0 || k.Largest == 0 && k.MinSize == 0 {
		a.refuse(a.item, a.where, "want a number above 0")
		return
	}
	if t.post.inverted == neverStage {
		t.post.keepFirst = true
	}
	t.post.keep = append(t.post.keep, k)
}

// single reports whether the network has one output channel.
func (t *translator) single() bool {
	n, ok := t.outputChannels()
	return ok && n == 1
}

func (t *translator) mapLabels(a *args) {
	old, now := a.ints("orig_labels"), a.ints("target_labels")
	a.understood("dtype")
	switch {
	case len(old) != len(now) || len(old) == 0:
		a.refuse(a.item, a.where, "want as many new labels as old ones")
	case t.post.stage != pickedStage || t.post.pick != predict.Argmax || t.post.onehot > 0 || t.post.values != nil || len(t.post.keep) > 0:
		a.refuse(a.item, a.where, "is understood once, right after argmax")
	default:
		t.post.old, t.post.values = old, now
	}
}

func (t *translator) lambdaPost(a *args) {
	a.understood("inv_func", "track_meta", "overwrite")
	f := a.lambda("func")
	if f == nil {
		a.fault("func", "%s is no function that is recognised", a.written("func"))
		return
	}
	x, body := f.names[0], f.kids[0]
	marks, isNested := t.nested(body, x)
	switch {
	case isName(body, x):
	case withoutFirst(body, x) && t.post.stage == pickedStage && t.post.pick == predict.Argmax && t.post.onehot > 0:
		t.note("the bundle saves a mask for each label but the background; here the labels make one image")
	case isNested && t.post.stage == pickedStage && t.post.pick == predict.Threshold:
		t.post.marks = marks
	case t.fillsNaN(body, x) && t.post.stage == pickedStage:
		t.note("Lambda %s: labels are never NaN here", a.written("func"))
	default:
		a.fault("func", "%s is no function that is recognised here", a.written("func"))
	}
}

// fillsNaN recognises torch.nan_to_num(x, nan=255).
func (t *translator) fillsNaN(n *node, x string) bool {
	if n.kind != callNode || len(n.kids) < 2 || !isName(n.kids[1], x) {
		return false
	}
	name, ok := t.r.dotted(n.kids[0])
	return ok && (name == "torch.nan_to_num" || name == "numpy.nan_to_num")
}

func (t *translator) saveImage(a *args) {
	a.understood("output_dir", "output_postfix", "output_ext", "output_dtype", "padding_mode", "dtype", "squeeze_end_dims", "data_root_dir",
		"separate_folder", "print_log", "output_format", "writer", "channel_dim", "output_name_formatter", "folder_layout", "savepath_in_metadict")
	if v, ok := a.get("scale"); ok {
		t.note("the bundle writes labels scaled to %s; here they keep their values", describe(v))
	}
	t.post.saved.resample = a.bool("resample")
	t.post.saved.linear = a.text("mode") != "" && a.text("mode") != "nearest"
}

func (t *translator) saveTable(a *args) {
	a.understood("saver", "output_dir", "filename", "delimiter", "overwrite", "flush")
	t.post.saved.table = true
}
