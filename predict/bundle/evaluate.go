package bundle

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// evaluate computes an expression of the small subset: literals, references, lists, + - * / //, comparisons, and, or,
// not, a choice, len, list, range, a list's item, names of constants, the choice of a device, copy.deepcopy.
// Everything else is an error that says what it was.
func (r *resolver) evaluate(n *node) (any, error) {
	if err := r.budget.node(); err != nil {
		return nil, err
	}
	switch n.kind {
	case numberNode:
		return number(strings.ReplaceAll(n.text, "_", ""))
	case textNode:
		return n.text, nil
	case referenceNode:
		return r.operand(r.value(n.text))
	case nameNode, attributeNode:
		return r.named(n)
	case listNode:
		return r.list(n.kids)
	case indexNode:
		return r.item(n)
	case unaryNode:
		return r.unary(n)
	case binaryNode:
		return r.binary(n)
	case choiceNode:
		return r.choice(n)
	case callNode:
		return r.call(n)
	case lambdaNode:
		return nil, errors.New("a function")
	case dictNode:
		return nil, errors.New("an object in an expression is not understood")
	}
	return nil, errors.New("not an expression of the kind that is understood")
}

// operand passes a value on, an unknown one as the reason why the whole is unknown.
func (r *resolver) operand(v any) (any, error) {
	switch v := v.(type) {
	case *Opaque:
		return nil, fmt.Errorf("depends on %s", describe(v))
	case disabled:
		return nil, nil
	}
	return v, nil
}

// named returns the constant or the symbol that a dotted name stands for.
func (r *resolver) named(n *node) (any, error) {
	name, ok := r.dotted(n)
	if !ok {
		return nil, fmt.Errorf("attribute %q of a value is not understood", shorten(n.text))
	}
	switch name {
	case "True":
		return true, nil
	case "False":
		return false, nil
	case "None":
		return nil, nil
	}
	if base, ok := strings.CutPrefix(name, "monai.utils."); ok {
		base = strings.TrimPrefix(base, "enums.")
		if s, ok := commonKey(base); ok {
			return s, nil
		}
	}
	return &Symbol{name}, nil
}

// commonKey returns the keys that MONAI has constants for.
func commonKey(name string) (string, bool) {
	switch strings.TrimPrefix(name, "CommonKeys.") {
	case "IMAGE":
		return "image", true
	case "LABEL":
		return "label", true
	case "PRED":
		return "pred", true
	}
	return "", false
}

// dotted returns a chain of names with its first one's import looked up.
func (r *resolver) dotted(n *node) (string, bool) {
	switch n.kind {
	case nameNode:
		return r.alias(n.text), true
	case attributeNode:
		base, ok := r.dotted(n.kids[0])
		return base + "." + n.text, ok
	}
	return "", false
}

func (r *resolver) list(kids []*node) (any, error) {
	list := make([]any, len(kids))
	for i, k := range kids {
		v, err := r.evaluate(k)
		if err != nil {
			return nil, err
		}
		list[i] = v
	}
	return list, nil
}

func (r *resolver) item(n *node) (any, error) {
	of, err := r.evaluate(n.kids[0])
	if err != nil {
		return nil, err
	}
	if n.kids[1].kind == sliceNode {
		return nil, errors.New("a part of a list is not understood")
	}
	key, err := r.evaluate(n.kids[1])
	if err != nil {
		return nil, err
	}
	switch of := of.(type) {
	case []any:
		if i, ok := key.(int64); ok {
			if at, ok := index(strconv.FormatInt(i, 10), len(of)); ok {
				return r.operand(of[at])
			}
		}
	case *Object:
		if k, ok := key.(string); ok {
			if v, ok := of.get(k); ok {
				return r.operand(v)
			}
		}
	}
	return nil, fmt.Errorf("there is no item %s", describe(key))
}

func (r *resolver) unary(n *node) (any, error) {
	v, err := r.evaluate(n.kids[0])
	if err != nil {
		return nil, err
	}
	if n.text == "not" {
		is, known := truth(v)
		if !known {
			return nil, fmt.Errorf("whether %s holds is not known", describe(v))
		}
		return !is, nil
	}
	switch v := v.(type) {
	case int64:
		if n.text == "-" && v != math.MinInt64 {
			return -v, nil
		} else if n.text == "+" {
			return v, nil
		}
	case float64:
		switch n.text {
		case "-":
			return -v, nil
		case "+":
			return v, nil
		}
	}
	return nil, fmt.Errorf("%s of %s is not understood", n.text, kindOf(v))
}

func (r *resolver) choice(n *node) (any, error) {
	cond, err := r.evaluate(n.kids[1])
	if err != nil {
		return nil, err
	}
	is, known := truth(cond)
	if !known {
		return nil, fmt.Errorf("whether %s holds is not known", describe(cond))
	}
	if is {
		return r.evaluate(n.kids[0])
	}
	return r.evaluate(n.kids[2])
}

// call evaluates the few functions that are recognised by their names.
func (r *resolver) call(n *node) (any, error) {
	name, ok := r.dotted(n.kids[0])
	if !ok {
		return nil, errors.New("a call of a value is not understood")
	}
	switch name {
	case "torch.cuda.is_available":
		return false, nil // the choice of a device is nitrain's own
	case "torch.device":
		return &Symbol{"torch.device"}, nil
	case "len", "list", "tuple", "range", "copy.deepcopy", "copy.copy", "int", "float":
	default:
		return nil, fmt.Errorf("a call of %s is not understood", shorten(name))
	}
	args, err := r.list(n.kids[1:])
	if err != nil {
		return nil, err
	}
	list, _ := args.([]any)
	if name == "range" {
		return r.span(list)
	}
	if len(list) != 1 {
		return nil, fmt.Errorf("%s of %d arguments is not understood", name, len(list))
	}
	switch v := list[0].(type) {
	case []any:
		switch name {
		case "len":
			return int64(len(v)), nil
		case "list", "tuple", "copy.deepcopy", "copy.copy":
			return v, nil
		}
	case *Object:
		switch name {
		case "len":
			return int64(len(v.keys)), nil
		case "copy.deepcopy", "copy.copy":
			return v, nil
		}
	case string:
		if name == "len" {
			return int64(len([]rune(v))), nil
		}
	case *Component:
		if name == "copy.deepcopy" || name == "copy.copy" {
			return v, nil
		}
	case int64:
		switch name {
		case "int":
			return v, nil
		case "float":
			return float64(v), nil
		}
	case float64:
		if name == "int" && math.Abs(v) < 1<<53 {
			return int64(v), nil
		} else if name == "float" {
			return v, nil
		}
	}
	return nil, fmt.Errorf("%s of %s is not understood", name, kindOf(list[0]))
}

// span is Python's range, as a list.
func (r *resolver) span(args []any) (any, error) {
	n := make([]int64, len(args))
	for i, a := range args {
		v, ok := a.(int64)
		if !ok || v < -1<<31 || v > 1<<31 {
			return nil, errors.New("range wants small whole numbers")
		}
		n[i] = v
	}
	from, to, step := int64(0), int64(0), int64(1)
	switch len(n) {
	case 1:
		to = n[0]
	case 2:
		from, to = n[0], n[1]
	case 3:
		from, to, step = n[0], n[1], n[2]
	default:
		return nil, errors.New("range wants 1 to 3 numbers")
	}
	if step == 0 {
		return nil, errors.New("range wants a step that is not 0")
	}
	list := []any{}
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		if err := r.budget.node(); err != nil {
			return nil, err
		}
		list = append(list, i)
	}
	return list, nil
}
