package convert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/nitrain/nitrain/convert/internal/engine"
	"github.com/nitrain/nitrain/onnx"
)

// NonFiniteError tells that the loss or the gradients of a step are no finite numbers. The update was not made.
type NonFiniteError struct {
	Loss, Norm float64
	Where      string // the first node, or the last parameter's gradient, that is not finite; "" if that was not found
}

// Error says what is not finite, and where.
func (e *NonFiniteError) Error() string {
	what, v := "loss", e.Loss
	if finite(e.Loss) {
		what, v = "gradient", e.Norm
	}
	if e.Where == "" {
		return fmt.Sprintf("convert: step: the %s is %g", what, v)
	}
	return fmt.Sprintf("convert: step: the %s is %g, from %s on", what, v, e.Where)
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// interruptibly lets a run of a program end within one operation when ctx is cancelled.
func (p *program) interruptibly(ctx context.Context, run func() error) error {
	if ctx.Done() == nil {
		return run()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	e := p.graph.Executable()
	stopped := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		engine.Stop(e)
		close(stopped)
	})
	err := run()
	if !cancel() {
		<-stopped
		engine.Resume(e)
		if err != nil {
			return errors.Join(ctx.Err(), err)
		}
	}
	return err
}

// Memory is what computing takes, in bytes.
type Memory struct {
	Inputs     int64 // parameters, moments and the batch
	Work       int64 // everything between
	Outputs    int64 // that do not take an input's memory
	Recomputed int   // operations that run twice so that less is kept
}

// Total is the sum.
func (m Memory) Total() int64 { return m.Inputs + m.Work + m.Outputs }

// Memory returns what a step of Run on such batches takes, before any runs. ok is false where the engine does not know.
func (s *Step) Memory(batches ...map[string]*onnx.Tensor) (m Memory, ok bool, err error) {
	if len(batches) == 0 {
		return Memory{}, false, errors.New("convert: step: want a batch")
	}
	p := s.programs[programKey(kindStep, batches[0])] // Run has made it where it needs no other
	if p == nil {
		if p, err = s.program(kindGradient, batches[0]); err != nil {
			return Memory{}, false, err
		}
	}
	e, ok := engine.MemoryOf(p.graph.Executable())
	if !ok {
		return Memory{}, false, nil
	}
	return Memory{Inputs: e.Parameters, Work: e.Arena + e.Constants, Outputs: e.Outputs, Recomputed: e.Recomputed}, true, nil
}

// Bound sets how many bytes a step may take, inputs and outputs included: what does not fit is computed again rather
// than kept. 0 sets no bound. A step that cannot be that small fails, and says what it needs.
func (s *Step) Bound(bytes int64) {
	engine.SetMemory(s.backend.compute, bytes)
	for _, p := range s.programs {
		p.close()
	}
	s.programs = map[string]*program{}
}

// check refuses an update from numbers that are not finite.
func (s *stepper) check(batch map[string]*onnx.Tensor, res *StepResult) error {
	if finite(res.Loss) && finite(res.Norm) {
		return nil
	}
	e := &NonFiniteError{Loss: res.Loss, Norm: res.Norm}
	if finite(res.Loss) {
		e.Where = s.faultyGradient()
	} else {
		e.Where = s.faultyNode(batch)
	}
	return e
}

// faultyGradient returns the parameter nearest to the loss whose gradient is not finite: it flows on from there.
func (s *stepper) faultyGradient() string {
	for _, p := range slices.Backward(s.train) {
		t := s.device[sumKey(p.Name)]
		if t == nil {
			continue
		}
		v, err := download(t, onnx.Float32)
		if err != nil {
			return ""
		}
		values, err := v.Float32()
		if err != nil {
			return ""
		}
		for _, x := range values {
			if !finite(float64(x)) {
				return fmt.Sprintf("the gradient of %q", p.Name)
			}
		}
	}
	return ""
}

// faultyNode returns the first node of the forward pass that gives something that is not finite.
func (s *stepper) faultyNode(batch map[string]*onnx.Tensor) string {
	var infos []onnx.ValueInfo
	for _, info := range s.graph.Inputs() {
		infos = append(infos, onnx.ValueInfo{Name: info.Name, DType: info.DType})
	}
	f := s.backend.float
	ports := append(inputPorts(infos, batch, f), append(paramPorts(s.train, f), paramPorts(s.rest, f)...)...)
	p, err := compile(s.backend, "inspect", ports, func(gg *graph.Graph, in map[string]*graph.Node) []result {
		b := &builder{graph: gg, float: f, half: s.half}
		s.graph.buildValues(b, modelInputs(s.graph, in), paramNodes(s.graph.params, in), Mode{Training: true})
		var list []result
		for _, n := range s.graph.nodes {
			if v := b.top.values[n.Output(0)]; v != nil && v.node != nil && v.node.DType() == f {
				bad := graph.ConvertDType(graph.LogicalNot(graph.IsFinite(v.node)), dtypes.Float32)
				list = append(list, result{n.Output(0), graph.ReduceAllMax(bad)})
			}
		}
		return list
	})
	if err != nil {
		return ""
	}
	defer p.close()
	feed, own := map[string]*tensors.Tensor{}, []*tensors.Tensor{}
	defer func() { free(own...) }()
	for _, info := range infos {
		t, err := upload(batch[info.Name], f)
		if err != nil {
			return ""
		}
		own = append(own, t)
		feed[inputKey(info.Name)] = t
	}
	maps.Copy(feed, s.device)
	out, err := p.run(feed)
	if err != nil {
		return ""
	}
	first := ""
	for _, n := range s.graph.nodes {
		if t := out[n.Output(0)]; t != nil && first == "" && scalarOf(t) != 0 {
			first = fmt.Sprintf("%s %q", n.OpType, firstOf(n.Name, n.Output(0)))
		}
	}
	for _, t := range out {
		free(t)
	}
	return first
}
