package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"gopkg.in/yaml.v3"
)

// readYAML reads a configuration as PyYAML's safe loader does: yes, no, on and off are booleans. Tags that make objects of
// a programming language are refused, anchors are expanded within the budget.
func readYAML(data []byte, b *budget) (any, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return newObject(), nil
		}
		return nil, err
	}
	var more yaml.Node
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("want one YAML document")
	}
	if len(doc.Content) != 1 {
		return nil, errors.New("want one YAML document")
	}
	return yamlValue(doc.Content[0], b, 0)
}

func yamlValue(n *yaml.Node, b *budget, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("line %d: nested deeper than %d, or an anchor that holds itself", n.Line, maxDepth)
	}
	if err := b.node(); err != nil {
		return nil, err
	}
	switch n.Kind {
	case yaml.AliasNode:
		return yamlValue(n.Alias, b, depth+1)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			v, err := yamlValue(c, b, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, checkTag(n, "!!seq")
	case yaml.MappingNode:
		o := newObject()
		if err := yamlMapping(o, n, b, depth); err != nil {
			return nil, err
		}
		return o, checkTag(n, "!!map")
	case yaml.ScalarNode:
		return yamlScalar(n, b)
	}
	return nil, fmt.Errorf("line %d: unexpected YAML", n.Line)
}

func checkTag(n *yaml.Node, want string) error {
	if tag := n.ShortTag(); tag != want {
		return fmt.Errorf("line %d: tag %s is refused", n.Line, shorten(tag))
	}
	return nil
}

func yamlMapping(o *Object, n *yaml.Node, b *budget, depth int) error {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			return fmt.Errorf("line %d: want a text as the key", key.Line)
		}
		v, err := yamlValue(value, b, depth+1)
		if err != nil {
			return err
		}
		if key.ShortTag() == "!!merge" {
			if err := yamlMerge(o, v, key.Line); err != nil {
				return err
			}
			continue
		}
		if err := b.text(key.Value); err != nil {
			return err
		}
		o.set(key.Value, v)
	}
	return nil
}

// yamlMerge adds the keys of << that are not there.
func yamlMerge(o *Object, v any, line int) error {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, item := range list {
		from, ok := item.(*Object)
		if !ok {
			return fmt.Errorf("line %d: want a mapping to merge", line)
		}
		for _, k := range from.keys {
			if _, there := o.get(k); !there {
				o.set(k, from.values[k])
			}
		}
	}
	return nil
}

func yamlScalar(n *yaml.Node, b *budget) (any, error) {
	if err := b.text(n.Value); err != nil {
		return nil, err
	}
	plain := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	switch tag := n.ShortTag(); tag {
	case "!!null":
		return nil, nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true") || isYes(n.Value), nil
	case "!!int", "!!float":
		var v any
		if err := n.Decode(&v); err != nil {
			return nil, fmt.Errorf("line %d: %w", n.Line, err)
		}
		switch v := v.(type) {
		case int:
			return int64(v), nil
		case int64:
			return v, nil
		case float64:
			return number(fmt.Sprint(v))
		}
		return nil, fmt.Errorf("line %d: number %s is out of range", n.Line, shorten(n.Value))
	case "!!str", "!!timestamp":
		if plain && isYes(n.Value) {
			return true, nil
		}
		if plain && (isOne(n.Value, "no") || isOne(n.Value, "off")) {
			return false, nil
		}
		return n.Value, nil
	default:
		return nil, fmt.Errorf("line %d: tag %s is refused", n.Line, shorten(tag))
	}
}

func isYes(s string) bool { return isOne(s, "yes") || isOne(s, "on") }

// isOne compares with a word in the three ways that YAML 1.1 writes it: yes, Yes, YES.
func isOne(s, word string) bool {
	return s == word || s == strings.ToUpper(word) || s == strings.ToUpper(word[:1])+word[1:]
}
