package cpu

import (
	"fmt"
	"strings"

	"github.com/gomlx/compute/shapes"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
	"github.com/nitrain/nitrain/convert/internal/engine/kernel"
	"github.com/nitrain/nitrain/convert/internal/engine/plan"
)

// step is one step of a plan with its memory.
type step struct {
	plan.Step
	label    string
	op       kernel.Operation // or
	fallback *fallback
	outs     [][]byte
	ins      [][]byte
	scratch  []byte
}

// step prepares a step of a plan to run.
func (b *Backend) step(s plan.Step) (step, error) {
	out := step{Step: s, label: label(s.Node), outs: make([][]byte, len(s.Outs)), ins: make([][]byte, len(s.Ins))}
	if a, ok := s.Node.Attrs.(ir.KernelAttrs); ok {
		out.op = a.Do
		return out, nil
	}
	var err error
	out.fallback, err = b.newFallback(s.Node)
	return out, err
}

// bind finds the step's arrays in a run's memory.
func (s *step) bind(r *run) {
	for i, p := range s.Ins {
		s.ins[i] = r.at(p)
	}
	for i, p := range s.Outs {
		s.outs[i] = r.at(p)
	}
	if s.Scratch.Size > 0 {
		s.scratch = r.at(s.Scratch)
	}
}

// run computes the step.
func (s *step) run(t *kernel.Team) error {
	if s.op != nil {
		s.op.Run(t, s.outs, s.ins, s.scratch)
		return nil
	}
	return s.fallback.run(s.outs, s.ins)
}

func (s *step) finalize() {
	if s.fallback != nil {
		s.fallback.inner.Finalize()
	}
}

// bytes returns how much a step reads and writes.
func (s *step) bytes() int64 {
	var sum int64
	for _, p := range s.Ins {
		sum += p.Size
	}
	for _, p := range s.Outs {
		sum += p.Size
	}
	return sum
}

// label names a node's operation.
func label(n *ir.Node) string {
	a, ok := n.Attrs.(ir.KernelAttrs)
	if !ok {
		return n.Op.Of().String()
	}
	name := strings.TrimPrefix(strings.TrimPrefix(fmt.Sprintf("%T", a.Do), "*"), "kernel.")
	switch c := any(a.Do).(type) {
	case kernel.Convolution:
		return name + pass(c.Pass)
	case *kernel.Convolution:
		return name + pass(c.Pass)
	}
	return name
}

func pass(p kernel.Pass) string {
	switch p {
	case kernel.Input:
		return " input gradient"
	case kernel.Weights:
		return " weight gradient"
	default:
		return ""
	}
}

// outputs returns the shapes of a node's outputs.
func outputs(n *ir.Node) []shapes.Shape {
	if n.Shape.Ok() {
		return []shapes.Shape{n.Shape}
	}
	return n.Shapes
}
