package onnx

import (
	"fmt"
	"strconv"
	"strings"
)

// Violation is one place where a model breaks a rule of the ONNX standard.
type Violation struct {
	// Warning: other programs may accept it. Everything else is an error.
	Warning bool
	// Scope leads to the graph: "" is the main graph, "If_3/then_branch" a subgraph, "function domain:name" a function.
	Scope string
	// Node and Op name the node, where it is one.
	Node, Op string
	// Field is what is wrong: "input 2", "attribute axis", "initializer w", "opset_import", ...
	Field string
	Want  string
	Got   string
}

// String returns the violation as one line.
func (v Violation) String() string {
	var b strings.Builder
	if v.Scope != "" {
		fmt.Fprintf(&b, "%s: ", v.Scope)
	}
	if v.Op != "" {
		fmt.Fprintf(&b, "%s %q: ", v.Op, v.Node)
	}
	fmt.Fprintf(&b, "%s: want %s, got %s", v.Field, v.Want, v.Got)
	if v.Warning {
		b.WriteString(" (warning)")
	}
	return b.String()
}

// Check returns every violation of the rules that the ONNX project's own checker (onnx/checker.cc, version
// 1.23) holds a model to, but for type inference; and two that onnxruntime adds: nodes that depend on
// themselves, and outputs that nothing makes. Weights are not read; files of external data are looked at.
func Check(m *Model) []Violation {
	c := &checker{m: m, local: map[string]*Function{}}
	for _, f := range m.Functions {
		c.local[functionID(f.Domain, f.Name, f.Overload)] = f
	}
	table, err := readSchemas()
	if err != nil {
		c.add(Violation{Field: "operator table", Want: "a readable table", Got: err.Error()})
		return c.found
	}
	c.table = table
	c.model()
	c.graph(m.graph, nil, "", c.opsets(m.Opsets), nil)
	c.functions()
	return c.found
}

type checker struct {
	m     *Model
	table *schemas
	local map[string]*Function // the model's own functions
	found []Violation
}

func (c *checker) add(v Violation) { c.found = append(c.found, v) }

func (c *checker) bad(scope, field, want, got string) {
	c.add(Violation{Scope: scope, Field: field, Want: want, Got: got})
}

// The IR versions that this package knows.
const (
	minIR = 1
	maxIR = 14
)

func (c *checker) model() {
	m := c.m
	if m.IRVersion < minIR || m.IRVersion > maxIR {
		c.bad("", "ir_version", fmt.Sprintf("%d to %d", minIR, maxIR), strconv.Itoa(m.IRVersion))
	}
	if len(m.Opsets) == 0 && m.IRVersion >= 3 {
		c.bad("", "opset_import", "at least one", "none")
	}
	seen := map[string]bool{}
	for _, o := range m.Opsets {
		d := standard(o.Domain)
		if seen[d] {
			c.bad("", "opset_import", "each domain once", fmt.Sprintf("%q twice", o.Domain))
		}
		seen[d] = true
		if newest, ok := c.table.newest[d]; ok && (o.Version < 1 || o.Version > newest) {
			c.bad("", "opset_import", fmt.Sprintf("version 1 to %d of domain %q", newest, o.Domain), strconv.Itoa(o.Version))
		}
	}
	keys := map[string]bool{}
	for _, e := range m.metadata {
		if keys[e.key] {
			c.bad("", "metadata_props", "each key once", fmt.Sprintf("%q twice", e.key))
		}
		keys[e.key] = true
	}
}

// opsets returns the versions by domain. Models of IR 1 and 2 may import none: then it is version 1.
func (c *checker) opsets(list []Opset) map[string]int {
	out := map[string]int{}
	for _, o := range list {
		out[standard(o.Domain)] = o.Version
	}
	if len(list) == 0 && c.m.IRVersion < 3 {
		out[""] = 1
	}
	return out
}

func (c *checker) functions() {
	for _, f := range c.m.Functions {
		id := functionID(f.Domain, f.Name, f.Overload)
		scope := "function " + id
		if c.local[id] != f {
			c.bad(scope, "name", "one function of a name", "two")
		}
		if f.Name == "" {
			c.bad(scope, "name", "a name", "none")
		}
		c.function(f, scope)
		if callsItself(f, id, c.local, map[string]bool{}) {
			c.bad(scope, "nodes", "no recursion", "a call of itself")
		}
	}
}

func functionID(domain, name, overload string) string {
	id := standard(domain) + ":" + name
	if overload != "" {
		id += ":" + overload
	}
	return id
}

func callsItself(f *Function, id string, local map[string]*Function, seen map[string]bool) bool {
	for _, n := range f.Nodes {
		called := functionID(n.Domain, n.OpType, n.Overload)
		if called == id {
			return true
		}
		if next := local[called]; next != nil && !seen[called] {
			seen[called] = true
			if callsItself(next, id, local, seen) {
				return true
			}
		}
	}
	return false
}

func (c *checker) function(f *Function, scope string) {
	opsets := c.opsets(f.Opsets)
	names := newScope(nil)
	for _, in := range f.Inputs {
		if names.own[in] {
			c.bad(scope, "input "+in, "a name of its own", "the same name twice")
		}
		names.own[in] = true
	}
	attrs := map[string]bool{}
	for _, a := range f.Attributes {
		attrs[a] = true
	}
	for _, a := range f.Defaults {
		attrs[a.Name] = true
	}
	c.nodes(f.Nodes, names, scope, opsets, attrs)
	for _, out := range f.Outputs {
		if !names.has(out) {
			c.bad(scope, "output "+out, "a value of the function", "nothing makes it")
		}
	}
}
