package convert

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/nitrain/nitrain/onnx"
)

// examination is one model being checked.
type examination struct {
	graph   *Graph
	backend *Backend
	options CheckOptions
	half    bool
}

// ok says whether every comparison that was made is within its limit, and none is missing an error.
func (a *Against) ok() bool {
	good := true
	for _, d := range []*Deviation{a.Forward, a.Forward2, a.After} {
		good = good && (d == nil || d.ok)
	}
	if a.Gradient != nil {
		for _, d := range []*Deviation{a.Gradient.Inputs, a.Gradient.Parameters} {
			good = good && (d == nil || d.ok)
		}
	}
	return good && (a.Curve == nil || a.Curve.ok)
}

// truth returns the tensors of the truth file whose name begins with a prefix, by the rest of the name.
func (e *examination) truth(prefix string) map[string]*onnx.Tensor {
	out := map[string]*onnx.Tensor{}
	for _, i := range e.options.Truth.Graph().Initializers {
		if name, ok := strings.CutPrefix(i.Name, prefix); ok {
			out[name] = i.Tensor
		}
	}
	return out
}

// parametersOf lists the tensors whose gradients a truth holds; none without a truth.
func parametersOf(truth *onnx.Model) []string {
	var out []string
	if truth == nil {
		return out
	}
	for _, i := range truth.Graph().Initializers {
		for _, prefix := range [...]string{"gpar:", "gval:", "gtie:"} {
			if name, ok := strings.CutPrefix(i.Name, prefix); ok {
				out = append(out, name)
			}
		}
	}
	return out
}

// limits returns the limits of forward and gradient comparisons.
func (e *examination) limits() (forward, gradient float64) {
	if e.half {
		return forwardHalfLimit, gradientHalfLimit
	}
	return forwardLimit, gradientLimit
}

// against makes every comparison that the truth file allows.
func (e *examination) against(ctx context.Context) *Against {
	a := &Against{}
	forward, _ := e.limits()
	if out := e.truth("out:"); len(out) > 0 {
		a.Forward = e.forward(ctx, e.truth("in:"), out, forward)
	}
	if out := e.truth("out2:"); len(out) > 0 {
		a.Forward2 = e.forward(ctx, e.truth("in2:"), out, forward)
	}
	if cot := e.truth("cot:"); len(cot) > 0 {
		a.Gradient = e.gradient(ctx, cot)
	}
	if len(e.truth("target:")) > 0 {
		a.Curve, a.After = e.curve(ctx)
	}
	return a
}

// forward runs the graph in the file's own mode and compares outputs.
func (e *examination) forward(ctx context.Context, in, want map[string]*onnx.Tensor, limit float64) *Deviation {
	return e.forwardOn(ctx, e.backend, in, want, limit)
}

// forwardOn is forward on one engine.
func (e *examination) forwardOn(ctx context.Context, b *Backend, in, want map[string]*onnx.Tensor, limit float64) *Deviation {
	r := e.graph.Runner(b)
	r.mode.Training = true
	defer func() { _ = r.Close() }()
	got, err := r.Run(ctx, in)
	if err != nil {
		return &Deviation{MaxRel: Rel(math.Inf(1)), Error: err.Error()}
	}
	return compareAll(got, want, limit)
}

// compareAll compares tensors of the same names.
func compareAll(got, want map[string]*onnx.Tensor, limit float64) *Deviation {
	d := &Deviation{}
	for _, name := range sortedKeys(want) {
		rel, err := relative(got[name], want[name], 0)
		d.add(name, rel, err)
	}
	return d.close(limit)
}

// add takes one more comparison into account.
func (d *Deviation) add(name string, rel float64, err error) {
	d.Compared++
	if err != nil {
		d.Error, rel = fmt.Sprintf("%s: %v", name, err), math.Inf(1)
	}
	if math.IsNaN(rel) {
		rel = math.Inf(1)
	}
	if d.Worst == "" || rel > float64(d.MaxRel) {
		d.MaxRel, d.Worst = Rel(rel), name
	}
}

// close decides.
func (d *Deviation) close(limit float64) *Deviation {
	d.ok = d.Error == "" && float64(d.MaxRel) <= limit
	return d
}

// relative returns max |a-b| / max(max |b|, least). Two tensors that are zero everywhere are equal.
func relative(a, b *onnx.Tensor, least float64) (float64, error) {
	if a == nil {
		return 0, errors.New("the graph does not compute it")
	}
	x, err := numbers(a)
	if err != nil {
		return 0, err
	}
	y, err := numbers(b)
	if err != nil {
		return 0, err
	}
	if len(x) != len(y) {
		return 0, fmt.Errorf("want shape %v, got %v", b.Shape(), a.Shape())
	}
	return relativeOf(x, y, least), nil
}

func relativeOf(x, y []float64, least float64) float64 {
	diff, size := 0.0, least
	for i := range y {
		d := math.Abs(x[i] - y[i])
		if x[i] == y[i] || math.IsNaN(x[i]) && math.IsNaN(y[i]) {
			d = 0
		}
		if math.IsNaN(d) {
			return math.Inf(1)
		}
		diff, size = math.Max(diff, d), math.Max(size, math.Abs(y[i]))
	}
	if diff == 0 {
		return 0
	}
	return diff / size
}

// numbers returns the elements of any numeric tensor.
func numbers(t *onnx.Tensor) ([]float64, error) {
	h, err := hostTensor(t)
	if err != nil {
		return nil, err
	}
	out := make([]float64, h.len())
	for i := range out {
		out[i] = h.at(i)
	}
	return out, nil
}

// gradient compares the derivatives of sum(out * cot). The truth was computed in float64, and two things can
// set float32 apart from it without a fault of the graph: sums that cancel, and an activation so near to a
// kink that rounding carries it across. So what fails is repeated in float64 on the reference engine. That
// proves the graph and not the training engine, whose gradients must then still agree as a whole: rounding
// moves a few of them, a wrong operator moves everything in front of it.
func (e *examination) gradient(ctx context.Context, cot map[string]*onnx.Tensor) *GradientReport {
	r := e.gradientOn(ctx, e.backend, cot)
	if r.ok() || e.backend.float == dtypes.Float64 {
		return r
	}
	b, err := e.exact()
	if err != nil {
		return r
	}
	defer b.Close()
	exact := e.gradientOn(ctx, b, cot)
	if !exact.ok() || !(r.astray <= wholeLimit) {
		return r
	}
	exact.Float64, exact.Float32 = true, r
	return exact
}

// wholeLimit bounds the 2-norm of all differences beside that of all gradients. A max pool with a wrong
// gradient gives 0.7 and more.
const wholeLimit = 0.1

// exact starts the reference engine in float64.
func (e *examination) exact() (*Backend, error) {
	b, err := NewBackend(BackendOptions{Device: "go"})
	if err == nil {
		b.float = dtypes.Float64
	}
	return b, err
}

// ok says whether both comparisons are within their limits.
func (r *GradientReport) ok() bool {
	return (r.Inputs == nil || r.Inputs.ok) && (r.Parameters == nil || r.Parameters.ok)
}

// gradientOn compares the derivatives that one engine computes.
func (e *examination) gradientOn(ctx context.Context, b *Backend, cot map[string]*onnx.Tensor) *GradientReport {
	_, limit := e.limits()
	r := &GradientReport{}
	got, err := e.graph.Gradient(ctx, b, e.truth("in:"), cot, true)
	if err != nil {
		r.Inputs = &Deviation{MaxRel: Rel(math.Inf(1)), Error: err.Error()}
		return r
	}
	want := map[string]*onnx.Tensor{}
	have := map[string]*onnx.Tensor{}
	for name, t := range e.truth("gin:") {
		want["gin:"+name], have["gin:"+name] = t, got.Inputs[name]
	}
	for _, prefix := range []string{"gpar:", "gval:", "gtie:", "gsrc:"} {
		for name, t := range e.truth(prefix) {
			want[prefix+name] = t
			if have[prefix+name], err = e.graph.named(got.Params, name, prefix == "gsrc:"); err != nil {
				return &GradientReport{Parameters: &Deviation{MaxRel: Rel(math.Inf(1)), Error: err.Error()}}
			}
		}
	}
	least := 0.0
	for _, t := range want {
		v, err := numbers(t)
		if err != nil {
			continue
		}
		for _, x := range v {
			least = math.Max(least, math.Abs(x)*1e-5)
		}
	}
	for _, name := range sortedKeys(want) {
		to := &r.Parameters
		if strings.HasPrefix(name, "gin:") {
			to = &r.Inputs
		}
		if *to == nil {
			*to = &Deviation{}
		}
		rel, err := relative(have[name], want[name], least)
		(*to).add(name, rel, err)
	}
	for _, d := range []*Deviation{r.Inputs, r.Parameters} {
		if d != nil {
			d.close(limit)
		}
	}
	r.astray = astray(have, want)
	return r
}

// astray returns the 2-norm of all differences over the 2-norm of all wanted values.
func astray(have, want map[string]*onnx.Tensor) float64 {
	diff, size := 0.0, 0.0
	for name, t := range want {
		y, err := numbers(t)
		if err != nil || have[name] == nil {
			return math.Inf(1)
		}
		x, err := numbers(have[name])
		if err != nil || len(x) != len(y) {
			return math.Inf(1)
		}
		for i := range y {
			diff += (x[i] - y[i]) * (x[i] - y[i])
			size += y[i] * y[i]
		}
	}
	return math.Sqrt(diff / size)
}

// named sums the gradients of the parameters that a name of the truth stands for: those that are stored
// under it or, for a name of the source framework, those that have it as name or alias.
func (g *Graph) named(grads map[string]*onnx.Tensor, name string, source bool) (*onnx.Tensor, error) {
	var sum []float32
	var shape []int
	for _, p := range g.params {
		if !p.means(name, source) || grads[p.Name] == nil {
			continue
		}
		v, err := grads[p.Name].Float32()
		if err != nil {
			return nil, err
		}
		if sum == nil {
			sum, shape = make([]float32, len(v)), p.Shape
		}
		for i := range v {
			sum[i] += v[i]
		}
	}
	if sum == nil {
		return nil, nil
	}
	return onnx.FromFloat32(shape, sum)
}

// means says whether the truth's name stands for the parameter.
func (p *Param) means(name string, source bool) bool {
	if p.State {
		return false
	}
	if source {
		return p.Name == name || p.Alias == name
	}
	return p.Stored == name || slices.ContainsFunc(p.twins, func(t twin) bool { return t.source.Name == name })
}

// curve trains as the truth did and compares losses, then the outputs.
func (e *examination) curve(ctx context.Context) (*Curve, *Deviation) {
	want, err := e.losses("curve64")
	plain, err2 := e.losses("curve")
	if err != nil || err2 != nil {
		return &Curve{Error: "the truth has a target but no curve"}, nil
	}
	if want == nil {
		want = plain
	}
	largest := 0.0
	for _, v := range want {
		largest = math.Max(largest, math.Abs(v))
	}
	own := 0.0
	for i := range want {
		own = math.Max(own, math.Abs(want[i]-plain[i])/largest)
	}
	c := &Curve{Steps: len(want), Limit: Rel(curveLimit + 10*own)}
	steps := len(want)
	if own > 1e-2 {
		steps, c.Limit = min(3, steps), curveLimit
	}
	after := e.compareCurve(ctx, e.backend, c, want[:steps], largest)
	// PyTorch's float32 and float64 trainings stay together, or only the first steps count: then rounding
	// that grows is not the graph's fault, and a training in float64 decides.
	if again := !c.ok || after != nil && !after.ok && own < stable; !again || c.Error != "" || e.backend.float == dtypes.Float64 {
		return c, after
	}
	b, err := e.exact()
	if err != nil {
		return c, after
	}
	defer b.Close()
	d := &Curve{Steps: c.Steps, Limit: c.Limit, Float64: true, Float32: c.MaxRel}
	if exactly := e.compareCurve(ctx, b, d, want[:steps], largest); d.ok && (exactly == nil || exactly.ok) {
		return d, exactly
	}
	return c, after
}

// stable is the distance of PyTorch's own float32 and float64 curves below which the outputs after the
// training are the same for both.
const stable = 1e-5

// compareCurve trains on one engine and fills in c; it returns the comparison of the outputs after all steps,
// nil when only the first steps count.
func (e *examination) compareCurve(ctx context.Context, b *Backend, c *Curve, want []float64, largest float64) *Deviation {
	got, after, err := e.train(ctx, b, len(want), float64(c.Limit)*10)
	if err != nil {
		c.Error, c.MaxRel = err.Error(), Rel(math.Inf(1))
		return nil
	}
	for i := range want {
		c.MaxRel = max(c.MaxRel, Rel(math.Abs(got[i]-want[i])/largest))
	}
	c.ok = c.MaxRel <= c.Limit
	if len(want) < c.Steps {
		return nil
	}
	return after
}

// losses reads a curve, nil when the truth has none of that name.
func (e *examination) losses(name string) ([]float64, error) {
	t, ok := e.options.Truth.Initializer(name)
	if !ok {
		return nil, nil
	}
	return numbers(t)
}

// train makes the truth's steps: plain Adam on the mean squared error of output 0.
func (e *examination) train(ctx context.Context, b *Backend, steps int, limit float64) ([]float64, *Deviation, error) {
	output := e.graph.Outputs()[0].Name
	const target = "target"
	s, err := e.graph.NewStep(b, StepConfig{
		Optimizer: DefaultOptimizer(Adam),
		Train:     e.trains(),
		Loss: func(out, batch map[string]*graph.Node) (*graph.Node, map[string]*graph.Node) {
			d := graph.Sub(out[output], batch[target])
			return graph.ReduceAllMean(graph.Mul(d, d)), nil
		},
	})
	if err != nil {
		return nil, nil, err
	}
	defer s.Close()
	batch := e.truth("in:")
	batch[target] = e.truth("target:")[output]
	var losses []float64
	for range steps {
		r, err := s.Run(ctx, 1e-3, batch)
		if err != nil {
			return nil, nil, err
		}
		losses = append(losses, r.Loss)
	}
	want := e.truth("out_after:")
	if len(want) == 0 {
		return losses, nil, nil
	}
	defer e.graph.keepValues()()
	if err := s.Sync(); err != nil {
		return nil, nil, err
	}
	return losses, e.forwardOn(ctx, b, e.truth("in:"), want, limit), nil
}

// trains tells the parameters that the truth names.
func (e *examination) trains() func(*Param) bool {
	names := map[string]bool{}
	sources := map[string]bool{}
	for _, prefix := range []string{"gpar:", "gval:", "gtie:"} {
		for name := range e.truth(prefix) {
			names[name] = true
		}
	}
	for name := range e.truth("gsrc:") {
		sources[name] = true
	}
	return func(p *Param) bool {
		for _, t := range p.twins {
			if names[t.source.Name] {
				return true
			}
		}
		return names[p.Stored] || sources[p.Name] || sources[p.Alias]
	}
}

// keepValues remembers the current values of all parameters and returns what puts them back.
func (g *Graph) keepValues() func() {
	old := make([][]float32, len(g.params))
	for i, p := range g.params {
		old[i] = p.value
	}
	return func() {
		g.values.Lock()
		defer g.values.Unlock()
		for i, p := range g.params {
			p.value = old[i]
			p.version++
		}
	}
}
