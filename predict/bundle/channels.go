package bundle

import (
	"slices"

	"github.com/nitrain/nitrain/imageio/transform"
)

// channelSteps are the transforms that join, copy or choose channels, and functions.
func channelSteps() []step {
	return []step{
		{"ConcatItems", "`concat_channels`: the keys are a scan's files, in this order", (*translator).concat},
		{"RepeatChannel", "`select_channels`", (*translator).repeat},
		{"CopyItems", "nothing, or the same steps under another key", (*translator).copyItems},
		{"Lambda", "a step, where the function is recognised", (*translator).lambdaStep},
	}
}

// concat is asked once for each key and acts on the last.
func (t *translator) concat(a *args, _ *stream) {
	name := a.text("name")
	if d := a.int("dim", 0); d != 0 {
		a.fault("dim", "only channels can be joined")
	}
	if name == "" {
		a.fault("name", "is missing")
		return
	}
	if a.key != a.keys-1 {
		return
	}
	t.streams[name] = t.join(a, a.texts("keys"))
	if !slices.Contains(t.order, name) {
		t.order = append(t.order, name)
	}
}

func (t *translator) repeat(a *args, s *stream) {
	n := a.int("repeats", 0)
	want, known := t.channels()
	if n < 1 || n > 1<<10 {
		a.fault("repeats", "want at least 1, got %d", n)
		return
	}
	if n == 1 {
		return
	}
	if !known || want != n {
		a.refuse(a.item, a.where, "how many channels the image has cannot be told")
		return
	}
	a.add(s, transform.SelectChannels{List: make([]int, n)})
}

func (t *translator) copyItems(a *args, s *stream) {
	if a.int("times", 1) != 1 {
		a.fault("times", "several copies are not understood")
	}
	names := a.texts("names")
	if a.keys == 0 || len(names) != a.keys {
		a.fault("names", "want a name for each key")
		return
	}
	twin := *s
	twin.steps, twin.axes, twin.from = slices.Clone(s.steps), slices.Clone(s.axes), slices.Clone(s.from)
	t.streams[names[a.key]] = &twin
	if !slices.Contains(t.order, names[a.key]) {
		t.order = append(t.order, names[a.key])
	}
}

// channels returns how many channels the network's input has, as far as anything says so.
func (t *translator) channels() (int, bool) {
	if len(t.b.inputs) > 0 && len(t.b.inputs[0].Shape) > 1 {
		if n, ok := fixed(t.b.inputs[0], 1); ok {
			return n, true
		}
	}
	if n, ok := t.input().values["num_channels"].(int64); ok && n > 0 && n < 1<<10 {
		return int(n), true
	}
	for _, key := range []string{"in_channels", "n_input_channels"} {
		if n, ok := t.network(key); ok {
			return n, true
		}
	}
	return 0, false
}
