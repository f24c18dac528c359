package convert

import (
	"fmt"
	"slices"

	"github.com/nitrain/nitrain/onnx"
)

// findParams makes the parameters of what the model stores: see onnx.Params. A tensor that the exporter
// merged from several parameters because their values were equal becomes several again.
func (g *Graph) findParams() error {
	alive := map[*onnx.Node]bool{}
	for _, n := range g.nodes {
		alive[n] = true
	}
	list := onnx.Params(g.source)
	var twins []onnx.Twin
	if !g.options.KeepTies {
		twins = onnx.Twins(list)
	}
	second := map[string]bool{}
	for _, t := range twins {
		second[t.Other] = true
	}
	for _, p := range list {
		if second[p.Name] {
			continue
		}
		p.Slots = slices.DeleteFunc(p.Slots, func(s onnx.Slot) bool { return !alive[s.Node] })
		if !g.mayTrain(&p) {
			continue
		}
		groups := g.groups(&p)
		for i, group := range groups {
			g.addParam(&p, group, i == 0)
		}
		if len(groups) > 1 {
			g.warnings = append(g.warnings, fmt.Sprintf("%q holds %d parameters that were equal when the model was exported; they train separately", p.Name, len(groups)))
		}
	}
	g.rejoin(list, twins)
	return nil
}

// mayTrain reports whether a stored tensor becomes a parameter: one with a role, or one that the source
// framework or the caller calls a parameter.
func (g *Graph) mayTrain(p *onnx.Param) bool {
	if !p.Tensor.DType().Float() || len(p.Slots) == 0 {
		return false
	}
	return p.Role != onnx.Constant || p.Named || slices.Contains(g.options.Parameters, p.Name)
}

// groups shares the slots of a stored tensor out among the parameters that it stands for. The first group
// keeps the stored name.
func (g *Graph) groups(p *onnx.Param) [][]onnx.Slot {
	state := 0
	for _, s := range p.Slots {
		if s.Role.State() {
			state++
		}
	}
	if g.options.KeepTies || len(p.Slots) < 2 || p.Tie != onnx.FalseTie && state < 2 && (state == 0 || state == len(p.Slots)) {
		return [][]onnx.Slot{p.Slots}
	}
	var order []string
	byName := map[string][]onnx.Slot{}
	for i, s := range p.Slots {
		name := s.Alias
		if name == "" {
			name = fmt.Sprintf("%s/%d", p.Name, i)
		}
		if byName[name] == nil {
			order = append(order, name)
		}
		byName[name] = append(byName[name], s)
	}
	// The stored name goes to the group that has it as its alias, else to the first.
	for i, name := range order {
		if name == p.Name {
			order[0], order[i] = order[i], order[0]
		}
	}
	var out [][]onnx.Slot
	for _, name := range order {
		out = append(out, byName[name])
	}
	return out
}

// addParam makes one parameter. The first of a stored tensor has its name; the others have the alias of
// their slots and stand for the tensor there alone.
func (g *Graph) addParam(p *onnx.Param, slots []onnx.Slot, first bool) {
	q := &Param{
		Name: p.Name, Stored: p.Name, Alias: p.Alias, Role: p.Role, Shape: p.Tensor.Shape(), DType: p.Tensor.DType(),
		Trainable: p.Trainable, Reason: p.Reason, stored: p.Tensor, source: *p, slots: slots,
	}
	if len(slots) < len(p.Slots) {
		q.Role = slots[0].Role
		if slots[0].Alias != "" {
			q.Alias = slots[0].Alias
		}
		if !first {
			q.Name = g.freshName(q.Alias, p.Name)
		}
		q.Trainable, q.Reason = true, ""
		if q.Role == onnx.Constant {
			q.Trainable, q.Reason = false, "a constant"
		}
	}
	if q.Role.State() {
		q.State, q.Trainable, q.Reason = true, false, "running statistics"
	}
	g.params = append(g.params, q)
	g.byName[q.Name] = q
	if !first {
		for _, s := range slots {
			g.bySlot[slot{s.Node, s.Input}] = q
		}
	}
}

// twin is a second stored tensor of a parameter.
type twin struct {
	source     onnx.Param
	transposed bool
}

// rejoin ties again what an exporter untied: see onnx.Twins.
func (g *Graph) rejoin(list []onnx.Param, twins []onnx.Twin) {
	for _, t := range twins {
		i := slices.IndexFunc(list, func(p onnx.Param) bool { return p.Name == t.Other })
		if q := g.byName[t.First]; q != nil {
			q.twins = append(q.twins, twin{list[i], t.Transposed})
			g.byName[t.Other] = q
			g.warnings = append(g.warnings, fmt.Sprintf("%q and %q were one parameter, as names and values tell; they train as one", t.First, t.Other))
		}
	}
}

// freshName returns an unused name for a parameter.
func (g *Graph) freshName(alias, stored string) string {
	if alias == "" || alias == stored {
		alias = stored + "/tie"
	}
	name := alias
	for i := 2; g.byName[name] != nil || g.stored[name] != nil; i++ {
		name = fmt.Sprintf("%s_%d", alias, i)
	}
	return name
}

// chain finds the nodes between the stored tensor and a slot.
func (p *Param) chain(s slot) []*onnx.Node {
	for _, o := range p.slots {
		if o.Node == s.node && o.Input == s.input {
			return o.Chain
		}
	}
	return nil
}

// through leads a parameter's value through the nodes between its tensor and one slot, for a slot whose tie
// with the other uses of the tensor was cut.
func (b *builder) through(v *value, chain []*onnx.Node, s *scope) *value {
	for _, n := range chain {
		inner := &scope{values: map[string]*value{n.Inputs[0]: v}, outer: s, opsets: s.opsets, attrs: s.attrs, path: s.path}
		out, err := b.apply(n, inner)
		if err != nil {
			failWith(err)
		}
		name := v.param
		v = out[0]
		if n.OpType == "Identity" {
			v.param = name
		}
	}
	return v
}
