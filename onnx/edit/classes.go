package edit

import (
	"fmt"
	"slices"

	"github.com/nitrain/nitrain/onnx"
)

// Classes changes the number of classes of a model: in the layers that make the class channels (its heads)
// and in everything behind them that has a number for each class.
type Classes struct {
	// Count is the new number of classes, at least 1.
	Count int
	// From is the old class that a new class continues, by new class: its weights are kept bit for bit. The
	// others start anew.
	From map[int]int
	// Weights and Biases say how new ones start; the zero value is Kaiming.
	Weights, Biases Init
	// Seed makes new weights repeatable.
	Seed uint64
	// Outputs names the outputs to change; empty: the first one. Outputs that show the same channels follow.
	Outputs []string
}

// Changes tells what an edit did.
type Changes struct {
	Was     int      `json:"was"` // classes or channels
	Now     int      `json:"now"`
	Outputs []string `json:"outputs,omitempty"` // whose shape or meaning changed
	Heads   []string `json:"heads,omitempty"`   // the nodes that make the channels
	Tensors []Change `json:"tensors"`
	// Mixed says that a layer reads class channels of another: an old class goes on as it was only if all
	// old classes do.
	Mixed bool `json:"mixed,omitempty"`
}

// Change is a stored tensor that changed its shape.
type Change struct {
	Name string `json:"name"`
	Node string `json:"node"` // that uses it
	Was  []int  `json:"was"`
	Now  []int  `json:"now"`
	// Copied says that other nodes share the tensor: they keep the old one, this node has the new Name.
	Copied bool `json:"copied,omitempty"`
}

// Apply changes the model. The error is an *Error that names every node in the way.
func (c Classes) Apply(m *onnx.Model) (*Changes, error) {
	if err := c.check(m); err != nil {
		return nil, err
	}
	s := &surgery{
		links: newLinks(m), classes: c, seen: map[string]layout{}, visited: map[*onnx.Node]bool{},
		resized: map[place]bool{}, heads: map[*onnx.Node]layout{}, report: &Changes{Now: c.Count},
	}
	outputs := c.Outputs
	if len(outputs) == 0 {
		outputs = []string{m.Outputs()[0].Name}
	}
	for _, o := range outputs {
		s.begin(o, true)
	}
	s.others()
	s.audit()
	if len(s.problems) == 0 && len(s.report.Heads) == 0 {
		return nil, failure("classes", "output %q has no layer with weights behind its channels", outputs[0])
	}
	if len(s.problems) > 0 {
		return nil, &Error{Edit: fmt.Sprintf("%d classes", c.Count), Problems: s.problems}
	}
	if err := c.kept(s.count); err != nil {
		return nil, err
	}
	return s.report, s.commit()
}

func (c Classes) check(m *onnx.Model) error {
	if c.Count < 1 || c.Count > 1<<20 {
		return failure("classes", "want 1 to %d classes, got %d", 1<<20, c.Count)
	}
	if len(m.Outputs()) == 0 {
		return failure("classes", "the model has no output")
	}
	for _, name := range c.Outputs {
		if _, ok := m.Graph().Output(name); !ok {
			return failure("classes", "the model has no output %q", name)
		}
	}
	return nil
}

func (c Classes) kept(old int) error {
	for now, was := range c.From {
		if now < 0 || now >= c.Count {
			return failure("classes", "class %d cannot continue as class %d: there will be %d", was, now, c.Count)
		}
		if was < 0 || was >= old {
			return failure("classes", "class %d cannot continue as class %d: there are %d", was, now, old)
		}
	}
	return nil
}

// surgery is one change of the number of classes: a walk from outputs back to the heads, which notes what
// has to change, then the change.
type surgery struct {
	*links
	classes  Classes
	count    int               // classes until now
	seen     map[string]layout // where each visited value has its classes
	visited  map[*onnx.Node]bool
	resized  map[place]bool
	heads    map[*onnx.Node]layout
	problems []Problem
	actions  []func() error
	orphans  []string // values that may have lost their last use
	report   *Changes
}

// place is an axis of a stored tensor where a node uses it.
type place struct {
	slot
	axis int
}

func (s *surgery) fail(n *onnx.Node, format string, args ...any) {
	p := Problem{Node: nodeName(n), Op: n.OpType, Reason: fmt.Sprintf(format, args...)}
	if !slices.Contains(s.problems, p) {
		s.problems = append(s.problems, p)
	}
}

func (s *surgery) later(f func() error) { s.actions = append(s.actions, f) }

func (s *surgery) commit() error {
	for _, f := range s.actions {
		if err := f(); err != nil {
			return fmt.Errorf("edit: classes: %w", err)
		}
	}
	s.declare()
	return prune(s.m, s.orphans)
}

// begin starts a walk at an output. Behind an ArgMax it starts in front of it.
func (s *surgery) begin(output string, wanted bool) {
	value := output
	for range longChain {
		n := s.maker[value]
		if n == nil {
			break
		}
		switch n.OpType {
		case "Cast", "Identity", "Squeeze", "Unsqueeze", "Sub", "Add", "Reshape":
			value = n.Input(0)
			continue
		case "ArgMax", "ArgMin":
			s.beginBefore(n)
			return
		}
		break
	}
	info, _ := s.g.Output(output)
	at := s.classAxis(info)
	if at < 0 {
		if wanted {
			s.problems = append(s.problems, Problem{Reason: fmt.Sprintf("output %q: which of its axes counts classes cannot be told from its shape %v", output, info.Shape)})
		}
		return
	}
	if !s.counted(info.Shape[at], output) {
		return
	}
	s.report.Outputs = append(s.report.Outputs, output)
	s.walk(output, layout{at: at, rank: len(info.Shape), before: 1, after: 1})
}

// beginBefore starts a walk in front of an ArgMax, over its axis.
func (s *surgery) beginBefore(n *onnx.Node) {
	shape := s.shape(n.Input(0))
	at := int(n.Int("axis", 0))
	if at < 0 {
		at += len(shape)
	}
	if at < 0 || at >= len(shape) {
		s.fail(n, "the shape of its input is unknown")
		return
	}
	if !s.counted(shape[at], n.Input(0)) {
		return
	}
	s.visited[n] = true
	s.report.Outputs = append(s.report.Outputs, n.Output(0))
	s.walk(n.Input(0), layout{at: at, rank: len(shape), before: 1, after: 1})
}

// counted settles the old number of classes, from the shape or else from the head's own size.
func (s *surgery) counted(size int, output string) bool {
	if size < 0 {
		heads, err := onnx.Heads(s.m, output)
		if err != nil || len(heads) == 0 || heads[0].Classes < 1 {
			s.problems = append(s.problems, Problem{Reason: fmt.Sprintf("output %q: its number of classes is unknown", output)})
			return false
		}
		size = heads[0].Classes
	}
	if s.count != 0 && s.count != size {
		s.problems = append(s.problems, Problem{Reason: fmt.Sprintf("output %q: want %d classes as the outputs before, got %d", output, s.count, size)})
		return false
	}
	s.count, s.report.Was = size, size
	return true
}

// classAxis tells the axis of an output that counts classes, -1 when nothing tells it: the one that the
// head's channels end up on.
func (s *surgery) classAxis(info onnx.ValueInfo) int {
	if len(info.Shape) == 0 {
		return -1
	}
	if at := s.headAxis(info.Name, longChain*8); at >= 0 && at < len(info.Shape) {
		return at
	}
	if len(info.Shape) >= 4 {
		return 1
	}
	return len(info.Shape) - 1
}

// headAxis follows the first inputs back to the head and its channels forward again; -1 when a node on the
// way moves axes in another way than by Transpose.
func (s *surgery) headAxis(value string, steps int) int {
	n := s.maker[value]
	if n == nil || steps == 0 {
		return -1
	}
	switch n.OpType {
	case "Conv", "ConvTranspose", "Gemm":
		return 1
	case "MatMul":
		shape := s.shape(value)
		if w := s.slotShape(slot{n, 0}); len(w) >= 2 { // weights on the left
			return len(shape) - 2
		}
		return len(shape) - 1
	case "Einsum":
		return s.einsumAxis(n)
	case "Transpose":
		perm := n.Ints("perm", nil)
		at := s.headAxis(n.Input(0), steps-1)
		return slices.Index(perm, int64(at))
	case "Reshape":
		return slices.Index(s.turned(n), int64(s.headAxis(n.Input(0), steps-1)))
	case "Flatten", "Squeeze", "Unsqueeze", "Gather", "ReduceMean", "ReduceSum", "ReduceMax":
		return -1
	}
	for _, in := range n.Inputs {
		if _, _, ok := s.origin(in); !ok && in != "" {
			return s.headAxis(in, steps-1)
		}
	}
	return -1
}

// others starts walks at the outputs that show channels which change.
func (s *surgery) others() {
	for _, o := range s.g.Outputs {
		if _, done := s.seen[o.Name]; !done && s.showsClasses(o.Name) {
			s.begin(o.Name, false)
		}
	}
}

// showsClasses reports whether a value is computed from visited ones.
func (s *surgery) showsClasses(value string) bool {
	done := map[string]bool{}
	todo := []string{value}
	for len(todo) > 0 {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if _, ok := s.seen[v]; ok {
			return true
		}
		n := s.maker[v]
		if done[v] || n == nil || n.OpType == "Shape" {
			continue
		}
		done[v] = true
		todo = append(todo, n.Inputs...)
	}
	return false
}

// audit looks for nodes that use a changed value and were not visited: they see another size than before.
// Layers with weights can be told; others are in the way.
func (s *surgery) audit() {
	for _, n := range s.g.Nodes {
		_, head := s.heads[n]
		if s.visited[n] && !head || n.OpType == "Shape" || n.OpType == "Size" || dead(s.links, n) {
			continue
		}
		for k, v := range n.Inputs {
			l, ok := s.seen[v]
			if ok && !(n.OpType == "CastLike" && k == 1) && !s.takes(n, k, l) {
				s.fail(n, "it uses the class channels for something else than the output")
			}
		}
	}
	for value := range s.seen {
		if s.inner[value] {
			s.problems = append(s.problems, Problem{Reason: fmt.Sprintf("value %q with the class channels is used inside a subgraph", value)})
		}
	}
	slices.SortFunc(s.problems, func(a, b Problem) int { return slices.Compare([]string{a.Node, a.Reason}, []string{b.Node, b.Reason}) })
}

// dead reports whether nothing uses what a node makes.
func dead(l *links, n *onnx.Node) bool {
	for _, o := range n.Outputs {
		if _, out := l.g.Output(o); out || len(l.uses[o]) > 0 || l.inner[o] {
			return false
		}
	}
	return true
}

// declare writes the new sizes into the declared types.
func (s *surgery) declare() {
	for _, list := range [][]onnx.ValueInfo{s.g.Outputs, s.g.Values} {
		for i, v := range list {
			l, ok := s.seen[v.Name]
			if !ok || l.at >= len(v.Shape) || v.Shape[l.at] != l.size(s.count) {
				continue
			}
			list[i].Shape = slices.Clone(v.Shape)
			list[i].Shape[l.at] = l.size(s.classes.Count)
		}
	}
}
