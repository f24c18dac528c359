package convert

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/nitrain/nitrain/onnx"
)

// asUnsupported returns the list of unsupported nodes that an error is, or nil.
func asUnsupported(err error) *UnsupportedError {
	if u, ok := errors.AsType[*UnsupportedError](err); ok {
		return u
	}
	return nil
}

// parity compares outputs in inference form with another runtime's on random input.
func (e *examination) parity(ctx context.Context) *Deviation {
	return e.graph.Prove(ctx, e.backend, e.options)
}

// TrainingForm reports whether a BatchNormalization of the source model normalizes by the batch, as exports
// of models in training mode do.
func (g *Graph) TrainingForm() bool {
	for _, n := range g.source.Graph().Nodes {
		if n.OpType == "BatchNormalization" && n.StandardDomain() && batchNormTrains(n, g.source.Opset("")) {
			return true
		}
	}
	return false
}

// Parity compares the graph's outputs with those of another runner of the same model on random input; the
// result is the largest difference of any output over its largest value.
func (g *Graph) Parity(ctx context.Context, b *Backend, other onnx.Runner, seed uint64) (*Deviation, error) {
	in, got, err := g.sample(ctx, b, seed)
	if err != nil {
		return nil, err
	}
	return compareRun(ctx, other, in, got)
}

// sample runs the graph on random input and frees what that took.
func (g *Graph) sample(ctx context.Context, b *Backend, seed uint64) (in, out map[string]*onnx.Tensor, err error) {
	if in, err = g.randomInputs(rand.New(rand.NewPCG(seed, 1)), usualSize); err != nil {
		return nil, nil, err
	}
	r := g.Runner(b)
	defer func() { _ = r.Close() }()
	out, err = r.Run(ctx, in)
	return in, out, err
}

// compareRun compares outputs with those of another runner.
func compareRun(ctx context.Context, other onnx.Runner, in, got map[string]*onnx.Tensor) (*Deviation, error) {
	want, err := other.Run(ctx, in)
	if err != nil {
		return nil, err
	}
	d := &Deviation{}
	for _, name := range sortedKeys(want) {
		rel, err := relative(got[name], want[name], 0)
		d.add(name, rel, err)
	}
	return d, nil
}

// randomInputs draws normal numbers for float inputs, small counts for the others; free axes have the given size.
func (g *Graph) randomInputs(rng *rand.Rand, size int) (map[string]*onnx.Tensor, error) {
	out := map[string]*onnx.Tensor{}
	for _, info := range g.Inputs() {
		shape, _ := g.shapeAt(info, size)
		n := product(shape)
		v := make([]float32, n)
		for i := range v {
			if info.DType.Float() {
				v[i] = float32(rng.NormFloat64())
			} else {
				v[i] = float32(rng.IntN(2))
			}
		}
		var t *onnx.Tensor
		var err error
		if info.DType.Float() {
			t, err = fromFloats(v, shape, info.DType)
		} else {
			t, err = fromInts(v, shape, info.DType)
		}
		if err != nil {
			return nil, err
		}
		out[info.Name] = t
	}
	return out, nil
}

// fromInts makes an integer tensor of small whole numbers.
func fromInts(values []float32, shape []int, want onnx.DType) (*onnx.Tensor, error) {
	size := want.Size()
	raw := make([]byte, size*len(values))
	for i, v := range values {
		raw[i*size] = byte(v)
	}
	return onnx.NewTensor(want, shape, raw)
}

// inferenceForm turns every BatchNormalization in training form into the inference form: training_mode 0
// and one output. The result puts everything back.
func inferenceForm(m *onnx.Model) (undo func()) {
	var steps []func()
	for _, n := range m.Graph().Nodes {
		if n.OpType != "BatchNormalization" || !n.StandardDomain() {
			continue
		}
		if !batchNormTrains(n, m.Opset("")) {
			continue
		}
		attrs, outputs := append([]onnx.Attr(nil), n.Attrs...), n.Outputs
		steps = append(steps, func() { n.Attrs, n.Outputs = attrs, outputs })
		n.Attrs = append([]onnx.Attr(nil), n.Attrs...)
		if a := n.Attr("training_mode"); a != nil {
			a.I = 0
		}
		n.Outputs = n.Outputs[:1:1]
	}
	return func() {
		for _, s := range steps {
			s()
		}
	}
}

// derivative compares directional derivatives with central differences: three random directions for each
// float input and one for each of up to eight parameters. The loss is sum(out * random).
func (e *examination) derivative(ctx context.Context) *Deviation {
	rng := rand.New(rand.NewPCG(e.options.Seed, 2))
	d := &Deviation{}
	if err := e.directions(ctx, rng, d); err != nil {
		return &Deviation{MaxRel: Rel(math.Inf(1)), Error: err.Error()}
	}
	return d.close(derivativeLimit)
}

// directions makes the comparisons of derivative.
func (e *examination) directions(ctx context.Context, rng *rand.Rand, d *Deviation) error {
	g := e.graph
	r := g.Runner(e.backend)
	r.precise = true // differences of half-precision numbers are mostly rounding
	defer func() { _ = r.Close() }()
	in, out, err := g.smallest(ctx, r, rng)
	if err != nil {
		return err
	}
	cot := map[string]*onnx.Tensor{}
	for name, t := range out {
		if !t.DType().Float() {
			continue
		}
		v := make([]float32, t.Len())
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		if cot[name], err = onnx.FromFloat32(t.Shape(), v); err != nil {
			return err
		}
	}
	grads, err := g.Gradient(ctx, e.backend, in, cot, false)
	if err != nil {
		return err
	}
	least := 1e-3 * largestLength(grads)
	loss := func(in map[string]*onnx.Tensor) (float64, error) {
		out, err := r.Run(ctx, in)
		if err != nil {
			return 0, err
		}
		return inner(out, cot)
	}
	for _, info := range g.Inputs() {
		if t := grads.Inputs[info.Name]; t != nil {
			for range 3 {
				if err := e.alongInput(in, info.Name, t, least, rng, loss, d); err != nil {
					return err
				}
			}
		}
	}
	for _, i := range rng.Perm(len(g.params))[:min(8, len(g.params))] {
		p := g.params[i]
		if t := grads.Params[p.Name]; t != nil && p.Trainable {
			if err := e.alongParam(p, t, least, rng, func() (float64, error) { return loss(in) }, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// smallest runs the model at the first size that it accepts.
func (g *Graph) smallest(ctx context.Context, r *Runner, rng *rand.Rand) (in, out map[string]*onnx.Tensor, err error) {
	for _, size := range [...]int{32, 48, usualSize, 96, 128, 224} {
		if in, err = g.randomInputs(rng, size); err != nil {
			return nil, nil, err
		}
		if out, err = r.Run(ctx, in); err == nil || ctx.Err() != nil {
			break
		}
	}
	return in, out, err
}

// inner returns the sum of the products of tensors of the same names.
func inner(a, b map[string]*onnx.Tensor) (float64, error) {
	sum := 0.0
	for _, name := range sortedKeys(b) {
		x, err := numbers(a[name])
		if err != nil {
			return 0, err
		}
		y, err := numbers(b[name])
		if err != nil {
			return 0, err
		}
		for i := range y {
			sum += x[i] * y[i]
		}
	}
	return sum, nil
}

// alongInput compares the derivative along one random direction of an input.
func (e *examination) alongInput(in map[string]*onnx.Tensor, name string, grad *onnx.Tensor, least float64, rng *rand.Rand, loss func(map[string]*onnx.Tensor) (float64, error), d *Deviation) error {
	was := in[name]
	defer func() { in[name] = was }()
	return along(was, grad, least, rng, name, d, func(v []float32) (float64, error) {
		want := was.DType()
		if half(want) {
			want = onnx.Float32
		}
		t, err := fromFloats(v, was.Shape(), want)
		if err != nil {
			return 0, err
		}
		in[name] = t
		return loss(in)
	})
}

// alongParam compares the derivative along one random direction of a parameter.
func (e *examination) alongParam(p *Param, grad *onnx.Tensor, least float64, rng *rand.Rand, loss func() (float64, error), d *Deviation) error {
	defer e.graph.keepValues()()
	v, err := e.graph.Value(p.Name)
	if err != nil {
		return err
	}
	was, err := onnx.FromFloat32(p.Shape, v)
	if err != nil {
		return err
	}
	return along(was, grad, least, rng, p.Name, d, func(v []float32) (float64, error) {
		if err := e.graph.SetParam(p.Name, v); err != nil {
			return 0, err
		}
		return loss()
	})
}

// along compares gradient times direction u with (loss(x+h*u) - loss(x-h*u)) / 2h. Float32 rounding spoils a
// small h and kinks spoil a large one, so the best of several counts. A derivative that is tiny beside what
// the gradient's length would allow is compared with that length, and none with less than least.
func along(x, grad *onnx.Tensor, least float64, rng *rand.Rand, name string, d *Deviation, loss func(v []float32) (float64, error)) error {
	base, err := x.Float32()
	if err != nil {
		return err
	}
	g, err := numbers(grad)
	if err != nil {
		return err
	}
	best := math.Inf(1)
	// A direction along which an activation sits on a kink tells nothing: another one is drawn, twice at most.
	for try := 0; try < 3 && best > derivativeLimit; try++ {
		rel, err := probe(base, g, direction(g, rng), least, loss)
		if err != nil {
			return err
		}
		best = math.Min(best, rel)
	}
	d.add(name, best, nil)
	return nil
}

// probe compares the derivative along one direction: see along.
func probe(base []float32, g, u []float64, least float64, loss func(v []float32) (float64, error)) (float64, error) {
	size, length, want := 0.0, 0.0, 0.0
	for i := range u {
		want += u[i] * g[i]
		length += g[i] * g[i]
		size += float64(base[i]) * float64(base[i])
	}
	scale := math.Max(math.Max(math.Abs(want), 0.1*math.Sqrt(length)), least)
	at := func(h float64) (float64, error) {
		var ends [2]float64
		for side, sign := range []float64{1, -1} {
			v := make([]float32, len(base))
			for i := range v {
				v[i] = base[i] + float32(sign*h*u[i])
			}
			var err error
			if ends[side], err = loss(v); err != nil {
				return 0, err
			}
		}
		return (ends[0] - ends[1]) / (2 * h), nil
	}
	best := math.Inf(1)
	// Float32 rounding differs from one step length to the next: where one length is not enough, neighbouring
	// ones average it out.
	for _, lengths := range [][]float64{{1}, {1, 0.91, 1.07, 0.84, 1.13}} {
		for _, h := range []float64{1e-3, 3e-3, 3e-4, 1e-2, 1e-4, 3e-5} {
			h *= math.Max(math.Sqrt(size), 0.1)
			slope := 0.0
			for _, factor := range lengths {
				s, err := at(h * factor)
				if err != nil {
					return 0, err
				}
				slope += s / float64(len(lengths))
			}
			rel := math.Abs(slope-want) / scale
			if scale == 0 && slope == 0 {
				rel = 0
			}
			if best = math.Min(best, rel); best <= derivativeLimit/3 {
				return best, nil
			}
		}
		if best <= derivativeLimit {
			break
		}
	}
	return best, nil
}

// direction draws a unit vector: half of it any direction, half the gradient with its entries weighted at
// random. The second half makes the derivative large beside the rounding of float32 while the step, and with
// it the number of activations that cross a kink, stays small.
func direction(g []float64, rng *rand.Rand) []float64 {
	any, along := make([]float64, len(g)), make([]float64, len(g))
	for i := range g {
		any[i] = rng.NormFloat64()
		along[i] = g[i] * (0.5 + rng.Float64())
	}
	a, b := math.Sqrt(squaresOf(any)), math.Sqrt(squaresOf(along))
	for i := range any {
		any[i] /= a
		if b > 0 {
			any[i] = (any[i] + along[i]/b) / math.Sqrt2
		}
	}
	return any
}

// largestLength returns the 2-norm of the longest gradient.
func largestLength(g *Gradients) float64 {
	longest := 0.0
	for _, list := range []map[string]*onnx.Tensor{g.Inputs, g.Params} {
		for _, t := range list {
			v, err := numbers(t)
			if err != nil {
				continue
			}
			longest = math.Max(longest, math.Sqrt(squaresOf(v)))
		}
	}
	return longest
}

// Drops says whether the model has Dropout nodes, which act in training where StepConfig.Dropout lets them.
func (g *Graph) Drops() bool {
	return slices.ContainsFunc(g.source.Graph().Nodes, func(n *onnx.Node) bool { return n.OpType == "Dropout" && n.StandardDomain() })
}
