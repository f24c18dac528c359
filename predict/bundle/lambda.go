package bundle

import (
	"math"
	"slices"

	"github.com/nitrain/nitrain/imageio/transform"
)

// lambda returns a function of one parameter that an argument holds; nothing if it is something else.
func (a *args) lambda(name string) *node {
	a.used[name] = true
	v, _ := a.args.get(name)
	if list, ok := v.([]any); ok && a.keys > 0 && len(list) == a.keys {
		v = list[a.key]
	}
	o, ok := v.(*Opaque)
	if !ok || o.tree == nil || o.tree.kind != lambdaNode || len(o.tree.names) != 1 {
		return nil
	}
	return o.tree
}

// written returns how an argument is written.
func (a *args) written(name string) string {
	v, _ := a.args.get(name)
	if o, ok := v.(*Opaque); ok {
		return shorten(o.Text)
	}
	return describe(v)
}

// lambdaStep recognises a few functions on images.
func (t *translator) lambdaStep(a *args, s *stream) {
	a.understood("inv_func", "track_meta", "overwrite")
	f := a.lambda("func")
	if f == nil {
		a.fault("func", "%s is no function that is recognised", a.written("func"))
		return
	}
	x, body := f.names[0], f.kids[0]
	if isName(body, x) {
		return
	}
	if list, ok := pickedChannels(body, x); ok {
		a.add(s, transform.SelectChannels{List: list})
		return
	}
	if step := t.recognised(body, x); step != nil {
		a.add(s, step)
		return
	}
	a.fault("func", "%s is no function that is recognised", a.written("func"))
}

// recognised returns the step for x / c, x * c, x - c, x + c and a clip.
func (t *translator) recognised(body *node, x string) transform.Transform {
	if body.kind == binaryNode && isName(body.kids[0], x) {
		c, ok := constant(body.kids[1])
		if !ok {
			return nil
		}
		switch body.text {
		case "/":
			if c != 0 {
				return transform.Range{From: transform.Pair{0, c}, To: transform.Pair{0, 1}}
			}
		case "-":
			return transform.Range{From: transform.Pair{c, c + 1}, To: transform.Pair{0, 1}}
		case "+":
			return transform.Range{From: transform.Pair{-c, 1 - c}, To: transform.Pair{0, 1}}
		}
		return nil
	}
	if body.kind != callNode {
		return nil
	}
	args := body.kids[1:]
	name, ok := t.r.dotted(body.kids[0])
	switch {
	case ok && slices.Contains([]string{"torch.clamp", "torch.clip", "numpy.clip"}, name) && len(args) == 3 && isName(args[0], x):
		args = args[1:]
	case body.kids[0].kind == attributeNode && slices.Contains([]string{"clip", "clamp"}, body.kids[0].text) && isName(body.kids[0].kids[0], x) && len(args) == 2:
	default:
		return nil
	}
	lo, ok := constant(args[0])
	hi, ok2 := constant(args[1])
	if !ok || !ok2 {
		return nil
	}
	return transform.Clip{Lower: lo, Upper: hi}
}

// foreground returns the value above which CropForeground's select_fn finds foreground.
func (t *translator) foreground(a *args) float64 {
	v, ok := a.args.get("select_fn")
	a.used["select_fn"] = true
	if !ok || v == nil {
		return 0
	}
	if s, is := v.(*Symbol); is && s.Name == "monai.transforms.utils.is_positive" {
		return 0
	}
	if f := a.lambda("select_fn"); f != nil {
		body := f.kids[0]
		if body.kind == binaryNode && body.text == ">" && isName(body.kids[0], f.names[0]) {
			if c, ok := constant(body.kids[1]); ok {
				return c
			}
		}
	}
	a.fault("select_fn", "%s is no function that is recognised", a.written("select_fn"))
	return 0
}

func isName(n *node, name string) bool { return n.kind == nameNode && n.text == name }

// constant returns a number, with a sign or without.
func constant(n *node) (float64, bool) {
	sign := 1.0
	for n.kind == unaryNode && (n.text == "-" || n.text == "+") {
		if n.text == "-" {
			sign = -sign
		}
		n = n.kids[0]
	}
	if n.kind != numberNode {
		return 0, false
	}
	v, err := number(n.text)
	if err != nil {
		return 0, false
	}
	f, ok := float(v)
	return sign * f, ok
}

// count is constant for whole numbers from 0.
func count(n *node) (int, bool) {
	f, ok := constant(n)
	if !ok || f < 0 || f > 1<<16 || f != math.Trunc(f) {
		return 0, false
	}
	return int(f), true
}

// pickedChannels recognises x[[0, 2]], x[0:2] and x[:2].
func pickedChannels(n *node, x string) ([]int, bool) {
	if n.kind != indexNode || !isName(n.kids[0], x) {
		return nil, false
	}
	switch at := n.kids[1]; at.kind {
	case listNode:
		var list []int
		for _, k := range at.kids {
			c, ok := count(k)
			if !ok {
				return nil, false
			}
			list = append(list, c)
		}
		return list, len(list) > 0
	case sliceNode:
		from := 0
		if at.kids[0].kind != emptyNode {
			var ok bool
			if from, ok = count(at.kids[0]); !ok {
				return nil, false
			}
		}
		to, ok := count(at.kids[1])
		if !ok || at.kids[2].kind != emptyNode || to <= from || to-from > 1<<10 {
			return nil, false
		}
		var list []int
		for c := from; c < to; c++ {
			list = append(list, c)
		}
		return list, true
	}
	return nil, false
}

// withoutFirst recognises x[1:].
func withoutFirst(n *node, x string) bool {
	if n.kind != indexNode || !isName(n.kids[0], x) || n.kids[1].kind != sliceNode {
		return false
	}
	part := n.kids[1].kids
	first, ok := count(part[0])
	return ok && first == 1 && part[1].kind == emptyNode && part[2].kind == emptyNode
}

// mark gives a channel of a mask the value that it has in the label image.
type mark struct{ channel, value int }

// nested recognises where(x[[2]] > 0, 4, where(x[[0]] > 0, 1, ..., 0)): the first that holds wins.
func (t *translator) nested(n *node, x string) ([]mark, bool) {
	var marks []mark
	for n.kind == callNode && len(marks) < 1<<10 {
		name, ok := t.r.dotted(n.kids[0])
		if !ok || name != "torch.where" && name != "numpy.where" || len(n.kids) != 4 {
			return nil, false
		}
		channel, ok := isSet(n.kids[1], x)
		if !ok {
			return nil, false
		}
		value, ok := count(n.kids[2])
		if !ok || value == 0 {
			return nil, false
		}
		marks = append(marks, mark{channel, value})
		n = n.kids[3]
	}
	rest, ok := count(n)
	return marks, ok && rest == 0 && len(marks) > 0
}

// isSet recognises x[[c]] > 0, x[c] == 1, x[c:c+1] > 0.5 and the like: that channel c of a mask is 1.
func isSet(n *node, x string) (channel int, ok bool) {
	if n.kind != binaryNode || n.kids[0].kind != indexNode || !isName(n.kids[0].kids[0], x) {
		return 0, false
	}
	limit, known := constant(n.kids[1])
	switch n.text {
	case ">":
		ok = known && limit >= 0 && limit < 1
	case ">=":
		ok = known && limit > 0 && limit <= 1
	case "==":
		ok = known && limit == 1
	}
	if !ok {
		return 0, false
	}
	if c, single := count(n.kids[0].kids[1]); single {
		return c, true
	}
	list, picked := pickedChannels(n.kids[0], x)
	if !picked || len(list) != 1 {
		return 0, false
	}
	return list[0], true
}
