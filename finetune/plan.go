package finetune

import (
	"slices"

	"github.com/nitrain/nitrain/convert"
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
	checkSpec(e, &spec)
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

// checkSpec refuses Specs that training does not follow.
func checkSpec(e *ConfigError, spec *predict.Spec) {
	if spec.Task != predict.Segmentation {
		e.add("the model does %s: want a segmentation", spec.Task)
		return
	}
	if spec.Input.Stack > 1 {
		e.add("the model sees a stack of slices (input.stack): training does not make such batches")
	}
	if spec.Input.Cascade() {
		e.add("the model sees what a previous one said (input.channels.value): training does not make such batches")
	}
	if slices.Contains(spec.ChannelValues(), predict.NoLabel) {
		e.add("labels: want one for every channel of the output, got none for some (labels.channel)")
	}
	for _, l := range spec.Labels {
		if l.Region != nil {
			e.add("label %d is a region of several values (labels.region): training wants a label image with one value for each label", l.Value)
		}
	}
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
	before := len(e.Faults)
	for _, f := range []struct {
		name  string
		value int
	}{
		{"epochs", p.Epochs},
		{"batch", p.Batch},
		{"accumulate", p.Accumulate},
		{"warmup", p.Warmup},
		{"validate-every", p.ValidateEvery},
		{"early-stop", p.EarlyStop},
	} {
		if f.value < 0 {
			e.add("%s: want at least 0, got %d", f.name, f.value)
		}
	}
	switch p.Recompute {
	case "":
		p.Recompute = RecomputeAuto
	case RecomputeAuto, RecomputeOff:
	default:
		e.add("recompute: want auto or off, got %q", p.Recompute)
	}
	if !(p.InsertDropout >= 0 && p.InsertDropout < 1) {
		e.add("insert-dropout: want at least 0 and below 1, got %g", p.InsertDropout)
	}
	switch p.Precision {
	case "":
		p.Precision = convert.Float32
	case convert.Float32, convert.BFloat16, convert.Float16:
	default:
		e.add("precision: want float32, bfloat16 or float16, got %q", p.Precision)
	}
	if p.Memory < 0 {
		e.add("memory: want at least 0 bytes, got %d", p.Memory)
	}
	if p.Steps < NoSteps {
		e.add("steps: want at least 0, got %d", p.Steps)
	}
	if len(e.Faults) > before {
		return
	}
	if p.Steps > 0 && p.Epochs > 0 {
		e.add("want steps or epochs, got both")
	}
	perStep := p.Batch * p.Accumulate
	switch {
	case p.Steps == NoSteps:
		p.Steps = 0
	case p.Steps > 0:
	case p.Epochs > 0:
		p.Steps = (p.Epochs*p.cases + perStep - 1) / perStep
	case p.Order != nil:
		p.Steps = max(1, len(p.Order)/perStep)
	default:
		p.Steps = 300
	}
	if p.Steps > 0 && p.Warmup >= p.Steps {
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
	if n := p.batchSamples(); n > maxBatchSamples {
		e.add("batch: want at most %d samples in a batch of patches, got %.3g: %d of %v voxels", maxBatchSamples, n, max(1, p.Batch), p.Patch)
	}
	if axis, flat := p.spec.Input.Layout.Missing(); flat && !p.Whole && p.Patch[axis] != 1 {
		e.add("patch: the model is 2-D: want a size of 1 along %c, got %v", "xyz"[axis], p.Patch)
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
	choose(e, "bn", &p.BatchNorm, FrozenNorm, FrozenNorm, TrainNorm, RecalibrateNorm)
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
	e.from0("lr", p.Rate)
	e.from0("weight-decay", p.WeightDecay)
	e.from0("clip", p.Clip)
	e.share("foreground", p.Foreground)
	e.share("momentum", p.Momentum)
	if p.Momentum != 0 && p.Optimizer != SGD {
		e.add("momentum goes with sgd, not with %s", p.Optimizer)
	}
}

func (p *plan) checkLoss(e *ConfigError) {
	o := p.LossOptions
	e.from0("loss options: smooth-nr", o.SmoothNum)
	e.from0("loss options: smooth-dr", o.SmoothDen)
	e.from0("loss options: dice-weight", o.DiceWeight)
	e.from0("loss options: ce-weight", o.CEWeight)
	e.share("loss options: label-smoothing", o.LabelSmoothing)
	if n := p.channels(); o.Weights != nil && len(o.Weights) != n {
		e.add("loss options: weights: want one for each of the %d channels, got %d", n, len(o.Weights))
	}
	for _, w := range o.Weights {
		e.from0("loss options: weights", w)
	}
}

// channels is the number of channels of the model's output.
func (p *plan) channels() int {
	return len(p.spec.ChannelValues())
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

// maxBatchSamples is the largest input of one step: the activations of any network take many times its memory.
const maxBatchSamples = 1 << 29

// batchSamples counts the samples of a batch of patches, 0 for whole images.
func (p *plan) batchSamples() float64 {
	n := float64(max(1, p.Batch)) * float64(max(1, len(p.spec.Input.Channels)))
	for _, size := range p.Patch {
		n *= float64(size)
	}
	return n
}
