package plan

import (
	"fmt"

	"github.com/gomlx/compute"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
	"github.com/nitrain/nitrain/convert/internal/engine/kernel"
)

// program is a graph whose views are resolved: units of work on numbered values.
type program struct {
	units     []unit
	values    []value
	params    []int // values
	outputs   []int // values
	constants []*ir.Node
}

// unit computes values from others.
type unit struct {
	node      *ir.Node
	ins, outs []int
	scratch   int64
	again     bool // computes what another unit has computed
	origin    int  // the unit, by its place in the recorded order, that it is or repeats
}

// value is an array.
type value struct {
	size  int64
	space Space // Arena, Constant or Parameter; outputs are told by program.outputs
	index int
}

// build resolves views and selections and leaves out what no output needs.
func build(g *ir.Graph, threads int) (*program, error) {
	p := &program{}
	first := make(map[*ir.Node]int, len(g.Nodes)) // of a node, its first output's value
	needed := reach(g)
	for i, n := range g.Params {
		p.params = append(p.params, len(p.values))
		first[n] = len(p.values)
		p.values = append(p.values, value{n.Shape.ByteSize(), Parameter, i})
	}
	for _, n := range g.Nodes {
		if !needed[n] || n.Op == ir.Op(compute.OpTypeParameter) {
			continue
		}
		if err := p.node(n, first, threads); err != nil {
			return nil, err
		}
	}
	for i, n := range g.Outputs {
		v, ok := first[n]
		if !ok {
			return nil, fmt.Errorf("plan: output %d: want a node of the graph, got another", i)
		}
		p.outputs = append(p.outputs, v)
	}
	return p, nil
}

func (p *program) node(n *ir.Node, first map[*ir.Node]int, threads int) error {
	ins := make([]int, len(n.Inputs))
	for i, in := range n.Inputs {
		v, ok := first[in]
		if !ok {
			return fmt.Errorf("plan: node %d: want input %d computed before, got it after", n.ID, i)
		}
		ins[i] = v
	}
	switch n.Op {
	case ir.View:
		first[n] = ins[0]
		return nil
	case ir.Select:
		first[n] = ins[0] + n.Attrs.(int) //nolint:forcetypeassert // what ir says of Select
		return nil
	case ir.Op(compute.OpTypeConstant):
		first[n] = len(p.values)
		p.values = append(p.values, value{n.Shape.ByteSize(), Constant, len(p.constants)})
		p.constants = append(p.constants, n)
		return nil
	}
	first[n] = len(p.values)
	u := unit{node: n, ins: ins, origin: len(p.units)}
	if n.Shape.Ok() {
		u.outs = append(u.outs, p.arena(n.Shape.ByteSize()))
	} else {
		for _, s := range n.Shapes {
			u.outs = append(u.outs, p.arena(s.ByteSize()))
		}
	}
	if op := operation(n); op != nil {
		u.scratch = int64(op.Scratch(threads))
	}
	p.units = append(p.units, u)
	return nil
}

func (p *program) arena(size int64) int {
	p.values = append(p.values, value{size: size})
	return len(p.values) - 1
}

// operation returns the kernel of a node, or nil.
func operation(n *ir.Node) kernel.Operation {
	if a, ok := n.Attrs.(ir.KernelAttrs); ok {
		return a.Do
	}
	return nil
}

// reach returns the nodes that outputs need.
func reach(g *ir.Graph) map[*ir.Node]bool {
	needed := make(map[*ir.Node]bool, len(g.Nodes))
	stack := append([]*ir.Node(nil), g.Outputs...)
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if !needed[n] {
			needed[n] = true
			stack = append(stack, n.Inputs...)
		}
	}
	return needed
}

// spans returns the units that compute and last use each value: -1 computes what is there before, len(units) uses what
// is returned. A value that nobody uses lives in its own unit only.
func (p *program) spans() (def, last []int) {
	def, last = make([]int, len(p.values)), make([]int, len(p.values))
	for v := range p.values {
		def[v], last[v] = -1, -1
	}
	for i, u := range p.units {
		for _, v := range u.outs {
			def[v], last[v] = i, i
		}
		for _, v := range u.ins {
			last[v] = i
		}
	}
	for _, v := range p.outputs {
		last[v] = len(p.units)
	}
	return def, last
}

// returned tells for each value which output it is first, -1 for none.
func (p *program) returned() []int {
	as := make([]int, len(p.values))
	for v := range as {
		as[v] = -1
	}
	for i, v := range p.outputs {
		if as[v] < 0 && p.values[v].space == Arena {
			as[v] = i
		}
	}
	return as
}

// inPlace tells whether a unit may write output out into the memory of its input value v: the kernel must allow it
// wherever it reads that value.
func (u *unit) inPlace(out, v int) bool {
	op := operation(u.node)
	if op == nil {
		return false
	}
	reads := false
	for j, in := range u.ins {
		if in == v {
			if !op.InPlace(out, j) {
				return false
			}
			reads = true
		}
	}
	return reads
}
