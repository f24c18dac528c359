package bundle

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// args reads the arguments of one component for one of its keys, notes which it has understood, and reports the rest by name.
type args struct {
	*report
	item  string // the class as messages name it
	where string
	args  *Object
	used  map[string]bool
	key   int // which of the component's keys
	keys  int // how many keys it has; 0 for the classes that work on arrays
}

// report collects what has no translation and what is worth knowing.
type report struct {
	items []Item
	notes []string
}

func (r *report) refuse(item, where, format string, a ...any) {
	i := Item{item, where, fmt.Sprintf(format, a...)}
	if !slices.Contains(r.items, i) {
		r.items = append(r.items, i)
	}
}

func (r *report) note(format string, a ...any) {
	if s := fmt.Sprintf(format, a...); !slices.Contains(r.notes, s) {
		r.notes = append(r.notes, s)
	}
}

// fault refuses a parameter.
func (a *args) fault(name, format string, v ...any) {
	a.refuse(a.item+"."+name, a.where, format, v...)
}

// get returns an argument; an absent or null one is not there.
func (a *args) get(name string) (any, bool) {
	a.used[name] = true
	v, ok := a.args.get(name)
	if !ok || v == nil {
		return nil, false
	}
	if o, opaque := v.(*Opaque); opaque {
		a.fault(name, "cannot be evaluated: %s", describe(o))
		return nil, false
	}
	return v, true
}

// each returns an argument that a class with keys takes once or once for each key.
func (a *args) each(name string) (any, bool) {
	v, ok := a.get(name)
	if list, is := v.([]any); is && a.keys > 0 && len(list) == a.keys {
		v = list[a.key]
		if o, opaque := v.(*Opaque); opaque {
			a.fault(name, "cannot be evaluated: %s", describe(o))
			return nil, false
		}
		return v, v != nil
	}
	return v, ok
}

// understood marks arguments that need no translation.
func (a *args) understood(names ...string) {
	for _, n := range names {
		a.used[n] = true
	}
}

// done refuses the arguments that nothing asked for.
func (a *args) done() {
	for _, k := range a.args.keys {
		if !a.used[k] {
			a.fault(k, "is not understood")
		}
	}
}

func (a *args) bool(name string) bool {
	v, ok := a.each(name)
	if !ok {
		return false
	}
	is, known := truth(v)
	if !known {
		a.fault(name, "want true or false, got %s", describe(v))
	}
	return is
}

func (a *args) boolOrTrue(name string) bool {
	if _, ok := a.each(name); !ok {
		return true
	}
	return a.bool(name)
}

func (a *args) float(name string) (float64, bool) {
	v, ok := a.each(name)
	if !ok {
		return 0, false
	}
	f, ok := float(v)
	if !ok {
		a.fault(name, "want a number, got %s", describe(v))
	}
	return f, ok
}

func (a *args) floatOr(name string, def float64) float64 {
	if f, ok := a.float(name); ok {
		return f
	}
	return def
}

// need is float for an argument that must be there.
func (a *args) need(name string) float64 {
	f, ok := a.float(name)
	if v, there := a.args.get(name); !ok && (!there || v == nil) {
		a.fault(name, "is missing")
	}
	return f
}

func (a *args) int(name string, def int) int {
	f, ok := a.float(name)
	if !ok {
		return def
	}
	if f != math.Trunc(f) || math.Abs(f) > 1<<24 {
		a.fault(name, "want a whole number, got %v", f)
		return def
	}
	return int(f)
}

// text returns a text or the last part of a constant's name: torch.float32 and "float32" are the same.
func (a *args) text(name string) string {
	v, ok := a.each(name)
	if !ok {
		return ""
	}
	switch v := v.(type) {
	case string:
		return v
	case *Symbol:
		return v.Name[strings.LastIndexByte(v.Name, '.')+1:]
	case int64:
		return strconv.FormatInt(v, 10)
	}
	a.fault(name, "want a text, got %s", describe(v))
	return ""
}

// choice reads an argument that is one of some words, in any case; what "" stands for is the default.
func choice[T any](a *args, name string, words map[string]T) T {
	m := strings.ToLower(a.text(name))
	v, ok := words[m]
	if !ok {
		a.fault(name, "%q is not understood", m)
		return words[""]
	}
	return v
}

// floats returns a number or a list of numbers as a list; nothing where the argument is absent.
func (a *args) floats(name string) []float64 {
	v, ok := a.get(name)
	if !ok {
		return nil
	}
	return a.toFloats(name, v)
}

func (a *args) toFloats(name string, v any) []float64 {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	out := make([]float64, len(list))
	for i, x := range list {
		f, ok := float(x)
		if x == nil {
			f, ok = -1, true // None in a size keeps the axis
		}
		if !ok {
			a.fault(name, "want numbers, got %s", describe(v))
			return nil
		}
		out[i] = f
	}
	return out
}

// ints is floats for whole numbers.
func (a *args) ints(name string) []int {
	var out []int
	for _, f := range a.floats(name) {
		if f != math.Trunc(f) || math.Abs(f) > 1<<24 {
			a.fault(name, "want whole numbers, got %v", f)
			return nil
		}
		out = append(out, int(f))
	}
	return out
}

// texts returns a text or a list of texts as a list.
func (a *args) texts(name string) []string {
	v, ok := a.get(name)
	if !ok {
		return nil
	}
	list, is := v.([]any)
	if !is {
		list = []any{v}
	}
	var out []string
	for _, x := range list {
		s, ok := x.(string)
		if !ok {
			a.fault(name, "want texts, got %s", describe(v))
			return nil
		}
		out = append(out, s)
	}
	return out
}

// off refuses an argument that is set to anything but its default.
func (a *args) off(why string, names ...string) {
	for _, n := range names {
		v, ok := a.each(n)
		if !ok || v == false {
			continue
		}
		a.fault(n, "%s: %s", describe(v), why)
	}
}

// only refuses an argument whose value is none of those that mean nothing.
func (a *args) only(name, why string, fine ...string) {
	if s := a.text(name); s != "" && !slices.Contains(fine, s) {
		a.fault(name, "%q: %s", s, why)
	}
}
