package predict

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/imageio/metric"
)

// Evaluation says how cases are scored. The zero value measures overlaps and volumes only.
type Evaluation struct {
	Surfaces bool // also surface distances, which cost seconds on large labels
	Mirror   bool // see [Request]
	// Progress is called after each case.
	Progress func(done, total int, last CaseScore)
}

// CaseScore is how one prediction compares with the truth.
type CaseScore struct {
	ID      string         `json:"id"`
	Labels  []metric.Score `json:"labels"` // of the Spec's foreground labels, in order
	Seconds float64        `json:"seconds"`
}

// Dice returns the mean over the labels that are in the prediction or in the truth; NaN where there are none.
func (c CaseScore) Dice() float64 {
	return mean(c.Labels, func(s metric.Score) metric.Number { return s.Dice })
}

// Evaluate predicts every case on its own grid and compares it with its label image. Cases without one are
// reported before anything runs.
func (p *Predictor) Evaluate(ctx context.Context, cases []dataset.Case, e Evaluation) (*Report, error) {
	if p.spec.Task != Segmentation {
		return nil, fmt.Errorf("predict: evaluate: want a segmentation, model does %s", p.spec.Task)
	}
	var faults []error
	for _, c := range cases {
		if c.Label == "" {
			faults = append(faults, &ImageError{What: fmt.Sprintf("evaluate: %s: has no label image", c.ID)})
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	var scores []CaseScore
	for i, c := range cases {
		s, err := p.evaluateCase(ctx, c, e)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.ID, err)
		}
		scores = append(scores, s)
		if e.Progress != nil {
			e.Progress(i+1, len(cases), s)
		}
	}
	return NewReport(p.spec, scores), nil
}

func (p *Predictor) evaluateCase(ctx context.Context, c dataset.Case, e Evaluation) (CaseScore, error) {
	images := make([]*imageio.Image, len(c.Images))
	for i, path := range c.Images {
		var err error
		if images[i], err = imageio.Read(path); err != nil {
			return CaseScore{}, err
		}
	}
	truth, err := imageio.ReadLabel(c.Label)
	if err != nil {
		return CaseScore{}, err
	}
	prepared, err := p.Prepare(images...)
	if err != nil {
		return CaseScore{}, err
	}
	return p.Score(ctx, c.ID, prepared, truth, e)
}

// Score predicts from a prepared image and compares the result with the truth, which lies on the scan's
// own grid. Training calls it for validation, with scans that it prepared once.
func (p *Predictor) Score(ctx context.Context, id string, in *Prepared, truth *imageio.Image, e Evaluation) (CaseScore, error) {
	start := time.Now()
	if err := p.checkTruth(in, truth); err != nil {
		return CaseScore{}, err
	}
	out, err := p.PredictPrepared(ctx, in, Request{Mirror: e.Mirror})
	if err != nil {
		return CaseScore{}, err
	}
	labels, err := metric.Compare(out.Labels, truth, p.spec.Foreground(), e.Surfaces)
	if err != nil {
		return CaseScore{}, err
	}
	return CaseScore{ID: id, Labels: labels, Seconds: time.Since(start).Seconds()}, nil
}

// checkTruth reports a label image on another grid or with values that the Spec does not name.
func (p *Predictor) checkTruth(in *Prepared, truth *imageio.Image) error {
	if truth.Grid.Size != in.Scan.Grid.Size {
		return &ImageError{What: fmt.Sprintf("label image has %v voxels, scan %v", truth.Grid.Size, in.Scan.Grid.Size)}
	}
	known := map[float32]bool{0: true}
	for _, l := range p.spec.Labels {
		known[float32(l.Value)] = true
	}
	last := float32(0)
	for _, v := range truth.Data {
		if v == last {
			continue
		}
		if last = v; !known[v] {
			return &ImageError{What: fmt.Sprintf("label image has the value %g, which the Spec does not name", v)}
		}
	}
	return nil
}

// mean averages what is a finite number; NaN where nothing is.
func mean(scores []metric.Score, of func(metric.Score) metric.Number) float64 {
	sum, n := 0.0, 0
	for _, s := range scores {
		if v := float64(of(s)); finite(v) {
			sum += v
			n++
		}
	}
	if n == 0 {
		return math.NaN()
	}
	return sum / float64(n)
}
