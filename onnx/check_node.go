package onnx

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

func (c *checker) node(n *Node, at Violation, own *names, opsets map[string]int, attrs map[string]bool) {
	if n.OpType == "" {
		c.at(at, "op_type", "an operator", "none", false)
		return
	}
	if len(n.Inputs)+len(n.Outputs) == 0 {
		c.at(at, "inputs and outputs", "at least one", "none", false)
	}
	c.attributes(n, at, attrs)
	for i := range n.Attrs {
		a := &n.Attrs[i]
		for k, g := range append(one(a.G), a.Graphs...) {
			c.graph(g, own, subScope(at.Scope, n, a, k), opsets, attrs)
		}
	}
	c.operator(n, at, opsets)
}

func subScope(scope string, n *Node, a *Attr, k int) string {
	name := n.Name
	if name == "" {
		name = n.OpType
	}
	out := name + "/" + a.Name
	if a.Kind == KindGraphs {
		out = fmt.Sprintf("%s[%d]", out, k)
	}
	if scope != "" {
		out = scope + "/" + out
	}
	return out
}

func (c *checker) attributes(n *Node, at Violation, params map[string]bool) {
	seen := map[string]bool{}
	for i := range n.Attrs {
		a := &n.Attrs[i]
		field := "attribute " + a.Name
		if a.Name == "" {
			c.at(at, "attribute", "a name", "none", false)
		}
		if seen[a.Name] {
			c.at(at, field, "a name of its own", "the same name twice", false)
		}
		seen[a.Name] = true
		c.attribute(a, at, field, params)
	}
}

func (c *checker) attribute(a *Attr, at Violation, field string, params map[string]bool) {
	given := a.fields &^ emptyScalars(a)
	switch {
	case a.Ref != "" && params == nil:
		c.at(at, field, "a value (references are for functions)", "a reference to "+a.Ref, false)
	case a.Ref != "" && !params[a.Ref]:
		c.at(at, field, "a reference to an attribute of the function", a.Ref, false)
	case a.Ref != "":
	case a.Kind < KindFloat || a.Kind > KindTypes:
		c.at(at, field, "a type from 1 to 14", strconv.Itoa(int(a.Kind)), false)
	case a.from.known() && given&^(1<<a.Kind) != 0:
		other := AttrKind(bits.TrailingZeros32(given &^ (1 << a.Kind)))
		c.at(at, field, "a value of type "+a.Kind.String()+" alone", "one of type "+other.String(), false)
	case a.from.known() && a.fields&(1<<a.Kind) == 0 && !a.Kind.mayBeEmpty():
		c.at(at, field, "a value of type "+a.Kind.String(), "none", false)
	}
	for k, t := range append(one(a.T), a.Tensors...) {
		name := field
		if a.Kind == KindTensors {
			name = fmt.Sprintf("%s[%d]", field, k)
		}
		c.tensor(t, name, at)
	}
}

// mayBeEmpty reports whether a value of the kind may leave no trace in the file: lists, and numbers and
// strings that proto3 writers leave out when they are zero.
func (k AttrKind) mayBeEmpty() bool {
	return k <= KindString || k >= KindFloats && k <= KindGraphs || k == KindSparseTensors || k == KindTypes
}

// emptyScalars returns the bits of scalar fields that are there but zero, which some writers leave in.
func emptyScalars(a *Attr) uint32 {
	var out uint32
	if a.F == 0 {
		out |= 1 << KindFloat
	}
	if a.I == 0 {
		out |= 1 << KindInt
	}
	if a.S == "" {
		out |= 1 << KindString
	}
	return out
}

// operator compares the node with the standard, or with the model's own function.
func (c *checker) operator(n *Node, at Violation, opsets map[string]int) {
	if f := c.local[functionID(n.Domain, n.OpType, n.Overload)]; f != nil {
		c.counts(len(n.Inputs), 0, len(f.Inputs), "inputs", at)
		c.counts(len(n.Outputs), 0, len(f.Outputs), "outputs", at)
		return
	}
	opset, ok := opsets[standard(n.Domain)]
	if !ok {
		c.at(at, "domain", "one that opset_import names", fmt.Sprintf("%q", n.Domain), false)
		return
	}
	s, known := c.table.find(n.Domain, n.OpType, opset)
	switch {
	case !known:
	case s == nil:
		c.at(at, "op_type", fmt.Sprintf("an operator of opset %d", opset), n.OpType, false)
	case s.deprecated:
		c.at(at, "op_type", fmt.Sprintf("an operator of opset %d", opset), n.OpType+", which is deprecated there", true)
	default:
		c.schema(n, s, at)
	}
}

func (c *checker) counts(got, least, most int, what string, at Violation) {
	want := strconv.Itoa(least)
	switch {
	case most < 0:
		want = fmt.Sprintf("at least %d", least)
	case most > least:
		want = fmt.Sprintf("%d to %d", least, most)
	}
	if got < least || most >= 0 && got > most {
		c.at(at, "number of "+what, want, strconv.Itoa(got), false)
	}
}

func (c *checker) schema(n *Node, s *schema, at Violation) {
	c.counts(len(n.Inputs), s.minIn, s.maxIn, "inputs", at)
	c.counts(len(n.Outputs), s.minOut, s.maxOut, "outputs", at)
	for i := range min(s.minIn, len(n.Inputs)) {
		if n.Inputs[i] == "" && s.maxIn >= 0 {
			c.at(at, fmt.Sprintf("input %d", i), "a value (it is not optional)", "none", false)
		}
	}
	for _, name := range s.required {
		if n.Attr(name) == nil {
			c.at(at, "attribute "+name, "it (it is required)", "none", false)
		}
	}
	for i := range n.Attrs {
		a := &n.Attrs[i]
		kind, ok := s.attrs[a.Name]
		switch {
		case strings.HasPrefix(a.Name, "__"): // for the private use of programs
		case !ok:
			c.at(at, "attribute "+a.Name, "one of "+strings.Join(known(s), ", "), "an unknown name", false)
		case a.Kind != kind && a.Ref == "":
			c.at(at, "attribute "+a.Name, kind.String(), a.Kind.String(), false)
		}
	}
}

func known(s *schema) []string {
	var out []string
	for name := range s.attrs {
		out = append(out, name)
	}
	if len(out) == 0 {
		return []string{"no attributes"}
	}
	slices.Sort(out)
	return out
}
