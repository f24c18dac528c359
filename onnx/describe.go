package onnx

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Description is what a model is, for people and as JSON.
type Description struct {
	IRVersion  int            `json:"ir_version"`
	Producer   string         `json:"producer"`
	Exporter   string         `json:"exporter"`
	Opsets     map[string]int `json:"opsets"`
	Graph      string         `json:"graph"`
	Inputs     []Port         `json:"inputs"`
	Outputs    []Port         `json:"outputs"`
	Task       Task           `json:"task"`
	Heads      []HeadSummary  `json:"heads"`
	Parameters ParamSummary   `json:"parameters"`
	Operators  map[string]int `json:"operators"`
	Quirks     []Quirk        `json:"quirks"`
	Metadata   []string       `json:"metadata"`
}

// Port is an input or output: its shape has numbers and names of free axes, "?" for a free one without a name.
type Port struct {
	Name  string   `json:"name"`
	Type  string   `json:"type"`
	Shape []string `json:"shape"`
}

// HeadSummary is a Head in words.
type HeadSummary struct {
	Output  string   `json:"output"`
	Node    string   `json:"node"`
	Op      string   `json:"op"`
	Weight  string   `json:"weight"`
	Alias   string   `json:"alias"`
	Axis    int      `json:"axis"`
	Bias    string   `json:"bias,omitempty"`
	Classes int      `json:"classes"`
	After   []string `json:"after"`
}

// ParamSummary counts parameters, that is elements of tensors.
type ParamSummary struct {
	Trainable int           `json:"trainable"`
	Frozen    int           `json:"frozen"`
	State     int           `json:"state"`
	Bytes     int64         `json:"bytes"`
	Types     []string      `json:"types"`
	Modules   []ModuleCount `json:"modules"`
}

// ModuleCount counts the parameters of a module: the first parts of their aliases.
type ModuleCount struct {
	Module    string `json:"module"`
	Tensors   int    `json:"tensors"`
	Trainable int    `json:"trainable"`
	Frozen    int    `json:"frozen"`
	State     int    `json:"state"`
}

// Describe returns what a model is. Weights are read only as Params does.
func Describe(m *Model) Description {
	params := Params(m)
	d := Description{
		IRVersion: m.IRVersion, Producer: strings.TrimSpace(m.ProducerName + " " + m.ProducerVersion), Exporter: exporter(m),
		Graph: m.graph.Name, Opsets: map[string]int{}, Operators: map[string]int{},
		Inputs: ports(m.graph.Inputs), Outputs: ports(m.graph.Outputs), Task: GuessTask(m),
		Parameters: summarize(params), Quirks: quirks(m, params),
		Metadata: slices.AppendSeq([]string{}, maps.Keys(m.Metadata())),
	}
	for _, o := range m.Opsets {
		d.Opsets[standard(o.Domain)] = o.Version
	}
	m.eachGraph(func(g *Graph) {
		for _, n := range g.Nodes {
			d.Operators[n.OpType]++
		}
	})
	slices.Sort(d.Metadata)
	d.Heads = headSummaries(m, params)
	return d
}

func ports(list []ValueInfo) []Port {
	out := make([]Port, 0, len(list))
	for _, v := range list {
		p := Port{Name: v.Name, Type: v.DType.String(), Shape: []string{}}
		if v.Kind != "" {
			p.Type = v.Kind
		}
		for i, d := range v.Shape {
			switch {
			case d >= 0:
				p.Shape = append(p.Shape, strconv.Itoa(d))
			case v.Dims[i] != "":
				p.Shape = append(p.Shape, v.Dims[i])
			default:
				p.Shape = append(p.Shape, "?")
			}
		}
		out = append(out, p)
	}
	return out
}

func headSummaries(m *Model, params []Param) []HeadSummary {
	out := []HeadSummary{}
	if len(m.graph.Outputs) == 0 {
		return out
	}
	name := m.graph.Outputs[0].Name
	heads, err := Heads(m, name)
	if err != nil {
		return out
	}
	for _, h := range heads {
		s := HeadSummary{
			Output: name, Node: h.Node.Name, Op: h.Node.OpType, Weight: h.Weight, Axis: h.WeightAxis,
			Bias: h.Bias, Classes: h.Classes, After: []string{},
		}
		for _, p := range params {
			if p.Name == h.Weight {
				s.Alias = p.Alias
			}
		}
		for _, n := range h.After {
			s.After = append(s.After, n.OpType)
		}
		out = append(out, s)
	}
	return out
}

// summarize counts what Params found; shapes, limits and other constants that are no weights are left out.
func summarize(params []Param) ParamSummary {
	var s ParamSummary
	types := map[string]bool{}
	modules := map[string]*ModuleCount{}
	for _, p := range params {
		if p.Role == Constant {
			continue
		}
		n := p.Tensor.Len()
		key := modulePrefix(p.Alias)
		if modules[key] == nil {
			modules[key] = &ModuleCount{Module: key}
		}
		c := modules[key]
		c.Tensors++
		switch {
		case p.Role.State():
			s.State, c.State = s.State+n, c.State+n
		case p.Trainable:
			s.Trainable, c.Trainable = s.Trainable+n, c.Trainable+n
		default:
			s.Frozen, c.Frozen = s.Frozen+n, c.Frozen+n
		}
		s.Bytes += int64(p.Tensor.dtype.bytesFor(n))
		types[p.Tensor.dtype.String()] = true
	}
	s.Types = slices.AppendSeq([]string{}, maps.Keys(types))
	slices.Sort(s.Types)
	s.Modules = []ModuleCount{}
	for _, c := range modules {
		s.Modules = append(s.Modules, *c)
	}
	slices.SortFunc(s.Modules, func(a, b ModuleCount) int { return cmp.Compare(a.Module, b.Module) })
	return s
}

// modulePrefix returns the first part of a dotted name, with the number of a list behind it: layer1.0, model.2.
func modulePrefix(alias string) string {
	parts := strings.Split(alias, ".")
	if len(parts) < 2 {
		return alias
	}
	if len(parts) > 2 && numbered(parts[1], "") {
		return parts[0] + "." + parts[1]
	}
	return parts[0]
}
