package edit

import (
	"fmt"
	"strings"

	"github.com/nitrain/nitrain/onnx"
)

// Error says why an edit is impossible. The model is then unchanged.
type Error struct {
	Edit     string    // what was asked for: "classes", "input channels", ...
	Problems []Problem // at least one
}

// Problem is one obstacle.
type Problem struct {
	Node   string // name of the node, or the value that it makes where it has no name; "" where none is to blame
	Op     string // its operator
	Reason string
}

// Error lists every obstacle with its node.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "edit: %s:", e.Edit)
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteString(";")
		}
		if p.Node != "" {
			fmt.Fprintf(&b, " node %q (%s):", p.Node, p.Op)
		}
		b.WriteString(" " + p.Reason)
	}
	return b.String()
}

// Hint says what can be done.
func (e *Error) Hint() string {
	return "`nitrain info MODEL` shows inputs, outputs and heads; a model can be cut before the node with --cut-at and edited there"
}

func failure(edit, format string, args ...any) *Error {
	return &Error{Edit: edit, Problems: []Problem{{Reason: fmt.Sprintf(format, args...)}}}
}

func nodeName(n *onnx.Node) string {
	if n.Name != "" {
		return n.Name
	}
	return n.Output(0)
}
