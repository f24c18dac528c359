package bundle

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Values of a configuration are nil, bool, int64, float64, string, []any and *Object; resolving adds *Component,
// *Symbol and *Opaque.

// Object is a JSON object or YAML mapping whose keys keep their order.
type Object struct {
	keys   []string
	values map[string]any
}

func newObject() *Object { return &Object{values: map[string]any{}} }

// set adds a key or replaces its value in place.
func (o *Object) set(key string, v any) {
	if _, ok := o.values[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.values[key] = v
}

func (o *Object) get(key string) (any, bool) {
	v, ok := o.values[key]
	return v, ok
}

// text returns a string value, or nothing.
func (o *Object) text(key string) string {
	s, _ := o.values[key].(string)
	return s
}

// object returns the object at a path of keys; an empty one where there is none.
func (o *Object) object(keys ...string) *Object {
	at := o
	for _, k := range keys {
		next, ok := at.values[k].(*Object)
		if !ok {
			return newObject()
		}
		at = next
	}
	return at
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case int64, float64:
		return "a number"
	case string:
		return "a text"
	case []any:
		return "a list"
	case *Object:
		return "an object"
	case *Component:
		return "a component"
	case *Symbol:
		return "a name"
	}
	return "an expression"
}

// maxDepth bounds how deep configurations and expressions nest.
const maxDepth = 64

// budget bounds the work and memory that a bundle's configurations may cost, whatever they refer to or repeat.
type budget struct{ nodes, bytes int }

func newBudget() *budget { return &budget{nodes: 1 << 20, bytes: 64 << 20} }

var errBudget = errors.New("the configuration grows beyond every sensible size")

func (b *budget) node() error {
	if b.nodes--; b.nodes < 0 {
		return errBudget
	}
	return nil
}

func (b *budget) text(s string) error {
	if b.bytes -= len(s); b.bytes < 0 {
		return errBudget
	}
	return nil
}

// clone copies a value.
func (b *budget) clone(v any) (any, error) {
	if err := b.node(); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = b.clone(v[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case *Object:
		out := newObject()
		for _, k := range v.keys {
			c, err := b.clone(v.values[k])
			if err != nil {
				return nil, err
			}
			out.set(k, c)
		}
		return out, nil
	}
	return v, nil
}

// splitID splits an id at :: and #.
func splitID(id string) []string {
	if id == "" {
		return nil
	}
	return strings.Split(strings.ReplaceAll(id, "#", "::"), "::")
}

// joinID joins the parts of an id as MONAI's older and shorter form writes it.
func joinID(parent, key string) string {
	if parent == "" {
		return key
	}
	return parent + "#" + key
}

// lookUp returns the value at an id, as it was written.
func lookUp(root any, id string) (any, error) {
	at := root
	for _, k := range splitID(id) {
		switch v := at.(type) {
		case *Object:
			next, ok := v.get(k)
			if !ok {
				return nil, fmt.Errorf("there is no %q", shorten(id))
			}
			at = next
		case []any:
			i, ok := index(k, len(v))
			if !ok {
				return nil, fmt.Errorf("there is no %q", shorten(id))
			}
			at = v[i]
		default:
			return nil, fmt.Errorf("there is no %q: %q lies inside %s", shorten(id), shorten(k), kindOf(at))
		}
	}
	return at, nil
}

// index reads a list's index; negative ones count from the end, as in Python.
func index(s string, n int) (int, bool) {
	var i int
	if _, err := fmt.Sscanf(s, "%d", &i); err != nil || strconv.Itoa(i) != s {
		return 0, false
	}
	if i < 0 {
		i += n
	}
	return i, i >= 0 && i < n
}
