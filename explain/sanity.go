package explain

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/onnx"
)

// SanityStep says how much a map is still the same when the weights from the head down to a layer are random.
type SanityStep struct {
	Layer      string `json:"layer"`  // down to which weights are random
	Layers     int    `json:"layers"` // how many layers that are
	Parameters int    `json:"parameters"`
	// Rank is the rank correlation of the absolute maps over the voxels where either is not 0; SSIM their structural
	// similarity over the box around those voxels, each map scaled so that 1 % of them are above 1 and cut there. 1 is the
	// same map.
	Rank float64 `json:"rank"`
	SSIM float64 `json:"ssim"`
}

// Sanity repeats an explanation with random weights, from the head downwards (cascading randomisation, Adebayo et al.
// 2018): a map that stays the same does not explain this model. Each weight tensor gets normal numbers of its own mean
// and spread; running statistics stay. levels is the number of repetitions (0: 4), the first with the head alone, the last with
// everything random.
func (p *Problem) Sanity(ctx context.Context, m Method, was *Explanation, levels int, seed uint64) ([]SanityStep, error) {
	if levels <= 0 {
		levels = 4
	}
	dir, err := os.MkdirTemp("", "nitrain-sanity-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	layers, err := layersOf(p.explainer.path)
	if err != nil {
		return nil, err
	}
	var steps []SanityStep
	last := 0
	for i := range levels {
		n := 1
		if levels > 1 {
			n = 1 + int(math.Round(float64(len(layers)-1)*float64(i)/float64(levels-1)))
		}
		if n == last || len(layers) == 0 {
			continue
		}
		last = n
		step, err := p.randomised(ctx, m, filepath.Join(dir, fmt.Sprintf("%d.onnx", i)), layers[:n], seed)
		if err != nil {
			return nil, err
		}
		step.Rank, step.SSIM = likeness(was.Prepared, step.attribution.Image)
		steps = append(steps, step.SanityStep)
	}
	return steps, nil
}

// sanityRun is a step and its map.
type sanityRun struct {
	SanityStep
	attribution *Attribution
}

// layersOf lists the names of a model's parameters layer by layer, the head first. A layer begins with a tensor of two
// axes or more; biases and scales belong to the weights before them.
func layersOf(path string) ([][]string, error) {
	m, err := onnx.ReadFile(path)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	g, err := convert.Import(m, convert.ImportOptions{})
	if err != nil {
		return nil, err
	}
	var layers [][]string
	for _, q := range g.Params() {
		if q.State || q.Len() == 0 {
			continue
		}
		if len(q.Shape) > 1 || len(layers) == 0 {
			layers = append([][]string{nil}, layers...)
		}
		layers[0] = append(layers[0], q.Name)
	}
	return layers, nil
}

// randomised explains again with random weights in some layers.
func (p *Problem) randomised(ctx context.Context, m Method, path string, layers [][]string, seed uint64) (run sanityRun, err error) {
	run.Layer, run.Layers = layers[len(layers)-1][0], len(layers)
	if run.Parameters, err = scrambled(p.explainer.path, path, layers, seed); err != nil {
		return run, err
	}
	o := p.explainer.options
	spec := p.explainer.spec
	o.Spec, o.Cache, o.Untrusted = &spec, path+".explain", false
	e, err := Open(path, o)
	if err != nil {
		return run, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	q := p.with(e)
	q.begin()
	if run.attribution, err = m.Attribute(ctx, q); err != nil {
		return run, fmt.Errorf("explain: %s with random weights: %w", m.Name(), err)
	}
	return run, nil
}

// scrambled writes a copy of a model whose given layers are random, and counts the numbers that changed.
func scrambled(from, to string, layers [][]string, seed uint64) (count int, err error) {
	m, err := onnx.ReadFile(from)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	g, err := convert.Import(m, convert.ImportOptions{})
	if err != nil {
		return 0, err
	}
	rng := rand.New(rand.NewPCG(seed, 0x73616e697479))
	for _, layer := range layers {
		for _, name := range layer {
			v, err := g.Value(name)
			if err != nil {
				return 0, err
			}
			redraw(v, rng)
			if err := g.SetParam(name, v); err != nil {
				return 0, err
			}
			count += len(v)
		}
	}
	if m, err = g.Export(); err != nil {
		return 0, err
	}
	return count, onnx.WriteFile(to, m)
}

// redraw replaces numbers by normal ones of the same mean and spread.
func redraw(v []float32, rng *rand.Rand) {
	var mean, square float64
	for _, x := range v {
		mean += float64(x) / float64(len(v))
	}
	for _, x := range v {
		square += (float64(x) - mean) * (float64(x) - mean) / float64(len(v))
	}
	spread := math.Sqrt(square)
	for i := range v {
		v[i] = float32(mean + spread*rng.NormFloat64())
	}
}
