package bundle

import (
	"fmt"
	"slices"
	"strings"
)

// canonical writes an expression in one form whatever its spaces and brackets, with a lambda's parameters renamed to
// _0, _1, ... so that two that mean the same read the same. Names are looked up among the imports.
func (r *resolver) canonical(n *node) string {
	var b strings.Builder
	r.write(&b, n, nil)
	return b.String()
}

func (r *resolver) write(b *strings.Builder, n *node, bound []string) {
	switch n.kind {
	case nameNode:
		if i := slices.Index(bound, n.text); i >= 0 {
			fmt.Fprintf(b, "_%d", i)
		} else {
			b.WriteString(r.alias(n.text))
		}
	case numberNode:
		b.WriteString(plainNumber(n.text))
	case textNode:
		fmt.Fprintf(b, "%q", n.text)
	case referenceNode:
		b.WriteString("@" + n.text)
	case listNode:
		r.writeAll(b, "[", n.kids, "]", bound)
	case dictNode:
		r.writeAll(b, "{", n.kids, "}", bound)
	case attributeNode:
		r.write(b, n.kids[0], bound)
		b.WriteString("." + n.text)
	case callNode:
		r.write(b, n.kids[0], bound)
		r.writeAll(b, "(", n.kids[1:], ")", bound)
	case keywordNode:
		b.WriteString(n.text + "=")
		r.write(b, n.kids[0], bound)
	case indexNode:
		r.write(b, n.kids[0], bound)
		r.writeAll(b, "[", n.kids[1:], "]", bound)
	case sliceNode:
		for i, k := range n.kids {
			if i > 0 {
				b.WriteByte(':')
			}
			r.write(b, k, bound)
		}
	case emptyNode:
	case unaryNode:
		b.WriteString("(" + n.text + " ")
		r.write(b, n.kids[0], bound)
		b.WriteByte(')')
	case binaryNode:
		b.WriteByte('(')
		r.write(b, n.kids[0], bound)
		b.WriteString(" " + n.text + " ")
		r.write(b, n.kids[1], bound)
		b.WriteByte(')')
	case choiceNode:
		r.writeAll(b, "choice(", n.kids, ")", bound)
	case lambdaNode:
		fmt.Fprintf(b, "lambda%d:", len(n.names))
		r.write(b, n.kids[0], n.names)
	}
}

func (r *resolver) writeAll(b *strings.Builder, open string, kids []*node, end string, bound []string) {
	b.WriteString(open)
	for i, k := range kids {
		if i > 0 {
			b.WriteString(", ")
		}
		r.write(b, k, bound)
	}
	b.WriteString(end)
}

// plainNumber writes 0.50 and 5e-1 alike, and 2.0 as 2.
func plainNumber(s string) string {
	v, err := number(strings.ReplaceAll(s, "_", ""))
	if err != nil {
		return s
	}
	return fmt.Sprint(v)
}
