package finetune

import (
	"math"
	"slices"

	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/predict"
)

// plan is a Config with every default filled in for a model and cases, and what follows from it.
type plan struct {
	Config
	spec  predict.Spec // with the pad as its last step
	order []int        // case of each sample; nil shuffles
	cases int
}

// newPlan fills the defaults in. All faults come back in one *ConfigError.
func newPlan(c Config, spec predict.Spec, train, valid []dataset.Case) (*plan, error) {
	p := &plan{Config: c, spec: spec, cases: len(train)}
	e := &ConfigError{}
	if spec.Task != predict.Segmentation {
		e.add("the model does %s: want a segmentation", spec.Task)
	}
	if len(train) == 0 {
		e.add("no case to train on")
	}
	p.fillOrder(e, train)
	p.fillSteps(e)
	p.fillSize(e)
	p.fillChoices(e)
	p.checkNumbers(e)
	p.checkLoss(e)
	_, err := matcher(slices.Concat(p.Freeze, p.Train))
	if err != nil {
		e.add("%v", err)
	}
	if p.ValidateEvery == 0 {
		p.ValidateEvery = max(1, p.Steps/10)
	}
	if p.EarlyStop > 0 && len(valid) == 0 {
		e.add("early-stop wants cases to validate on")
	}
	return p, e.err()
}

func (p *plan) fillOrder(e *ConfigError, train []dataset.Case) {
	for _, name := range p.Order {
		i, err := dataset.Named(train, name)
		if err != nil {
			e.add("order: %v", err)
			continue
		}
		p.order = append(p.order, i)
	}
}

func (p *plan) fillSteps(e *ConfigError) {
	if p.Batch == 0 {
		p.Batch = 1
	}
	if p.Accumulate == 0 {
		p.Accumulate = 1
	}
	for name, v := range map[string]int{"steps": p.Steps, "epochs": p.Epochs, "batch": p.Batch, "accumulate": p.Accumulate,
		"warmup": p.Warmup, "validate-every": p.ValidateEvery, "early-stop": p.EarlyStop} {
		if v < 0 {
			e.add("%s: want at least 0, got %d", name, v)
			return
		}
	}
	if p.Steps > 0 && p.Epochs > 0 {
		e.add("want steps or epochs, got both")
	}
	perStep := p.Batch * p.Accumulate
	switch {
	case p.Steps > 0:
	case p.Epochs > 0:
		p.Steps = (p.Epochs*p.cases + perStep - 1) / perStep
	case p.Order != nil:
		p.Steps = max(1, len(p.Order)/perStep)
	default:
		p.Steps = 300
	}
	if p.Warmup >= p.Steps {
		e.add("warmup: want fewer than the %d steps, got %d", p.Steps, p.Warmup)
	}
}

// fillSize decides between patches and whole images.
func (p *plan) fillSize(e *ConfigError) {
	zero := [3]int{}
	switch {
	case p.Whole && p.Patch != zero:
		e.add("want patch or whole, got both")
	case p.Pad != zero && !p.Whole:
		e.add("pad goes with whole images, not with patches")
	case p.Pad != zero:
		p.padSpec(e)
	case p.Patch == zero && p.spec.Tile == nil:
		p.Whole = true
	case p.Patch == zero && !p.Whole:
		p.Patch = p.spec.Tile.Size
	}
	for _, n := range slices.Concat(p.Patch[:], p.Pad[:]) {
		if n < 0 || n > 1<<15 {
			e.add("sizes: want 0 to %d voxels, got patch %v and pad %v", 1<<15, p.Patch, p.Pad)
			break
		}
	}
	if p.spec.Input.Layout.Axes() == 2 && !p.Whole && p.Patch[2] != 1 {
		e.add("patch: the model is 2-D: want a third size of 1, got %v", p.Patch)
	}
}

// padSpec makes the pad part of the preparation, so that the trained model serves as it was trained.
func (p *plan) padSpec(e *ConfigError) {
	step := transform.Pad{Size: p.Pad}
	if n := len(p.spec.Prepare); n > 0 && p.spec.Prepare[n-1] == transform.Transform(step) {
		return // a model that was trained like this before
	}
	p.spec.Prepare = append(slices.Clone(p.spec.Prepare), step)
	if p.spec.Tile != nil {
		e.add("pad: the model's Spec cuts images into tiles: want patches")
	}
}

// fillChoices fills in and checks everything that is named.
func (p *plan) fillChoices(e *ConfigError) {
	exact := p.Order != nil
	choose(e, "augment", &p.Augment, pick(exact, AugmentNone, AugmentLight), AugmentNone, AugmentLight)
	choose(e, "loss", &p.Loss, DiceCE, DiceCE, Dice, CrossEntropy)
	choose(e, "optimizer", &p.Optimizer, Adam, Adam, AdamW, SGD)
	choose(e, "schedule", &p.Schedule, pick(exact, Constant, Cosine), Constant, Cosine, Poly)
	choose(e, "init-head", &p.InitHead, KeepHead, KeepHead, ZeroHead, KaimingHead)
	choose(e, "bn", &p.BatchNorm, FrozenNorm, FrozenNorm, TrainNorm)
	if p.Rate == 0 {
		p.Rate = 1e-3
		if p.Optimizer == SGD {
			p.Rate = 1e-2
		}
	}
	if p.WeightDecay == 0 && p.Optimizer == AdamW {
		p.WeightDecay = 0.01
	}
	if p.CacheBytes == 0 {
		p.CacheBytes = 2 << 30
	}
}

func pick[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}

// choose fills in the default and refuses what is not among the choices.
func choose[T ~string](e *ConfigError, name string, value *T, otherwise T, choices ...T) {
	if *value == "" {
		*value = otherwise
	}
	if !slices.Contains(choices, *value) {
		e.add("%s: want one of %v, got %q", name, choices, string(*value))
	}
}

func (p *plan) checkNumbers(e *ConfigError) {
	for name, v := range map[string]float64{"lr": p.Rate, "weight-decay": p.WeightDecay, "clip": p.Clip} {
		if !(v >= 0) || math.IsInf(v, 0) {
			e.add("%s: want a finite number from 0, got %g", name, v)
		}
	}
	for name, v := range map[string]float64{"foreground": p.Foreground, "momentum": p.Momentum, "label-smoothing": p.LossOptions.LabelSmoothing} {
		if !(v >= 0 && v <= 1) {
			e.add("%s: want 0 to 1, got %g", name, v)
		}
	}
	if p.Momentum != 0 && p.Optimizer != SGD {
		e.add("momentum goes with sgd, not with %s", p.Optimizer)
	}
}

func (p *plan) checkLoss(e *ConfigError) {
	o := p.LossOptions
	for name, v := range map[string]float64{"smooth-nr": o.SmoothNum, "smooth-dr": o.SmoothDen, "dice-weight": o.DiceWeight, "ce-weight": o.CEWeight} {
		if !(v >= 0) || math.IsInf(v, 0) {
			e.add("loss options: %s: want a finite number from 0, got %g", name, v)
		}
	}
	if n := p.channels(); o.Weights != nil && len(o.Weights) != n {
		e.add("loss options: weights: want one for each of the %d channels, got %d", n, len(o.Weights))
	}
	for _, w := range o.Weights {
		if !(w >= 0) || math.IsInf(w, 0) {
			e.add("loss options: weights: want finite numbers from 0, got %g", w)
		}
	}
}

// channels is the number of channels of the model's output.
func (p *plan) channels() int {
	if p.spec.Decode.Pick == predict.Argmax {
		return len(p.spec.Labels)
	}
	return len(p.spec.Foreground())
}

// sampler draws boxes; the zero size takes whole images.
func (p *plan) sampler() patch.Foreground {
	if p.Whole {
		return patch.Foreground{}
	}
	return patch.Foreground{Size: p.Patch, Ratio: p.Foreground}
}

// samples is the number of samples that a step takes.
func (p *plan) samples() int { return p.Batch * p.Accumulate }

// due reports whether the model is validated after so many steps.
func (p *plan) due(step int) bool { return step == p.Steps || step%p.ValidateEvery == 0 }

func (p *plan) rates() rates { return rates{p.Schedule, p.Rate, p.Warmup, p.Steps} }
