package bundle

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/imageio/transform"
)

// stream is what happens to one key of the data on its way to the network.
type stream struct {
	steps  []transform.Transform
	axes   []int    // which image axis each of the array's spatial axes is
	codes  string   // the directions of the image's axes, as far as a step has fixed them
	sized  bool     // a step has moved or scaled voxels
	from   []string // the keys of the files it comes from
	loaded bool
}

// step is one of MONAI's transforms that has a translation.
type step struct {
	name    string
	becomes string // for the documentation
	do      func(t *translator, a *args, s *stream)
}

// prepareSteps is the table of the preprocessing that is understood.
func prepareSteps() []step {
	return slices.Concat(plainSteps(), spatialSteps(), intensitySteps(), channelSteps())
}

func find(table []step, name string) (step, bool) {
	i := slices.IndexFunc(table, func(s step) bool { return s.name == name })
	if i < 0 {
		return step{}, false
	}
	return table[i], true
}

// compose returns the transforms of a section, Composes inside of it laid flat.
func (t *translator) compose(v any, where string, depth int) []*Component {
	switch v := v.(type) {
	case nil, disabled:
		return nil
	case []any:
		var all []*Component
		for i, x := range v {
			all = append(all, t.compose(x, joinID(where, strconv.Itoa(i)), depth+1)...)
		}
		return all
	case *Component:
		name, _ := className(v.Target, among("Compose"))
		if why := componentFault(v); why != "" {
			t.refuse(v.Target, v.ID, "%s", why)
			return nil
		}
		if name == "" {
			return []*Component{v}
		}
		if depth > maxDepth {
			return nil
		}
		a := t.newArgs(v, v.Target)
		a.understood("transforms", "map_items", "unpack_items", "log_stats")
		a.off("several steps in one interpolation are not what a Spec says", "lazy", "overrides")
		a.done()
		inner, _ := v.Args.get("transforms")
		return t.compose(inner, joinID(v.ID, "transforms"), depth+1)
	}
	t.refuse(describe(v), where, "no transform can be told from it")
	return nil
}

// prepare translates the preprocessing.
func (t *translator) prepare(section any) {
	if section == nil {
		t.refuse("preprocessing", "preprocessing", "there is none, so that nothing says how an image becomes the network's input")
		return
	}
	table := prepareSteps()
	known := func(name string) bool { _, ok := find(table, name); return ok }
	for _, c := range t.compose(section, "preprocessing", 0) {
		name, dict := className(c.Target, known)
		if name == "" {
			t.refuse(c.Target, c.ID, "%s", unknownStep(c.Target))
			continue
		}
		step, _ := find(table, name)
		keys := []string{"image"}
		if dict {
			keys = t.keysOf(c)
		}
		for i, key := range keys {
			a := t.newArgs(c, c.Target)
			if dict {
				a.keys, a.key = len(keys), i
				a.understood("keys", "allow_missing_keys", "meta_keys", "meta_key_postfix")
			}
			a.understood(devices()...)
			a.off("several steps in one interpolation are not what a Spec says", "lazy")
			step.do(t, a, t.stream(key))
			a.done()
			if !dict {
				break
			}
		}
	}
}

func unknownStep(target string) string {
	if name := target[strings.LastIndexByte(target, '.')+1:]; strings.HasPrefix(name, "Rand") {
		return "is random, which prediction cannot be"
	}
	return foreign(target)
}

// keysOf returns the keys of a dictionary transform.
func (t *translator) keysOf(c *Component) []string {
	a := t.newArgs(c, c.Target)
	keys := a.texts("keys")
	if len(keys) == 0 {
		a.fault("keys", "is missing")
	}
	return keys
}

// stream returns what happens to a key.
func (t *translator) stream(key string) *stream {
	s := t.streams[key]
	if s == nil {
		s = &stream{axes: []int{0, 1, 2}[:t.dims], from: []string{key}}
		t.streams[key] = s
		t.order = append(t.order, key)
	}
	return s
}

// chosen returns the stream that the network sees.
func (t *translator) chosen() *stream {
	if s := t.streams["image"]; s != nil {
		return s
	}
	var keys []string
	for _, k := range t.order {
		if k != "label" && k != "mask" && k != "pred" {
			keys = append(keys, k)
		}
	}
	switch len(keys) {
	case 1:
		t.note("the network's input is taken to be the key %q", keys[0])
		return t.streams[keys[0]]
	case 0:
		if len(t.items) == 0 {
			t.refuse("preprocessing", "preprocessing", "touches no image")
		}
	default:
		if len(t.items) == 0 {
			t.refuse("preprocessing", "preprocessing", "which of the keys %s is the network's input cannot be told", strings.Join(keys, ", "))
		}
	}
	return nil
}

// join makes one stream of several, whose images become the channels of one.
func (t *translator) join(a *args, keys []string) *stream {
	out := &stream{loaded: true}
	first := t.stream(keys[0])
	out.axes, out.codes, out.sized = slices.Clone(first.axes), first.codes, first.sized
	common := len(first.steps)
	for _, k := range keys {
		s := t.stream(k)
		if !slices.Equal(s.axes, first.axes) {
			a.fault("keys", "%s and %s have their axes in different orders", keys[0], k)
		}
		if len(s.from) != 1 {
			a.fault("keys", "%s is joined from several already", k)
		}
		out.from = append(out.from, s.from...)
		common = min(common, len(s.steps))
		for common > 0 && !sameSteps(first.steps[:common], s.steps[:common]) {
			common--
		}
	}
	out.steps = append(slices.Clone(first.steps[:common]), transform.ConcatChannels{})
	if common == 0 {
		out.steps = nil // they are joined first
	}
	for i, k := range keys {
		rest := t.stream(k).steps[common:]
		if len(rest) == 0 {
			continue
		}
		own := transform.Channels{Of: []int{i}, Steps: transform.IntensitySteps(rest)}
		if _, err := json.Marshal(transform.Pipeline{own}); err != nil {
			a.fault("keys", "%s is prepared differently from %s: %v", k, keys[0], err)
			continue
		}
		out.steps = append(out.steps, own)
	}
	return out
}

func sameSteps(a, b []transform.Transform) bool {
	x, err := json.Marshal(transform.Pipeline(a))
	y, err2 := json.Marshal(transform.Pipeline(b))
	return err == nil && err2 == nil && string(x) == string(y)
}

// add appends a step, which must be one that a Spec can hold as it is.
func (a *args) add(s *stream, step transform.Transform) {
	if _, err := json.Marshal(transform.Pipeline{step}); err != nil {
		a.refuse(a.item, a.where, "%s", strings.TrimPrefix(err.Error(), "transform: step 1: "))
		return
	}
	s.steps = append(s.steps, step)
}
