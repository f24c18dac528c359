// Package finetune trains an imported model on new cases.
//
// A [Config] says how, a [Trainer] does it and reports [Event]s, a run folder keeps what is needed to go on
// after any interruption. Training is a client of serving: images are prepared by the model's Spec, and
// validation is the sliding window that serves.
package finetune

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/convert"
)

// Config says how to train. [Defaults] is a start that suits few scans; a zero field means what its comment
// says. The JSON form has the keys of the command line's flags and refuses unknown ones.
type Config struct {
	// Steps is the number of optimizer steps; 0 follows from Epochs, else from Order, else is 300; see NoSteps.
	Steps int `json:"steps,omitempty"`
	// Epochs is the number of passes over the training cases, an alternative to Steps.
	Epochs int `json:"epochs,omitempty"`
	// Batch is the number of samples that are computed together; 0 is 1.
	Batch int `json:"batch,omitempty"`
	// Accumulate is the number of batches whose mean gradient makes a step; 0 is 1.
	Accumulate int `json:"accumulate,omitempty"`
	// Patch is the size in voxels of the boxes cut from prepared images, in the image's axes x, y, z.
	// Zero takes the Spec's tile; a Spec without one trains on whole images.
	Patch [3]int `json:"patch,omitzero"`
	// Whole trains on whole prepared images.
	Whole bool `json:"whole,omitempty"`
	// Pad is the size to which whole images are padded with zeros, evenly on both sides, as a last step of
	// the Spec's preparation: what is trained pads alike when it serves. Zero leaves them.
	Pad [3]int `json:"pad,omitzero"`
	// Foreground is the share of patches centred on a labelled voxel, 0 to 1.
	Foreground float64 `json:"foreground"`
	// Augment names random changes of the samples; "" is light, and none where Order is given.
	Augment Augment `json:"augment,omitempty"`
	// Order names the case of every sample in turn, for exact comparisons; it is repeated when it is
	// shorter than the run. nil shuffles the cases anew in each epoch.
	Order []string `json:"order,omitempty"`
	// Loss is what is made small, and LossOptions its details.
	Loss        Loss        `json:"loss,omitempty"`
	LossOptions LossOptions `json:"loss-options"`
	// Optimizer follows PyTorch's formulas; "" is adam.
	Optimizer Optimizer `json:"optimizer,omitempty"`
	// Rate is the highest learning rate; 0 is 1e-3 for adam and adamw, 1e-2 for sgd.
	Rate float64 `json:"lr,omitempty"`
	// WeightDecay is PyTorch's weight_decay: added to the gradient by adam and sgd, decoupled in adamw. 0 is
	// PyTorch's default, which is 0.01 for adamw (without decay it would be adam) and none for the others.
	WeightDecay float64 `json:"weight-decay,omitempty"`
	// Momentum is PyTorch's momentum of sgd.
	Momentum float64 `json:"momentum,omitempty"`
	// Schedule says how the rate falls; "" is cosine, and constant where Order is given.
	Schedule Schedule `json:"schedule,omitempty"`
	// Warmup is the number of steps in which the rate rises to its height.
	Warmup int `json:"warmup,omitempty"`
	// Clip is the largest L2 norm of all gradients together; 0 does not clip.
	Clip float64 `json:"clip,omitempty"`
	// Freeze and Train are regular expressions on parameter names and aliases: what Freeze matches stands
	// still, unless Train matches it too. Train alone freezes everything else.
	Freeze []string `json:"freeze,omitempty"`
	Train  []string `json:"train,omitempty"`
	// InitHead says how the last layer starts; "" keeps it.
	InitHead InitHead `json:"init-head,omitempty"`
	// BatchNorm says what normalises while training; "" is frozen.
	BatchNorm BatchNorm `json:"bn,omitempty"`
	// Dropout lets the Dropout nodes that the model has act while it trains. Models exported for inference have none.
	Dropout bool `json:"dropout"`
	// InsertDropout drops this share of what the last layer takes, while it trains; 0 drops nothing. It serves models
	// whose export has no Dropout nodes left; the exported model has none either.
	InsertDropout float64 `json:"insert-dropout,omitempty"`
	// ValidateEvery is the number of steps between validations; 0 is a tenth of the run. The start and the
	// end are always validated.
	ValidateEvery int `json:"validate-every,omitempty"`
	// EarlyStop ends the run after that many validations without a better score; 0 never does.
	EarlyStop int `json:"early-stop,omitempty"`
	// Precision is what convolutions and products are computed in; "" is float32. Only XLA has others.
	Precision convert.Precision `json:"precision,omitempty"`
	// Recompute lets values be computed twice where a step would not fit into memory; "" is auto.
	Recompute Recompute `json:"recompute,omitempty"`
	// Memory bounds what the whole process may take, in bytes; 0 is what the machine has free.
	Memory int64 `json:"memory,omitempty"`
	// Seed fixes everything random: order, patches, changes, a new head.
	Seed uint64 `json:"seed"`
	// CacheBytes is the memory that prepared cases may take; 0 is 2 GiB. What does not fit is prepared anew
	// at each use; results do not depend on it.
	CacheBytes int64 `json:"cache-bytes,omitempty"`
}

// NoSteps as Config.Steps makes a run that only validates: its weights are the source's, bit for bit.
const NoSteps = -1

// The choices that a Config names. Their text is that of the command line.
type (
	// Augment names a set of random changes.
	Augment string
	// Loss names a loss function.
	Loss string
	// Optimizer names an update rule.
	Optimizer string
	// Schedule names the course of the learning rate.
	Schedule string
	// InitHead names a way to start the last layer.
	InitHead string
	// BatchNorm names a mode of BatchNormalization.
	BatchNorm string
)

// The choices.
const (
	AugmentNone  Augment = "none"
	AugmentLight Augment = "light" // flips, scale, shift, gamma and noise

	DiceCE       Loss = "dicece" // sum of dice and cross-entropy, MONAI's DiceCELoss
	Dice         Loss = "dice"   // MONAI's DiceLoss
	CrossEntropy Loss = "ce"     // PyTorch's cross_entropy

	Adam  Optimizer = "adam"
	AdamW Optimizer = "adamw"
	SGD   Optimizer = "sgd"

	Constant Schedule = "constant"
	Cosine   Schedule = "cosine" // to zero at the end of the run
	Poly     Schedule = "poly"   // (1 - step/steps)^0.9, as nnU-Net

	KeepHead    InitHead = "keep"
	ZeroHead    InitHead = "zero"
	KaimingHead InitHead = "kaiming" // PyTorch's default for new layers, by Seed

	FrozenNorm BatchNorm = "frozen" // running statistics, which stand still
	TrainNorm  BatchNorm = "train"  // the batch's statistics; running ones follow
	// RecalibrateNorm is FrozenNorm, but that before every validation behind a step the running statistics are
	// taken anew, from forward passes over the last training batches.
	RecalibrateNorm BatchNorm = "recalibrate"
)

// Defaults returns the Config that the command line starts from: made for fine-tuning on few scans.
func Defaults() Config {
	return Config{Batch: 1, Foreground: 0.5, LossOptions: DefaultLossOptions(), Dropout: true}
}

// LossOptions are the details of a loss, named and defaulted as in MONAI 1.6's DiceCELoss.
type LossOptions struct {
	// SmoothNum and SmoothDen are added to Dice's numerator and denominator; "smooth" sets both.
	SmoothNum float64 `json:"smooth-nr"`
	SmoothDen float64 `json:"smooth-dr"`
	// Background includes channel 0 in the Dice term.
	Background bool `json:"background"`
	// Batch sums the Dice term over the batch before the ratio.
	Batch bool `json:"batch"`
	// Squared squares the terms of Dice's denominator, Jaccard takes intersection over union.
	Squared bool `json:"squared"`
	Jaccard bool `json:"jaccard"`
	// DiceWeight and CEWeight scale the two terms of dicece.
	DiceWeight float64 `json:"dice-weight"`
	CEWeight   float64 `json:"ce-weight"`
	// LabelSmoothing is PyTorch's label_smoothing of the cross-entropy.
	LabelSmoothing float64 `json:"label-smoothing"`
	// Weights are one factor per class for the cross-entropy; nil is one for all.
	Weights []float64 `json:"weights,omitempty"`
}

// DefaultLossOptions are MONAI's: background included, smoothing 1e-5, one ratio per sample.
func DefaultLossOptions() LossOptions {
	return LossOptions{SmoothNum: 1e-5, SmoothDen: 1e-5, Background: true, DiceWeight: 1, CEWeight: 1}
}

// ParseLossOptions reads "smooth=1,background=false,weights=1:2:2" on top of the defaults. All faults are
// reported at once.
func ParseLossOptions(text string) (LossOptions, error) {
	o := DefaultLossOptions()
	var faults []string
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			faults = append(faults, fmt.Sprintf("%q: want key=value", part))
			continue
		}
		if err := o.set(strings.TrimSpace(key), strings.TrimSpace(value)); err != nil {
			faults = append(faults, err.Error())
		}
	}
	if len(faults) > 0 {
		return LossOptions{}, fmt.Errorf("finetune: loss options: %s", strings.Join(faults, "; "))
	}
	return o, nil
}

func (o *LossOptions) set(key, value string) error {
	numbers := map[string][]*float64{
		"smooth": {&o.SmoothNum, &o.SmoothDen}, "smooth-nr": {&o.SmoothNum}, "smooth-dr": {&o.SmoothDen},
		"dice-weight": {&o.DiceWeight}, "ce-weight": {&o.CEWeight}, "label-smoothing": {&o.LabelSmoothing},
	}
	switches := map[string]*bool{"background": &o.Background, "batch": &o.Batch, "squared": &o.Squared, "jaccard": &o.Jaccard}
	if fields, ok := numbers[key]; ok {
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return fmt.Errorf("%s: want a number, got %q", key, value)
		}
		for _, f := range fields {
			*f = v
		}
		return nil
	}
	if field, ok := switches[key]; ok {
		v, err := strconv.ParseBool(value)
		if err != nil {
			return fmt.Errorf("%s: want true or false, got %q", key, value)
		}
		*field = v
		return nil
	}
	if key == "weights" {
		o.Weights = nil
		for part := range strings.SplitSeq(value, ":") {
			v, err := strconv.ParseFloat(part, 64)
			if err != nil {
				return fmt.Errorf("weights: want numbers with colons between, got %q", value)
			}
			o.Weights = append(o.Weights, v)
		}
		return nil
	}
	return fmt.Errorf("%q: want one of smooth, smooth-nr, smooth-dr, background, batch, squared, jaccard, "+
		"dice-weight, ce-weight, label-smoothing, weights", key)
}

// UnmarshalJSON reads options on top of the defaults: from an object, or from text as [ParseLossOptions].
func (o *LossOptions) UnmarshalJSON(raw []byte) error {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		parsed, err := ParseLossOptions(text)
		*o = parsed
		return err
	}
	type plain LossOptions
	p := plain(DefaultLossOptions())
	if err := strictJSON(raw, &p); err != nil {
		return fmt.Errorf("finetune: loss options: %w", err)
	}
	*o = LossOptions(p)
	return nil
}

// UnmarshalJSON reads a Config on top of the defaults; an unknown key is an error.
func (c *Config) UnmarshalJSON(raw []byte) error {
	type plain Config
	p := plain(Defaults())
	if err := strictJSON(raw, &p); err != nil {
		return fmt.Errorf("finetune: config: %w", err)
	}
	*c = Config(p)
	return nil
}

// matcher compiles patterns into one test of a parameter's name and alias.
func matcher(patterns []string) (func(names ...string) bool, error) {
	compiled := make([]*regexp.Regexp, len(patterns))
	for i, p := range patterns {
		re, err := regexp.Compile(p)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", p, err)
		}
		compiled[i] = re
	}
	return func(names ...string) bool {
		for _, re := range compiled {
			if slices.ContainsFunc(names, re.MatchString) {
				return true
			}
		}
		return false
	}, nil
}
