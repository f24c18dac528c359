package finetune

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/internal/record"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// Trainer trains one model on one set of cases. It is for one goroutine; everything random in it follows
// from the Config's seed, so that equal arguments give equal weights on the same machine.
type Trainer struct {
	config       Config // as it was given
	plan         *plan
	source       *source
	graph        *convert.Graph
	backend      *convert.Backend
	step         *convert.Step
	runner       *convert.Runner
	predictor    *predict.Predictor
	train, valid []dataset.Case
	validShelf   *shelf
	batches      *batcher
	trains       func(*convert.Param) bool

	state   state
	history []Event
	best    map[string]*onnx.Tensor // parameters of the best validation, where no run folder keeps them
	samples []record.Picture        // of the best validation

	path    string      // of the run folder, "" for none
	dir     *record.Dir // while it is open
	started time.Time   // of this session
	first   int         // the session's first step
	saved   time.Time
	told    time.Time // when status.json was written
}

// New prepares a training of m, which must carry a Spec, on the cases of train; valid may be empty. It
// checks the Config, the model and every file of every case, and reports all faults at once: a
// *[ConfigError], a *[dataset.Problems], a *convert.UnsupportedError or *predict.MismatchError, joined.
// m must stay open, and unchanged, while the Trainer lives.
func New(ctx context.Context, m *onnx.Model, b *convert.Backend, train, valid []dataset.Case, c Config) (*Trainer, error) {
	spec, err := predict.ReadSpec(m)
	if err != nil {
		return nil, err
	}
	p, err := newPlan(c, spec, train, valid)
	if err = errors.Join(err, dataset.Check(ctx, slices.Concat(train, valid), wanted(&spec))); err != nil {
		return nil, err
	}
	return newTrainer(m, b, train, valid, c, p)
}

// wanted is what cases must be to train and validate a model with.
func wanted(spec *predict.Spec) dataset.Want {
	values := spec.Foreground()
	if spec.Decode.Pick == predict.Threshold || len(values) < len(spec.Labels) {
		values = append([]int{0}, values...)
	}
	w := dataset.Want{Labelled: true, Labels: values, Channels: len(spec.Input.Channels)}
	for _, step := range spec.Prepare {
		if _, ok := step.(transform.SelectChannels); ok {
			w.Channels = 0 // the scans may have more
		}
	}
	return w
}

// newTrainer does what New does after its checks of plan and data.
func newTrainer(m *onnx.Model, b *convert.Backend, train, valid []dataset.Case, c Config, p *plan) (*Trainer, error) {
	t := &Trainer{
		config: c, plan: p, source: &source{model: m}, backend: b, train: train, valid: valid,
		state: state{Validated: -1},
	}
	input, err := t.bindInput(m)
	if err != nil {
		return nil, err
	}
	if t.graph, err = convert.Import(m, importOptions(p, input)); err != nil {
		return nil, err
	}
	t.runner = t.graph.Runner(b)
	if t.predictor, err = predict.New(p.spec, t.runner); err != nil {
		return nil, err
	}
	if t.trains, err = trained(t.graph.Params(), p.Freeze, p.Train); err != nil {
		return nil, err
	}
	if err = initHead(t.graph, m, outputName(&p.spec, m), p.InitHead, p.Seed); err != nil {
		return nil, err
	}
	memory := &budget{left: p.CacheBytes}
	t.validShelf = newShelf(&p.spec, valid, true, memory)
	t.batches = newBatcher(p, newShelf(&p.spec, train, false, memory), input)
	if err = t.batches.checkSizes(); err != nil {
		return nil, err
	}
	config := t.stepConfig(m)
	if config.Insert, err = beforeHead(m, outputName(&p.spec, m), p.InsertDropout); err != nil {
		return nil, err
	}
	t.step, err = t.graph.NewStep(b, config)
	return t, err
}

func importOptions(p *plan, input onnx.ValueInfo) convert.ImportOptions {
	o := convert.ImportOptions{BatchNorm: convert.BatchNormFrozen}
	switch p.BatchNorm {
	case TrainNorm:
		o.BatchNorm = convert.BatchNormTrain
	case RecalibrateNorm:
		o.BatchNorm = convert.BatchNormRecalibrate
	}
	if !p.Whole && !slices.Contains(p.Patch[:], 0) {
		shape := append([]int{p.Batch, len(p.spec.Input.Channels)}, p.spec.Input.Layout.Shape(p.Patch)...)
		o.InputShapes = map[string][]int{input.Name: shape}
	}
	return o
}

// bindInput finds the model's input and compares its fixed sizes with the plan.
func (t *Trainer) bindInput(m *onnx.Model) (onnx.ValueInfo, error) {
	inputs, name := m.Inputs(), t.plan.spec.Input.Name
	at := slices.IndexFunc(inputs, func(v onnx.ValueInfo) bool { return v.Name == name || name == "" })
	if at < 0 || len(inputs) != 1 {
		return onnx.ValueInfo{}, &predict.MismatchError{What: fmt.Sprintf("training wants one input %q, the model has %d inputs", name, len(inputs))}
	}
	in := inputs[at]
	e := &ConfigError{}
	if len(in.Shape) > 0 && in.Shape[0] > 0 && in.Shape[0] != t.plan.Batch {
		e.add("batch: the model's input is fixed to %d, got %d", in.Shape[0], t.plan.Batch)
	}
	if len(in.Shape) == 2+t.plan.spec.Input.Layout.Axes() && !t.plan.Whole {
		for i, got := range t.plan.spec.Input.Layout.Shape(t.plan.Patch) {
			if want := in.Shape[2+i]; want > 0 && got > 0 && got != want {
				e.add("patch %v: the model's input is fixed to %v", t.plan.Patch, in.Shape[2:])
				break
			}
		}
	}
	return in, e.err()
}

func (t *Trainer) stepConfig(m *onnx.Model) convert.StepConfig {
	o := convert.DefaultOptimizer(convert.OptimizerKind(t.plan.Optimizer))
	o.WeightDecay, o.Momentum = t.plan.WeightDecay, t.plan.Momentum
	return convert.StepConfig{
		Loss: lossOf(t.plan, m), Optimizer: o, Train: t.trains, Clip: t.plan.Clip,
		Dropout: t.plan.Dropout && t.graph.Drops(), Seed: int64(t.plan.Seed),
		Precision: t.plan.Precision,
	}
}

// Close frees the memory of the training; the Backend and the Model stay usable.
func (t *Trainer) Close() error {
	t.step.Close()
	err := t.runner.Close()
	if t.source.owned {
		err = errors.Join(err, t.source.model.Close())
	}
	return err
}

// Settings lists every setting with its value, defaults filled in, for people to read.
func (t *Trainer) Settings() [][2]string { return t.plan.settings(t.train, t.valid, t.graph, t.trains) }

// Step returns the number of steps done, Steps the number in all.
func (t *Trainer) Step() int { return t.state.Step }

// Steps returns the length of the run.
func (t *Trainer) Steps() int { return t.plan.Steps }
