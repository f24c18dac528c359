package onnx

import (
	"fmt"
	"slices"
	"strings"
)

// names are the values that can be used at a place: those of the graph itself and of the graphs around it.
type names struct {
	own   map[string]bool
	outer *names
}

func newScope(outer *names) *names { return &names{map[string]bool{}, outer} }

func (s *names) has(name string) bool {
	for ; s != nil; s = s.outer {
		if s.own[name] {
			return true
		}
	}
	return false
}

// graph checks a graph; attrs are the parameters of the function around it, nil outside of functions.
func (c *checker) graph(g *Graph, outer *names, scope string, opsets map[string]int, attrs map[string]bool) {
	if g.Name == "" {
		c.bad(scope, "graph name", "a name", "none")
	}
	own := newScope(outer)
	for _, v := range g.allInputs() {
		c.value(v, "input", scope, outer == nil)
		if own.own[v.Name] {
			c.bad(scope, "input "+v.Name, "a name of its own", "the same name twice")
		}
		own.own[v.Name] = true
	}
	c.initializers(g, own, scope)
	c.nodes(g.Nodes, own, scope, opsets, attrs)
	for _, v := range g.Outputs {
		c.value(v, "output", scope, outer == nil)
		if v.Name != "" && !own.has(v.Name) {
			c.bad(scope, "output "+v.Name, "a value of the graph", "nothing makes it")
		}
	}
}

// value checks a declaration; only those of the main graph need a type.
func (c *checker) value(v ValueInfo, what, scope string, typed bool) {
	field := what + " " + v.Name
	switch {
	case v.Name == "":
		c.bad(scope, what, "a name", "none")
	case !typed || v.Kind != "":
	case v.DType == Undefined:
		c.bad(scope, field, "an element type", "none")
	case !v.DType.Known():
		c.bad(scope, field, "an element type of ONNX", v.DType.String())
	case v.Shape == nil:
		c.bad(scope, field, "a shape", "none")
	}
}

func (c *checker) initializers(g *Graph, own *names, scope string) {
	inputs := map[string]bool{}
	for _, v := range g.allInputs() {
		inputs[v.Name] = true
	}
	seen := map[string]bool{}
	name := func(n string) {
		field := "initializer " + n
		switch {
		case n == "":
			c.bad(scope, "initializer", "a name", "none")
		case seen[n]:
			c.bad(scope, field, "a name of its own", "the same name twice")
		case !inputs[n] && c.m.IRVersion < 4 && scope == "":
			c.bad(scope, field, fmt.Sprintf("it among the inputs, as IR version %d demands", c.m.IRVersion), "no input of that name")
		}
		seen[n], own.own[n] = true, true
	}
	for _, i := range g.Initializers {
		name(i.Name)
		c.tensor(i.Tensor, "initializer "+i.Name, Violation{Scope: scope})
	}
	for _, s := range g.Sparse {
		name(s.Name)
		c.sparse(s, scope)
	}
}

func (c *checker) sparse(s *SparseInitializer, scope string) {
	field := "sparse initializer " + s.Name
	if s.Values == nil || s.Indices == nil {
		c.bad(scope, field, "values and indices", "a part is missing")
		return
	}
	c.tensor(s.Values, field+" values", Violation{Scope: scope})
	c.tensor(s.Indices, field+" indices", Violation{Scope: scope})
	if _, err := Elements(s.Shape); err != nil || len(s.Shape) == 0 {
		c.bad(scope, field, "a shape", fmt.Sprint(s.Shape))
	}
	if len(s.Values.shape) != 1 {
		c.bad(scope, field, "values of rank 1", fmt.Sprint(s.Values.shape))
	}
	if s.Indices.dtype != Int64 {
		c.bad(scope, field, "indices of int64", s.Indices.dtype.String())
	}
	n := s.Values.Len()
	if !slices.Equal(s.Indices.shape, []int{n}) && !slices.Equal(s.Indices.shape, []int{n, len(s.Shape)}) {
		c.bad(scope, field, fmt.Sprintf("indices of shape [%d] or [%d %d]", n, n, len(s.Shape)), fmt.Sprint(s.Indices.shape))
	}
}

// nodes checks a list of nodes and adds what they make to own.
func (c *checker) nodes(list []*Node, own *names, scope string, opsets map[string]int, attrs map[string]bool) {
	later := map[string]bool{}
	for _, n := range list {
		for _, o := range n.Outputs {
			later[o] = true
		}
	}
	disorder := false
	for _, n := range list {
		at := Violation{Scope: scope, Node: n.Name, Op: n.OpType}
		for _, in := range n.Inputs {
			if in != "" && !own.has(in) && !later[in] {
				c.at(at, "input "+in, "a value of the graph", "nothing makes it", false)
			}
		}
		early := newScope(own) // what the node uses before it is made, so that its subgraphs do not report it again
		eachUse(n, func(in string) {
			if !early.has(in) && later[in] {
				disorder, early.own[in] = true, true
				c.at(at, "input "+in, "a value made by an earlier node", "it is made by a later one", true)
			}
		})
		c.node(n, at, early, opsets, attrs)
		for _, o := range n.Outputs {
			if o == "" {
				continue
			}
			if own.has(o) {
				c.at(at, "output "+o, "a new value (single assignment)", "a name that is taken", false)
			}
			own.own[o] = true
		}
	}
	if disorder {
		if _, err := topological(list); err != nil {
			c.bad(scope, "nodes", "no cycle", strings.TrimPrefix(err.Error(), "onnx: "))
		}
	}
}

func (c *checker) at(v Violation, field, want, got string, warning bool) {
	v.Field, v.Want, v.Got, v.Warning = field, want, got, warning
	c.add(v)
}
