package evaluation

import (
	"errors"
	"fmt"

	"github.com/nitrain/nitrain/imageio/metric"
	"github.com/nitrain/nitrain/predict"
)

// Report is the result of an evaluation. Its JSON form has null where a number does not exist.
type Report struct {
	Task  predict.Task `json:"task"`
	About About        `json:"about"`
	Cases []Case       `json:"cases"`
	Summary
	Groups []Group   `json:"groups,omitempty"` // where the list has a column group
	Failed []Failure `json:"failed,omitempty"`

	o      Options
	pick   predict.Pick
	labels []predict.Label
	worst  []Picture
}

// Group is a part of the cases.
type Group struct {
	Name  string `json:"name"`
	Cases int    `json:"cases"`
	Summary
}

// Failure is a case that could not be judged.
type Failure struct {
	ID    string `json:"id"`
	Error string `json:"error"`
	err   error
}

// About says what was judged, by what and how.
type About struct {
	Model       string            `json:"model,omitempty"`
	ModelDigest string            `json:"model_sha256,omitempty"`
	Data        string            `json:"data,omitempty"`
	DataDigest  string            `json:"data_sha256,omitempty"` // of the list: see dataset.Digest
	Versions    map[string]string `json:"versions,omitempty"`
	Surfaces    bool              `json:"surfaces,omitempty"`
	Empty       metric.Empty      `json:"empty,omitempty"`
	Ignore      *int              `json:"ignore,omitempty"`
	Resamples   int               `json:"resamples,omitempty"`
	Confidence  float64           `json:"confidence,omitempty"`
	Interval    metric.Method     `json:"interval,omitempty"`
	Seed        uint64            `json:"seed"`
}

// NewReport sums up cases of a segmentation that were scored elsewhere. Every case has a score for each of
// the labels but background, in their order.
func NewReport(labels []predict.Label, cases []Case, o Options) (*Report, error) {
	r := &Report{Task: predict.Segmentation, Cases: cases, o: o, labels: labels}
	return r, r.summarize()
}

func (r *Report) summarize() error {
	if r.Cases == nil {
		r.Cases = []Case{}
	}
	r.About.Surfaces, r.About.Ignore = r.o.Surfaces, r.o.Ignore
	if r.Task == predict.Segmentation {
		r.About.Empty = r.o.Empty
	}
	if b := r.o.Interval; b.Resamples > 0 {
		r.About.Resamples, r.About.Interval, r.About.Confidence, r.About.Seed = b.Resamples, b.Method, b.Confidence, b.Seed
	}
	var err error
	if r.Summary, err = summarize(r.Task, r.pick, r.labels, r.Cases, r.o); err != nil {
		return err
	}
	r.Groups, err = groups(r.Task, r.pick, r.labels, r.Cases, r.o)
	return err
}

// Err returns what stands for the cases that failed; nil where none did.
func (r *Report) Err() error {
	if len(r.Failed) == 0 {
		return nil
	}
	if len(r.Failed) == 1 && len(r.Cases) == 0 {
		return r.Failed[0].err
	}
	return fmt.Errorf("%d of %d cases failed; the first: %w", len(r.Failed), len(r.Failed)+len(r.Cases), r.Failed[0].err)
}

// errTask is an output that a task does not have.
func errTask(what string, want, got predict.Task) error {
	return errors.New(what + ": want the task " + string(want) + ", got " + string(got))
}
