package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// mergeFile adds a configuration file to what the earlier ones said: its keys are ids, those with a leading +
// merge an object or append to a list.
func mergeFile(root, part *Object) error {
	for _, key := range part.keys {
		v := part.values[key]
		id, add := strings.CutPrefix(key, "+")
		if add {
			if old, err := lookUp(root, id); err == nil {
				if v, err = merged(old, v); err != nil {
					return fmt.Errorf("%s: %w", shorten(key), err)
				}
			}
		}
		if err := setID(root, id, v, false); err != nil {
			return fmt.Errorf("%s: %w", shorten(key), err)
		}
	}
	return nil
}

func merged(old, v any) (any, error) {
	switch old := old.(type) {
	case *Object:
		if more, ok := v.(*Object); ok {
			for _, k := range more.keys {
				old.set(k, more.values[k])
			}
			return old, nil
		}
	case []any:
		if more, ok := v.([]any); ok {
			return append(slices.Clip(old), more...), nil
		}
	}
	return nil, fmt.Errorf("cannot merge %s into %s", kindOf(v), kindOf(old))
}

// setID puts a value at an id; create makes the objects on the way.
func setID(root *Object, id string, v any, create bool) error {
	parts := splitID(id)
	if len(parts) == 0 {
		return errors.New("the id is empty")
	}
	if len(parts) > maxDepth {
		return fmt.Errorf("nested deeper than %d", maxDepth)
	}
	var at any = root
	for i, k := range parts {
		last := i == len(parts)-1
		switch node := at.(type) {
		case *Object:
			if last {
				node.set(k, v)
				return nil
			}
			next, ok := node.get(k)
			if !ok {
				if !create {
					return fmt.Errorf("there is no %q to put it into", shorten(k))
				}
				next = newObject()
				node.set(k, next)
			}
			at = next
		case []any:
			at64, ok := index(k, len(node))
			if !ok {
				return fmt.Errorf("there is no item %q", shorten(k))
			}
			if last {
				node[at64] = v
				return nil
			}
			at = node[at64]
		default:
			return fmt.Errorf("%q lies inside %s", shorten(k), kindOf(at))
		}
	}
	return nil
}

// override puts one setting of the command line into the configuration. With a leading + it merges or appends.
func override(root *Object, s Setting, b *budget) error {
	var v any
	if json.Valid([]byte(s.Value)) {
		var err error
		if v, err = readJSON([]byte(s.Value), b); err != nil {
			return fmt.Errorf("bundle: set %s: %w", shorten(s.ID), err)
		}
	} else if v = s.Value; s.Value == "True" || s.Value == "False" {
		v = s.Value == "True"
	}
	part := newObject()
	part.set(s.ID, v)
	id, add := strings.CutPrefix(s.ID, "+")
	if !add {
		if err := setID(root, id, v, true); err != nil {
			return fmt.Errorf("bundle: set %s: %w", shorten(s.ID), err)
		}
		return nil
	}
	if err := mergeFile(root, part); err != nil {
		return fmt.Errorf("bundle: set %w", err)
	}
	return nil
}

// expandMacros replaces %id and %file#id by copies of what they name and makes relative ids absolute, once and in
// the order of the configuration, as MONAI does.
func (b *Bundle) expandMacros(root *Object, budget *budget) error {
	_, err := b.expand(root, root, "", budget, 0)
	if err != nil {
		return fmt.Errorf("bundle: %s: %w", b.Path, err)
	}
	return nil
}

func (b *Bundle) expand(root *Object, v any, id string, budget *budget, depth int) (any, error) {
	if depth > 4*maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", 4*maxDepth)
	}
	if err := budget.node(); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case []any:
		for i := range v {
			next, err := b.expand(root, v[i], joinID(id, strconv.Itoa(i)), budget, depth+1)
			if err != nil {
				return nil, err
			}
			v[i] = next
		}
	case *Object:
		for _, k := range slices.Clone(v.keys) {
			next, err := b.expand(root, v.values[k], joinID(id, k), budget, depth+1)
			if err != nil {
				return nil, err
			}
			v.set(k, next)
		}
	case string:
		return b.expandText(root, v, id, budget)
	}
	return v, nil
}

func (b *Bundle) expandText(root *Object, s, id string, budget *budget) (any, error) {
	s, err := absolute(s, id)
	if err != nil {
		return nil, err
	}
	macro, ok := strings.CutPrefix(s, "%")
	if !ok {
		return s, budget.text(s)
	}
	file, target := splitMacro(macro)
	from := root
	if file != "" {
		if from, err = b.macroFile(file, budget); err != nil {
			return nil, err
		}
	}
	found, err := lookUp(from, target)
	if err != nil {
		return nil, fmt.Errorf("%s: macro %%%s: %w", id, shorten(macro), err)
	}
	return budget.clone(found)
}

// macroFile reads the file of a macro: a path inside the bundle, or beside the configuration.
func (b *Bundle) macroFile(name string, budget *budget) (*Object, error) {
	clean := path.Clean(strings.TrimPrefix(name, "./"))
	if !safeName(clean) {
		return nil, &UnsafeError{b.Path, name, "is no path inside the bundle"}
	}
	if !b.files.has(clean) && b.files.has("configs/"+clean) {
		clean = "configs/" + clean
	}
	return b.readConfig(clean, budget)
}

// splitMacro splits file.json#id.
func splitMacro(s string) (file, id string) {
	s = strings.ReplaceAll(s, "#", "::")
	m := regexp.MustCompile(`(?i)^(.*\.(?:json|yaml|yml))(?:::(.*))?$`).FindStringSubmatch(s)
	if m == nil {
		return "", s
	}
	return m[1], m[2]
}

// absolute makes relative ids absolute: @#A is A beside the value, @##A one level up.
func absolute(s, id string) (string, error) {
	if !strings.ContainsAny(s, "@%") {
		return s, nil
	}
	parts := splitID(id)
	var out bytes.Buffer
	for i := 0; i < len(s); i++ {
		out.WriteByte(s[i])
		if s[i] != '@' && s[i] != '%' {
			continue
		}
		up, n := separators(s[i+1:])
		if up == 0 {
			continue
		}
		if up > len(parts) {
			return "", fmt.Errorf("%s: the relative id in %q climbs out of the configuration", id, shorten(s))
		}
		if keep := parts[:len(parts)-up]; len(keep) > 0 {
			out.WriteString(strings.Join(keep, "#") + "#")
		}
		i += n
	}
	return out.String(), nil
}

// separators counts the separators at the start of a text, and their bytes.
func separators(s string) (count, bytes int) {
	for {
		switch rest := s[bytes:]; {
		case strings.HasPrefix(rest, "#"):
			bytes++
		case strings.HasPrefix(rest, "::"):
			bytes += 2
		default:
			return count, bytes
		}
		count++
	}
}
