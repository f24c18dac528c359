// Package evaluation judges predictions against the truth: per case, per label, per group, with bootstrap
// intervals over cases, as tables, as nnU-Net's summary.json and as a page with the worst cases' pictures.
//
// What is compared depends on the task: label images of a segmentation, classes, numbers of a regression,
// or images. The predictions come from a model ([OfModel]) or from finished files ([OfFiles]). A case that
// fails is reported and does not stop the others.
package evaluation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/imageio/metric"
	"github.com/nitrain/nitrain/predict"
)

// Options say how cases are judged. The zero value measures overlaps and volumes, without intervals.
type Options struct {
	Surfaces bool // surface distances and surface Dice
	// Tolerance of surface Dice in mm for labels that are named in none of the other two.
	Tolerance       float64
	Tolerances      map[int]float64    // by value
	NamedTolerances map[string]float64 // by name
	Empty           metric.Empty
	Ignore          *int // voxels whose truth has this value do not count
	// Range is the distance between the largest and smallest possible intensity of an image task; 0: of each
	// true image.
	Range    float64
	Interval metric.Bootstrap
	Pictures int // how many of the worst cases are drawn
	Mirror   bool
	// Progress is called after each case.
	Progress func(Progress)
}

// Progress is how far an evaluation has come.
type Progress struct {
	Done, Total int
	ID          string
	Score       float64 // of the last case, see [Case.Score]
	Err         error   // why it failed; nil
}

// Evaluation compares what a source says about cases with the truth.
type Evaluation struct {
	task   predict.Task
	pick   predict.Pick
	labels []predict.Label // nil: what occurs
	strict bool            // a truth may hold no other values
	source source
	o      Options
}

// source makes the prediction of a case.
type source func(ctx context.Context, c dataset.Case) (*answer, error)

// answer is a prediction and what it was made from.
type answer struct {
	*predict.Prediction
	scan *imageio.Image // nil where there is none or where it has not been read
	file string         // of the prediction; "" where it was never written
}

// OfModel judges a model.
func OfModel(p *predict.Predictor, o Options) *Evaluation {
	spec := p.Spec()
	return &Evaluation{task: spec.Task, pick: spec.Decode.Pick, labels: spec.Labels, strict: true, o: o, source: func(ctx context.Context, c dataset.Case) (*answer, error) {
		var images []*imageio.Image
		for _, path := range c.Images {
			im, err := imageio.Read(path)
			if err != nil {
				return nil, err
			}
			images = append(images, im)
		}
		prepared, err := p.Prepare(images...)
		if err != nil {
			return nil, err
		}
		out, err := p.PredictPrepared(ctx, prepared, predict.Request{Mirror: o.Mirror})
		if err != nil {
			return nil, err
		}
		return &answer{Prediction: out, scan: images[0]}, nil
	}}
}

// OfFiles judges finished segmentations: files has the path of each case's by its ID. Labels may be nil:
// then every value that occurs is a label. Values that given labels do not name are background.
func OfFiles(files map[string]string, labels []predict.Label, o Options) *Evaluation {
	return &Evaluation{task: predict.Segmentation, labels: labels, o: o, source: func(_ context.Context, c dataset.Case) (*answer, error) {
		path, ok := files[c.ID]
		if !ok {
			return nil, &predict.ImageError{What: "has no prediction"}
		}
		im, err := imageio.ReadLabel(path)
		if err != nil {
			return nil, err
		}
		return &answer{Prediction: &predict.Prediction{Labels: im}, file: path}, nil
	}}
}

// Unnamed returns the names that have a tolerance and that no label has, where the labels are known.
func (e *Evaluation) Unnamed() []string {
	var names []string
	for name := range e.o.NamedTolerances {
		if e.labels != nil && !slices.ContainsFunc(e.labels, func(l predict.Label) bool { return l.Name == name }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Run judges every case. The error is that of ctx, of a model that contradicts its Spec, or of a list in
// which no case has a truth; what is wrong with single cases is in the report.
func (e *Evaluation) Run(ctx context.Context, cases []dataset.Case) (*Report, error) {
	if err := e.truths(cases); err != nil {
		return nil, err
	}
	r := &Report{Task: e.task, pick: e.pick, o: e.o}
	worst := &gallery{most: e.o.Pictures}
	for i, c := range cases {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		result, err := e.judge(ctx, c, worst)
		var mismatch *predict.MismatchError
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.As(err, &mismatch):
			return nil, err
		case err != nil:
			err = fmt.Errorf("%s: %w", c.ID, err)
			r.Failed = append(r.Failed, Failure{ID: c.ID, Error: err.Error(), err: err})
		default:
			r.Cases = append(r.Cases, *result)
		}
		if e.o.Progress != nil {
			p := Progress{Done: i + 1, Total: len(cases), ID: c.ID, Err: err}
			if err == nil {
				p.Score = result.Score()
			}
			e.o.Progress(p)
		}
	}
	if e.labels == nil && e.task == predict.Segmentation {
		e.labels = occurring(r.Cases)
		e.fillAbsent(r.Cases)
	}
	r.labels, r.worst = e.labels, worst.pictures
	return r, r.summarize()
}

// truths refuses a list in which nothing says what is true.
func (e *Evaluation) truths(cases []dataset.Case) error {
	if slices.ContainsFunc(cases, e.hasTruth) {
		return nil
	}
	return &predict.ImageError{What: fmt.Sprintf("none of %d cases has a label", len(cases)), Help: wanted(e.task)}
}

// judge predicts one case and compares.
func (e *Evaluation) judge(ctx context.Context, c dataset.Case, worst *gallery) (*Case, error) {
	if !e.hasTruth(c) {
		return nil, &predict.ImageError{What: "has no label", Help: wanted(e.task)}
	}
	start := time.Now()
	truth := e.readTruth(c)
	out, err := e.source(ctx, c)
	if err != nil {
		return nil, err
	}
	result := &Case{ID: c.ID, Group: c.Group, Prediction: out.file, Seconds: time.Since(start).Seconds()}
	switch e.task {
	case predict.Classification:
		err = e.judgeClasses(result, c, out)
	case predict.Regression:
		err = e.judgeNumbers(result, c, out)
	case predict.ImageToImage:
		err = e.judgeImage(result, c, out, truth, worst)
	default:
		err = e.judgeLabels(result, c, out, truth, worst)
	}
	if err != nil {
		return nil, err
	}
	if e.task == predict.Classification || e.task == predict.Regression {
		err = worst.scan(result, out.scan)
	}
	return result, err
}
