package bundle

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Component is a class or function that the configuration names, with its arguments.
type Component struct {
	ID     string  // where it stands
	Target string  // its name as it is written
	Args   *Object // resolved
	mode   any     // _mode_, nil for the usual one
	doubt  string  // why it cannot be told whether the component is disabled, or what must happen first
}

// Symbol is a name that stands for something of a Python package: torch.float32.
type Symbol struct{ Name string }

// Opaque is a value that is not known, and why. It does no harm as long as nothing that matters needs it.
type Opaque struct {
	Text string // as it was written
	Why  string
	tree *node // where the text could be read
}

// resolver finds the values of a configuration: references followed, expressions of the small subset evaluated.
type resolver struct {
	root    *Object
	budget  *budget
	aliases map[string]string // what import statements call a package
	known   map[string]any
	busy    []string
}

func newResolver(root *Object, b *budget) *resolver {
	r := &resolver{root: root, budget: b, known: map[string]any{}, aliases: map[string]string{"np": "numpy"}}
	r.imports(root, 0)
	return r
}

// imports notes the import statements, wherever they stand. Nothing is imported.
func (r *resolver) imports(v any, depth int) {
	if depth > maxDepth {
		return
	}
	switch v := v.(type) {
	case string:
		r.importStatement(v)
	case []any:
		for _, x := range v {
			r.imports(x, depth+1)
		}
	case *Object:
		for _, k := range v.keys {
			r.imports(v.values[k], depth+1)
		}
	}
}

func (r *resolver) importStatement(s string) {
	words := strings.Fields(strings.TrimPrefix(s, "$"))
	if !isImport(s) || len(words) > 8 {
		return
	}
	switch {
	case len(words) == 4 && words[0] == "import" && words[2] == "as":
		r.aliases[words[3]] = words[1]
	case len(words) == 4 && words[0] == "from":
		r.aliases[words[3]] = words[1] + "." + words[3]
	case len(words) == 6 && words[0] == "from" && words[4] == "as":
		r.aliases[words[5]] = words[1] + "." + words[3]
	}
}

func isImport(s string) bool {
	return strings.HasPrefix(s, "$") && (strings.HasPrefix(s, "$import ") || strings.HasPrefix(s, "$from "))
}

// alias returns what a name stands for.
func (r *resolver) alias(name string) string {
	if full, ok := r.aliases[name]; ok {
		return full
	}
	return name
}

// value returns the resolved value at an id. What is not there or refers to itself is an *Opaque.
func (r *resolver) value(id string) any {
	id = strings.Join(splitID(id), "#")
	if v, ok := r.known[id]; ok {
		return v
	}
	if slices.Contains(r.busy, id) {
		return &Opaque{Text: "@" + id, Why: "refers to itself: " + strings.Join(append(slices.Clone(r.busy), id), " -> ")}
	}
	if len(r.busy) > 4*maxDepth {
		return &Opaque{Text: "@" + id, Why: "a chain of references too long to follow"}
	}
	raw, err := lookUp(r.root, id)
	if err != nil {
		return &Opaque{Text: "@" + id, Why: err.Error()}
	}
	r.busy = append(r.busy, id)
	v := r.resolve(raw, id)
	r.busy = r.busy[:len(r.busy)-1]
	r.known[id] = v
	return v
}

// resolve returns the value of what is written at an id.
func (r *resolver) resolve(raw any, id string) any {
	if err := r.budget.node(); err != nil {
		return &Opaque{Why: err.Error()}
	}
	switch raw := raw.(type) {
	case string:
		return r.resolveText(raw)
	case []any:
		list := make([]any, 0, len(raw))
		for i := range raw {
			v := r.value(joinID(id, strconv.Itoa(i)))
			if v == (disabled{}) {
				continue
			}
			list = append(list, v)
		}
		return list
	case *Object:
		if _, ok := raw.get("_target_"); ok {
			return r.component(raw, id)
		}
		return r.object(raw, id)
	}
	return raw
}

// disabled stands for a component that is switched off: it vanishes from lists and objects.
type disabled struct{}

func (r *resolver) object(raw *Object, id string) *Object {
	o := newObject()
	for _, k := range raw.keys {
		if v := r.value(joinID(id, k)); v != (disabled{}) {
			o.set(k, v)
		}
	}
	return o
}

func (r *resolver) resolveText(s string) any {
	if ref, ok := strings.CutPrefix(s, "@"); ok && referenceLength(s) == len(s) {
		return r.value(ref)
	}
	text, ok := strings.CutPrefix(s, "$")
	if !ok {
		return s
	}
	if isImport(s) {
		return &Opaque{Text: s, Why: "an import"}
	}
	n, err := parse(text)
	if err != nil {
		return &Opaque{Text: s, Why: err.Error()}
	}
	v, err := r.evaluate(n)
	if err != nil {
		return &Opaque{Text: s, Why: err.Error(), tree: n}
	}
	return v
}

func (r *resolver) component(raw *Object, id string) any {
	c := &Component{ID: id, Args: newObject()}
	for _, k := range raw.keys {
		switch k {
		case "_target_", "_desc_", "_imports_":
			continue
		}
		v := r.value(joinID(id, k))
		switch k {
		case "_disabled_":
			off, known := truth(v)
			if s, ok := v.(string); ok {
				off, known = strings.EqualFold(strings.TrimSpace(s), "true"), true
			}
			if known && off {
				return disabled{}
			}
			if !known {
				c.doubt = "whether it is disabled depends on " + describe(v)
			}
		case "_mode_":
			c.mode = v
		case "_requires_":
			c.requires(v)
		default:
			if v != (disabled{}) {
				c.Args.set(k, v)
			}
		}
	}
	target := r.value(joinID(id, "_target_"))
	name, ok := target.(string)
	if s, symbol := target.(*Symbol); symbol {
		name, ok = s.Name, true
	}
	if !ok {
		return &Opaque{Text: describe(target), Why: "no class can be told from it"}
	}
	c.Target = name
	return c
}

// requires notes what a component wants done first; imports alone are nothing.
func (c *Component) requires(v any) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, x := range list {
		if o, ok := x.(*Opaque); ok && isImport(o.Text) {
			continue
		}
		if x != nil && x != (disabled{}) {
			c.doubt = "it requires something to be done first: " + describe(x)
		}
	}
}

// truth returns a value's truth as Python sees it.
func truth(v any) (is, known bool) {
	switch v := v.(type) {
	case nil:
		return false, true
	case bool:
		return v, true
	case int64:
		return v != 0, true
	case float64:
		return v != 0, true
	case string:
		return v != "", true
	case []any:
		return len(v) > 0, true
	case *Object:
		return len(v.keys) > 0, true
	}
	return false, false
}

// describe writes a value into a message.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return fmt.Sprintf("%q", shorten(v))
	case *Symbol:
		return v.Name
	case *Component:
		return v.Target
	case *Opaque:
		switch {
		case v.Text == "":
			return v.Why
		case v.Why == "":
			return shorten(v.Text)
		}
		return fmt.Sprintf("%s (%s)", shorten(v.Text), v.Why)
	case []any:
		if len(v) > 8 {
			return fmt.Sprintf("a list of %d", len(v))
		}
		parts := make([]string, len(v))
		for i := range v {
			if _, deep := v[i].([]any); deep {
				parts[i] = "[...]"
			} else {
				parts[i] = describe(v[i])
			}
		}
		return shorten("[" + strings.Join(parts, ", ") + "]")
	case *Object:
		return fmt.Sprintf("an object of %d keys", len(v.keys))
	case disabled:
		return "a disabled component"
	}
	return fmt.Sprint(v)
}
