package finetune

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/nitrain/nitrain/imageio/metric"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
	"github.com/nitrain/nitrain/predict/evaluation"
)

// validate scores the current weights on the validation cases with the sliding window that serves, keeps
// the best, and saves.
func (t *Trainer) validate(ctx context.Context, on func(Event)) error {
	if err := t.recalibrate(ctx); err != nil {
		return err
	}
	t.state.Validated = t.state.Step
	if len(t.valid) == 0 {
		return errors.Join(t.save(), t.derive())
	}
	v, cases, err := t.judge(ctx)
	if err != nil {
		t.state.Validated = -1
		return err
	}
	t.state.Since++
	if !t.state.HasBest || v.Score > t.state.Best {
		t.state.Since = 0
	}
	if v.Best = !t.state.HasBest || v.Score >= t.state.Best; v.Best { // of equals the one that trained longer
		t.state.HasBest, t.state.Best, t.state.BestStep = true, v.Score, t.state.Step
	}
	t.state.Validations = append(t.state.Validations, point{t.state.Step, v.Score})
	if err := t.emit(Event{Kind: Validated, Validation: v}, on); err != nil {
		return err
	}
	if err := t.keep(v.Best, cases); err != nil {
		return err
	}
	return t.derive()
}

// calibration is the number of steps whose batches give new running statistics.
const calibration = 16

// recalibrate takes the running statistics anew, where the plan says so, from the batches of the last steps.
func (t *Trainer) recalibrate(ctx context.Context) error {
	if t.plan.BatchNorm != RecalibrateNorm {
		return nil
	}
	var batches []map[string]*onnx.Tensor
	for number := max(0, t.state.Step-calibration); number < t.state.Step; number++ {
		l := t.batches.step(number)
		if l.err != nil {
			return l.err
		}
		batches = append(batches, l.batches...)
	}
	return t.step.Recalibrate(ctx, batches...)
}

// judge scores the current weights.
func (t *Trainer) judge(ctx context.Context) (*Validation, []shown, error) {
	if err := t.step.Sync(); err != nil {
		return nil, nil, err
	}
	return t.score(ctx)
}

// score predicts every validation case.
func (t *Trainer) score(ctx context.Context) (*Validation, []shown, error) {
	var cases []evaluation.Case
	var pictures []shown
	for i := range t.valid {
		s, err := t.validShelf.get(i)
		if err != nil {
			return nil, nil, err
		}
		out, err := t.predictor.PredictPrepared(ctx, s.prepared, predict.Request{})
		if err != nil {
			return nil, nil, fmt.Errorf("finetune: validate: %s: %w", s.id, err)
		}
		labels, err := metric.Compare(out.Labels, s.truth, t.plan.spec.Foreground(), false)
		if err != nil {
			return nil, nil, fmt.Errorf("finetune: validate: %s: %w", s.id, err)
		}
		c := evaluation.Case{ID: s.id, Labels: labels}
		cases = append(cases, c)
		if len(pictures) < mostShown {
			pictures = append(pictures, shown{s.id, s.prepared.Image, out.Labels, s.truth, c.Dice()})
		}
	}
	report, err := evaluation.NewReport(t.plan.spec.Labels, cases, evaluation.Options{})
	if err != nil {
		return nil, nil, err
	}
	return summarize(report), pictures, nil
}

// summarize keeps of a report what training reports. Labels that a case has neither predicted nor true do
// not count; a score that does not exist at all is 0.
func summarize(r *evaluation.Report) *Validation {
	v := &Validation{Score: number(float64(r.Mean.Dice)), Dice: map[int]float64{}}
	for _, l := range r.Labels {
		if d := float64(l.Dice); !math.IsNaN(d) {
			v.Dice[l.Value] = d
		}
	}
	for _, c := range r.Cases {
		s := CaseScore{ID: c.ID, Score: number(c.Dice()), Dice: map[int]float64{}}
		for _, l := range c.Labels {
			if d := float64(l.Dice); !math.IsNaN(d) {
				s.Dice[l.Label] = d
			}
		}
		v.Cases = append(v.Cases, s)
	}
	return v
}

func number(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}
