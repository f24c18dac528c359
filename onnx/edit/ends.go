package edit

import (
	"slices"

	"github.com/nitrain/nitrain/onnx"
)

// Cut makes the values of a node the model's only outputs and removes everything that they do not need. The
// place is a node's name, a value's name, or a module's path as onnx.Module gives it (its last node).
func Cut(m *onnx.Model, place string) error {
	values, err := find(m, "cut", place)
	if err != nil {
		return err
	}
	old := slices.Clone(m.Outputs())
	for _, v := range values {
		if _, there := m.Graph().Output(v); !there {
			if err := show(m, v); err != nil {
				return err
			}
		}
	}
	var gone []string
	for _, o := range old {
		if slices.Contains(values, o.Name) {
			continue
		}
		if err := m.RemoveOutput(o.Name); err != nil {
			return err
		}
		gone = append(gone, o.Name)
	}
	return prune(m, gone)
}

// AddOutput makes the values of a node outputs too. The place is as for Cut.
func AddOutput(m *onnx.Model, place string) error {
	values, err := find(m, "add output", place)
	if err != nil {
		return err
	}
	for _, v := range values {
		if _, there := m.Graph().Output(v); there {
			return failure("add output", "%q is an output already", v)
		}
	}
	for _, v := range values {
		if err := show(m, v); err != nil {
			return err
		}
	}
	return nil
}

// find returns the values that a place means.
func find(m *onnx.Model, edit, place string) ([]string, error) {
	var found *onnx.Node
	for _, n := range m.Graph().Nodes {
		switch {
		case n.Name == place && place != "":
			return slices.DeleteFunc(slices.Clone(n.Outputs), func(o string) bool { return o == "" }), nil
		case slices.Contains(n.Outputs, place) && place != "":
			return []string{place}, nil
		case onnx.Module(n) == place && place != "" && n.OpType != "Constant":
			found = n
		}
	}
	if found == nil {
		return nil, failure(edit, "the model has no node, value or module %q", place)
	}
	return found.Outputs[:1:1], nil
}

// show declares a value as an output. Its shape stays unknown where the file does not tell it.
func show(m *onnx.Model, value string) error {
	l := newLinks(m)
	for i, v := range l.g.Values {
		if v.Name == value {
			l.g.Values = slices.Delete(l.g.Values, i, i+1)
			return m.AddOutput(v)
		}
	}
	info := onnx.ValueInfo{Name: value, DType: l.dtype(value, 8*longChain), Shape: l.shape(value)}
	info.Dims = make([]string, len(info.Shape))
	return m.AddOutput(info)
}

// dtype returns the type of a value as far as the operators on the way tell it.
func (l *links) dtype(value string, steps int) onnx.DType {
	for _, list := range [][]onnx.ValueInfo{l.g.Values, l.g.Inputs, l.g.Outputs} {
		for _, v := range list {
			if v.Name == value {
				return v.DType
			}
		}
	}
	if t, ok := l.stored[value]; ok {
		return t.DType()
	}
	n := l.maker[value]
	if n == nil || steps == 0 {
		return onnx.Float32
	}
	switch n.OpType {
	case "Cast":
		return onnx.DType(n.Int("to", 1))
	case "Shape", "Size", "ArgMax", "ArgMin", "NonZero":
		return onnx.Int64
	case "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Not", "Xor", "IsNaN", "IsInf":
		return onnx.Bool
	case "Where", "CastLike":
		return l.dtype(n.Input(1), steps-1)
	}
	return l.dtype(n.Input(0), steps-1)
}

// Rename gives a value, such as an input or an output, or else a node, another name.
func Rename(m *onnx.Model, name, to string) error {
	if name == "" || to == "" {
		return failure("rename", "want OLD=NEW, got %q=%q", name, to)
	}
	if newLinks(m).unused(to) != to {
		return failure("rename", "the model has a value %q already", to)
	}
	if m.RenameValue(name, to) == nil {
		return nil
	}
	for _, n := range m.Graph().Nodes {
		if n.Name == name {
			n.Name = to
			return nil
		}
	}
	return failure("rename", "the model has no value or node %q", name)
}
