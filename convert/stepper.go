package convert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/nitrain/nitrain/onnx"
)

// stepper is the machine behind Step.
type stepper struct {
	graph   *Graph
	backend *Backend
	config  StepConfig
	train   []*Param // what the optimizer changes
	rest    []*Param // frozen parameters and running statistics
	// device holds everything that lives between steps, under the keys of State.
	device   map[string]*tensors.Tensor
	replicas map[string]replicas // of device, on the other devices
	programs map[string]*program
	count    int
	half     dtypes.DType // of the operands of products, see Precision
	scale    lossScale
}

const (
	lossKey   = "loss"
	normKey   = "norm"
	randomKey = "random"
	shareKey  = "share" // of a micro-batch in the mean gradient
)

func momentKey(i int, name string) string { return fmt.Sprintf("moment%d/%s", i+1, name) }
func sumKey(name string) string           { return "sum/" + name }
func extraKey(name string) string         { return "extra/" + name }
func scalarKey(i int) string              { return fmt.Sprintf("scalar%d", i) }

func newStepper(g *Graph, b *Backend, c StepConfig) (*stepper, error) {
	if c.Loss == nil {
		return nil, errors.New("convert: step: want a loss")
	}
	if err := c.Optimizer.Check(); err != nil {
		return nil, err
	}
	s := &stepper{graph: g, backend: b, config: c, device: map[string]*tensors.Tensor{}, replicas: map[string]replicas{}, programs: map[string]*program{}}
	half, err := c.Precision.on(b)
	if err != nil {
		return nil, err
	}
	s.half, s.scale = half, lossScale{on: c.Precision == Float16, value: firstScale}
	for _, p := range g.params {
		on := p.Trainable
		if c.Train != nil {
			on = c.Train(p)
		}
		if on && !p.State {
			s.train = append(s.train, p)
		} else {
			s.rest = append(s.rest, p)
		}
	}
	if len(s.train) == 0 {
		return nil, errors.New("convert: step: no parameter trains")
	}
	return s, s.fill()
}

// fill puts the parameters and empty moments on the device.
func (s *stepper) fill() error {
	s.graph.values.RLock()
	defer s.graph.values.RUnlock()
	for _, p := range s.graph.params {
		t, err := p.upload(s.backend.float)
		if err != nil {
			return err
		}
		s.device[paramKey(p.Name)] = t
	}
	for _, p := range s.train {
		for i := range s.config.Optimizer.moments() {
			s.device[momentKey(i, p.Name)] = tensors.FromShape(shapes.Make(s.backend.float, p.Shape...))
		}
	}
	return nil
}

// run makes one update.
func (s *stepper) run(ctx context.Context, lr float64, batches []map[string]*onnx.Tensor) (StepResult, error) {
	res := StepResult{Extra: map[string]float64{}}
	if len(batches) == 0 {
		return res, errors.New("convert: step: want a batch")
	}
	if err := ctx.Err(); err != nil {
		return res, err
	}
	scalars := s.config.Optimizer.scalars(lr, s.count+1)
	if len(batches) == 1 && ctx.Done() == nil && !s.scale.on {
		if err := s.execute(ctx, kindStep, batches[0], scalars, 1, 0, &res); err != nil {
			return res, err
		}
		s.count++
		return res, nil
	}
	// Gradients first, the update after them: what is cancelled, or not finite, leaves the parameters as they were.
	defer s.dropSums()
	err := s.sum(ctx, batches, scalars, &res)
	for s.scale.backOff(err) {
		s.dropSums()
		res = StepResult{Extra: map[string]float64{}}
		err = s.sum(ctx, batches, scalars, &res)
	}
	if err != nil {
		return res, err
	}
	if err := s.execute(context.WithoutCancel(ctx), kindApply, nil, scalars, 1, 0, &res); err != nil {
		return res, err
	}
	s.count++
	s.scale.succeeded()
	return res, nil
}

// sum computes the mean gradient of the batches.
func (s *stepper) sum(ctx context.Context, batches []map[string]*onnx.Tensor, scalars [3]float64, res *StepResult) error {
	for _, p := range s.train {
		s.device[sumKey(p.Name)] = tensors.FromShape(shapes.Make(s.backend.float, p.Shape...))
	}
	for i, b := range batches {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.execute(ctx, kindGradient, b, scalars, len(batches), i, res); err != nil {
			return err
		}
		if err := s.check(b, res); err != nil {
			return err
		}
	}
	return nil
}

// dropSums frees the sums of gradients.
func (s *stepper) dropSums() {
	for _, p := range s.train {
		key := sumKey(p.Name)
		free(s.device[key])
		free(s.replicas[key].rest...)
		delete(s.device, key)
		delete(s.replicas, key)
	}
}

// draws says whether a step needs random numbers.
func (s *stepper) draws() bool { return s.config.Dropout || len(s.config.Insert) > 0 }

// kind is what one execution does.
type kind string

const (
	kindStep     kind = "step"     // gradient and update
	kindGradient kind = "gradient" // gradient, its share added to the sums
	kindApply    kind = "apply"    // update from the sums
)

// execute runs one program and stores what it returns.
func (s *stepper) execute(ctx context.Context, k kind, batch map[string]*onnx.Tensor, scalars [3]float64, of, micro int, res *StepResult) error {
	p, err := s.program(k, batch)
	if err != nil {
		return err
	}
	feed := map[string]*tensors.Tensor{}
	var own []*tensors.Tensor
	defer func() { free(own...) }()
	for name, t := range batch {
		up, err := upload(t, s.backend.float)
		if err != nil {
			return fmt.Errorf("convert: batch: %q: %w", name, err)
		}
		own = append(own, up)
		feed[inputKey(name)] = up
	}
	number := func(key string, v float64) {
		t := scalarTensor(v, s.backend.float)
		own = append(own, t)
		feed[key] = t
	}
	for i, v := range scalars {
		number(scalarKey(i), v)
	}
	number(shareKey, 1/float64(of))
	number(scaleKey, s.scale.value)
	if s.draws() && k != kindApply {
		t, err := graph.RNGStateFromSeed(s.config.Seed + int64(s.count)*1_000_003 + int64(micro))
		if err != nil {
			return err
		}
		own = append(own, t)
		feed[randomKey] = t
	}
	donate := map[string]bool{}
	for _, key := range p.inputs {
		if t, ok := s.device[key]; ok {
			feed[key] = t
			donate[key] = slices.Contains(p.outputs, key)
		}
	}
	in := []map[string]*tensors.Tensor{feed}
	if p.devices() > 1 {
		var parts []*tensors.Tensor
		in, parts, err = s.spread(p, feed)
		defer func() { free(parts...) }()
		if err != nil {
			return err
		}
	}
	var out []map[string]*tensors.Tensor
	err = p.interruptibly(ctx, func() (err error) {
		out, err = p.runOn(in, donate)
		return err
	})
	if err != nil {
		for key := range donate {
			s.device[key] = in[0][key] // there again, where the engine was stopped
		}
		return err
	}
	if len(out) > 1 {
		s.settle(out, donate)
	}
	return s.keep(out[0], donate, of, res)
}

// keep stores the new values of what lives on the device and reads the scalars.
func (s *stepper) keep(out map[string]*tensors.Tensor, donated map[string]bool, of int, res *StepResult) error {
	for key, t := range out {
		switch {
		case donated[key]:
			s.device[key] = t
			continue
		case key == lossKey:
			res.Loss += scalarOf(t) / float64(of)
		case key == normKey:
			res.Norm = scalarOf(t)
		default:
			res.Extra[key[len(extraKey("")):]] += scalarOf(t) / float64(of)
		}
		free(t)
	}
	return nil
}

// programKey names the graph of a kind for the shapes of a batch.
func programKey(k kind, batch map[string]*onnx.Tensor) string {
	var key strings.Builder
	key.WriteString(string(k))
	for _, name := range sortedKeys(batch) {
		if t := batch[name]; t != nil {
			fmt.Fprint(&key, ";", name, t.DType(), t.Shape())
		}
	}
	return key.String()
}

// program finds or compiles the graph of a kind for the shapes of a batch.
func (s *stepper) program(k kind, batch map[string]*onnx.Tensor) (*program, error) {
	var infos []onnx.ValueInfo
	for _, name := range sortedKeys(batch) {
		if batch[name] == nil {
			return nil, fmt.Errorf("convert: batch: %q is nil", name)
		}
		infos = append(infos, onnx.ValueInfo{Name: name, DType: batch[name].DType()})
	}
	key := programKey(k, batch)
	if p := s.programs[key]; p != nil {
		return p, nil
	}
	for _, info := range s.graph.Inputs() {
		if t := batch[info.Name]; k != kindApply && t != nil {
			if err := fits(info, t.Shape()); err != nil {
				return nil, err
			}
		}
	}
	build := s.compile
	if k == kindCalibrate {
		build = func(_ kind, infos []onnx.ValueInfo, batch map[string]*onnx.Tensor) (*program, error) {
			return s.compileStatistics(infos, batch)
		}
	}
	p, err := build(k, infos, batch)
	if err == nil {
		s.programs[key] = p
	}
	return p, err
}

// compile builds a program: see kind.
func (s *stepper) compile(k kind, infos []onnx.ValueInfo, batch map[string]*onnx.Tensor) (p *program, err error) {
	defer recoverTo(&err)
	f := s.backend.float
	ports := append(inputPorts(infos, batch, f), paramPorts(s.train, f)...)
	if k != kindApply {
		ports = append(ports, paramPorts(s.rest, f)...)
	}
	for _, q := range s.train {
		shape := shapes.Make(f, q.Shape...)
		if k != kindStep {
			ports = append(ports, port{name: sumKey(q.Name), shape: shape})
		}
		if k != kindGradient {
			for i := range s.config.Optimizer.moments() {
				ports = append(ports, port{name: momentKey(i, q.Name), shape: shape})
			}
		}
	}
	if k == kindGradient {
		ports = append(ports, port{name: shareKey, shape: shapes.Make(f)})
		if s.scale.on {
			ports = append(ports, port{name: scaleKey, shape: shapes.Make(f)})
		}
	} else {
		for i := range 3 {
			ports = append(ports, port{name: scalarKey(i), shape: shapes.Make(f)})
		}
	}
	if s.draws() && k != kindApply {
		ports = append(ports, port{name: randomKey, shape: shapes.Make(dtypes.Uint64, 3)})
	}
	divisible := map[string]bool{}
	for _, info := range infos {
		divisible[inputKey(info.Name)] = true
	}
	mesh, err := s.divide(k, ports, divisible)
	if err != nil {
		return nil, err
	}
	return compileOn(s.backend, mesh, string(k), ports, func(gg *graph.Graph, in map[string]*graph.Node) []result {
		return s.build(k, gg, in, infos)
	})
}

// build makes the graph of a program.
func (s *stepper) build(k kind, gg *graph.Graph, in map[string]*graph.Node, infos []onnx.ValueInfo) []result {
	var out []result
	grads := make([]*graph.Node, len(s.train))
	if k != kindApply {
		grads, out = s.gradients(gg, in, infos)
	}
	for i, p := range s.train {
		if k == kindApply {
			grads[i] = in[sumKey(p.Name)]
		}
		if k == kindGradient {
			grads[i] = graph.Add(in[sumKey(p.Name)], graph.Mul(grads[i], in[shareKey]))
			out = append(out, result{sumKey(p.Name), grads[i]})
		}
	}
	norm := globalNorm(grads)
	out = append(out, result{normKey, norm})
	if k == kindGradient {
		return out
	}
	if c := s.config.Clip; c > 0 {
		// torch.nn.utils.clip_grad_norm_: the factor is max / (norm + 1e-6), at most 1.
		factor := graph.Min(graph.Div(scalar(norm, c), graph.AddScalar(norm, 1e-6)), scalar(norm, 1))
		for i := range grads {
			grads[i] = graph.Mul(grads[i], factor)
		}
	}
	h := [3]*graph.Node{in[scalarKey(0)], in[scalarKey(1)], in[scalarKey(2)]}
	for i, p := range s.train {
		var m []*graph.Node
		for j := range s.config.Optimizer.moments() {
			m = append(m, in[momentKey(j, p.Name)])
		}
		value, moments := s.config.Optimizer.update(in[paramKey(p.Name)], grads[i], m, h)
		out = append(out, result{paramKey(p.Name), value})
		for j, n := range moments {
			out = append(out, result{momentKey(j, p.Name), n})
		}
	}
	return out
}

// gradients builds forward and backward pass; the results are the loss, the extras and the running statistics.
func (s *stepper) gradients(gg *graph.Graph, in map[string]*graph.Node, infos []onnx.ValueInfo) ([]*graph.Node, []result) {
	batch := map[string]*graph.Node{}
	for _, info := range infos {
		batch[info.Name] = in[inputKey(info.Name)]
	}
	inputs := map[string]*graph.Node{}
	for _, info := range s.graph.Inputs() {
		inputs[info.Name] = batch[info.Name]
	}
	b := &builder{graph: gg, float: s.backend.float, half: s.half, asleep: !s.config.Dropout, insert: s.config.Insert}
	out, state := s.graph.build(b, inputs, paramNodes(s.graph.params, in), Mode{Training: true, Random: in[randomKey]})
	loss, extra := s.config.Loss(out, batch)
	wrt := make([]*graph.Node, len(s.train))
	for i, p := range s.train {
		wrt[i] = in[paramKey(p.Name)]
	}
	target := loss
	if scale := in[scaleKey]; scale != nil {
		target = graph.Mul(loss, scale)
	}
	grads := graph.Gradient(target, wrt...)
	if scale := in[scaleKey]; scale != nil {
		for i := range grads {
			grads[i] = graph.Div(grads[i], scale)
		}
	}
	list := []result{{lossKey, loss}}
	for _, name := range sortedKeys(extra) {
		list = append(list, result{extraKey(name), extra[name]})
	}
	for _, name := range sortedKeys(state) {
		list = append(list, result{paramKey(name), state[name]})
	}
	return grads, list
}

// sortedKeys makes the order of a map's entries repeatable.
func sortedKeys[T any](m map[string]T) []string {
	return slices.Sorted(maps.Keys(m))
}

// globalNorm is the 2-norm of all gradients together.
func globalNorm(grads []*graph.Node) *graph.Node {
	var sum *graph.Node
	for _, g := range grads {
		part := graph.ReduceAllSum(graph.Mul(g, g))
		if sum == nil {
			sum = part
		} else {
			sum = graph.Add(sum, part)
		}
	}
	return graph.Sqrt(sum)
}

// sync copies what the steps changed back to the Graph.
func (s *stepper) sync() error {
	for _, p := range s.graph.params {
		if !p.State && !slices.Contains(s.train, p) {
			continue
		}
		t, err := download(s.device[paramKey(p.Name)], onnx.Float32)
		if err != nil {
			return err
		}
		v, err := t.Float32()
		if err != nil {
			return err
		}
		if err := s.graph.SetParam(p.Name, v); err != nil {
			return err
		}
	}
	return nil
}

const countKey = "count"

// save copies what lives on the device, and the number of steps.
func (s *stepper) save() (map[string]*onnx.Tensor, error) {
	out := map[string]*onnx.Tensor{}
	for key, t := range s.device {
		v, err := download(t, onnx.Float32)
		if err != nil {
			return nil, err
		}
		out[key] = v
	}
	n, err := onnx.FromInt64(nil, []int64{int64(s.count)})
	out[countKey] = n
	return out, errors.Join(err, s.scale.save(out))
}

// load replaces what lives on the device.
func (s *stepper) load(state map[string]*onnx.Tensor) error {
	n := state[countKey]
	if n == nil {
		return fmt.Errorf("convert: step: the state lacks %q", countKey)
	}
	count, err := n.Int64()
	if err != nil || len(count) != 1 {
		return fmt.Errorf("convert: step: %q is no whole number", countKey)
	}
	fresh := map[string]*tensors.Tensor{}
	for key, old := range s.device {
		t := state[key]
		if t == nil || !slices.Equal(t.Shape(), old.Shape().Dimensions) {
			return fmt.Errorf("convert: step: the state lacks %q with shape %v", key, old.Shape().Dimensions)
		}
		if fresh[key], err = upload(t, s.backend.float); err != nil {
			return fmt.Errorf("convert: step: %q: %w", key, err)
		}
	}
	for key, t := range fresh {
		free(s.device[key])
		s.device[key] = t
	}
	s.count = int(count[0])
	return s.scale.load(state)
}

// close frees the compiled graphs and the device memory.
func (s *stepper) close() {
	for _, p := range s.programs {
		p.close()
	}
	s.dropReplicas()
	for _, t := range s.device {
		free(t)
	}
	s.programs, s.device = nil, nil
}
