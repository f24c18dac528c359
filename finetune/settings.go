package finetune

import (
	"fmt"
	"strings"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/imageio/dataset"
)

// settings lists the plan for people.
func (p *plan) settings(train, valid []dataset.Case, g *convert.Graph, trains func(*convert.Param) bool) [][2]string {
	var out [][2]string
	add := func(name, format string, args ...any) {
		out = append(out, [2]string{name, fmt.Sprintf(format, args...)})
	}
	add("cases", "%d to train, %d to validate", len(train), len(valid))
	add("steps", "%d, %.3g epochs", p.Steps, p.epochs(p.Steps))
	add("samples", "%s", p.describeSamples())
	add("augment", "%s%s", p.Augment, p.describeMirror())
	add("loss", "%s, %s", p.Loss, p.LossOptions.describe(p.Loss))
	add("optimizer", "%s, lr %g, weight decay %g%s", p.Optimizer, p.Rate, p.WeightDecay, given(p.Momentum > 0, ", momentum %g", p.Momentum))
	add("schedule", "%s%s%s", p.Schedule, given(p.Warmup > 0, ", warm-up %d", p.Warmup), given(p.Clip > 0, ", clip %g", p.Clip))
	add("parameters", "%s", counts(g.Params(), trains))
	add("head", "%s", p.InitHead)
	add("batch normalization", "%s", p.BatchNorm)
	if g.Drops() {
		add("dropout", "%s", map[bool]string{true: "as in the model", false: "off"}[p.Dropout])
	}
	if p.InsertDropout > 0 {
		add("inserted dropout", "%g before the last layer", p.InsertDropout)
	}
	if len(valid) > 0 {
		add("validation", "every %d steps%s", p.ValidateEvery, given(p.EarlyStop > 0, ", stop after %d without a better score", p.EarlyStop))
	}
	if p.Precision != convert.Float32 {
		add("precision", "%s, weights and their updates float32", p.Precision)
	}
	add("seed", "%d", p.Seed)
	return out
}

func given(yes bool, format string, args ...any) string {
	if !yes {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

func (p *plan) describeSamples() string {
	size := fmt.Sprintf("patches of %dx%dx%d, %g%% around a label", p.Patch[0], p.Patch[1], p.Patch[2], 100*p.Foreground)
	if p.Whole {
		size = "whole images" + given(p.Pad != [3]int{}, " padded to %dx%dx%d", p.Pad[0], p.Pad[1], p.Pad[2])
	}
	order := "shuffled"
	if p.order != nil {
		order = "in the given order"
	}
	return fmt.Sprintf("%d a step%s, %s, %s", p.samples(), given(p.Accumulate > 1, " in %d batches", p.Accumulate), size, order)
}

func (p *plan) describeMirror() string {
	switch {
	case p.Augment == AugmentNone:
		return ""
	case hasSides(p.spec.Labels):
		return ", not mirrored since the labels tell left from right"
	}
	return ", mirrored from left to right"
}

func (o LossOptions) describe(kind Loss) string {
	var parts []string
	if kind != CrossEntropy {
		parts = append(parts, fmt.Sprintf("smooth-nr=%g, smooth-dr=%g, background=%v, batch=%v", o.SmoothNum, o.SmoothDen, o.Background, o.Batch))
		if o.Squared || o.Jaccard {
			parts = append(parts, fmt.Sprintf("squared=%v, jaccard=%v", o.Squared, o.Jaccard))
		}
	}
	if kind != Dice {
		parts = append(parts, fmt.Sprintf("label-smoothing=%g", o.LabelSmoothing))
	}
	if kind == DiceCE {
		parts = append(parts, fmt.Sprintf("dice-weight=%g, ce-weight=%g", o.DiceWeight, o.CEWeight))
	}
	if o.Weights != nil {
		parts = append(parts, fmt.Sprintf("weights=%v", o.Weights))
	}
	return strings.Join(parts, ", ")
}

// epochs is the number of passes over the training cases in so many steps.
func (p *plan) epochs(steps int) float64 {
	return float64(steps*p.samples()) / float64(max(1, p.cases))
}
