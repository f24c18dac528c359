package convert

import (
	"fmt"
	"strings"
)

// Unsupported is one node that cannot be built, and why.
type Unsupported struct {
	Op     string // operator
	Domain string // "" for the standard one
	Node   string // name of the node, "" where it has none
	Scope  string // module path, as far as the exporter left one
	Reason string

	shape bool // the reason lies in the input shapes
}

// UnsupportedError lists every node of a model that cannot be trained.
type UnsupportedError struct {
	Nodes []Unsupported
}

// Error names each operator with its reason and the scope of its first node.
func (e *UnsupportedError) Error() string {
	type kind struct{ op, domain, reason string }
	count := map[kind]int{}
	var order []kind
	first := map[kind]string{}
	for _, n := range e.Nodes {
		k := kind{n.Op, n.Domain, n.Reason}
		if count[k] == 0 {
			order = append(order, k)
			first[k] = n.Scope
			if n.Scope == "" {
				first[k] = n.Node
			}
		}
		count[k]++
	}
	var b strings.Builder
	fmt.Fprintf(&b, "convert: %d of the model's nodes cannot be built", len(e.Nodes))
	for _, k := range order {
		op := k.op
		if k.domain != "" {
			op = k.domain + "." + op
		}
		fmt.Fprintf(&b, "; %s", op)
		if count[k] > 1 {
			fmt.Fprintf(&b, " (%d times, first at %q)", count[k], first[k])
		} else {
			fmt.Fprintf(&b, " (%q)", first[k])
		}
		fmt.Fprintf(&b, ": %s", k.reason)
	}
	return b.String()
}

// Hint says what can be done.
func (e *UnsupportedError) Hint() string {
	return "export the model with standard operators and fixed input sizes; where only sizes do not fit, let the Spec pad images (pad_multiple) or cut windows (tile)"
}
