// Package batch runs a model over many scans: it finds them, keeps reading, computing and writing going at once, keeps the
// results of finished scans when others fail or the run is stopped, and goes on from there.
package batch

import (
	"context"
	"time"

	"github.com/nitrain/nitrain/predict"
)

// Job is one scan to predict.
type Job struct {
	// ID names the scan in tables and, below a folder, its results: "sub-01/T1w". Unique within a run.
	ID string
	// Images are the files, or DICOM series, that make up the scan's channels in order; at least one.
	Images []string
	// Output is the file of the result; its name says the format. "" writes no image.
	Output string
}

// Options say what is wanted of a run. The zero value writes labels and keeps no record.
type Options struct {
	// Request is what is wanted of each scan; its Progress is the run's own.
	Request predict.Request
	// Memory limits what the run takes, in bytes; 0: the default of prediction. Reading and writing beside the
	// computation get a quarter of it at most.
	Memory int64
	// Statistics asks for figures of every label in every scan.
	Statistics bool
	// Record is a file that says what is finished and lets a later run go on, usually [RecordName] in the folder of
	// the results; "" keeps none.
	Record string
	// Resume leaves out the jobs that the record has, if their scan, the model, the wishes and the results are what
	// they were.
	Resume bool
	// Models are the model's files (the ensemble's too): the record tells models apart by their content.
	Models []string
	// Version of the program, for the record and for DICOM segmentations.
	Version string
	// Events is told what happens, by one goroutine at a time; nil tells nobody.
	Events func(Event)
}

// Kind says what an [Event] tells.
type Kind string

// What events tell.
const (
	Windows  Kind = "windows"  // the model ran once more
	Finished Kind = "finished" // a scan's results are written
	Resumed  Kind = "resumed"  // a scan's results were there
	Failed   Kind = "failed"   // a scan has no results
)

// Event is a step of a run. Finished, Resumed and Failed come once for each job, in the order of the jobs.
type Event struct {
	Kind        Kind
	Job         Job
	Case, Cases int           // which job, from 1, of how many
	Done, Total int           // runs of the model for this scan (Windows)
	Left        time.Duration // expected until the end of the run; 0 while unknown
	Result      *Result       // Finished, Resumed, Failed
}

// Result is what a run says about one scan.
type Result struct {
	ID            string                     `json:"id"`
	Scan          string                     `json:"scan"` // the files, joined by commas
	Output        string                     `json:"output,omitempty"`
	Probabilities string                     `json:"probabilities,omitempty"`
	Entropy       string                     `json:"entropy,omitempty"`
	Variance      string                     `json:"variance,omitempty"`
	Seconds       float64                    `json:"seconds"` // reading, computing and writing
	Volumes       []predict.Volume           `json:"volumes,omitempty"`
	Statistics    []LabelStatistics          `json:"statistics,omitempty"`
	Classes       []predict.ClassProbability `json:"classes,omitempty"`
	Values        []predict.Value            `json:"values,omitempty"`
	Resumed       bool                       `json:"resumed,omitempty"` // an earlier run computed it
	Error         string                     `json:"error,omitempty"`
	Hint          string                     `json:"hint,omitempty"`
}

// Report has a result for each job of a run, in their order.
type Report struct {
	Results []Result
}

// Run predicts every job and writes its results, each whole or not at all. While one scan computes, the next is read and
// prepared and the last is written, as far as Options.Memory has room for that. The report has results and errors in the
// order of the jobs.
//
// A scan that fails does not stop the others: their failures come as one *[FailedError] beside the report. What would fail for
// every scan, such as a full disk, ends the run at once. When ctx ends, the run stops within one run of the
// model, finished scans are kept, and the error is ctx's.
func Run(ctx context.Context, p *predict.Predictor, jobs []Job, o Options) (*Report, error) {
	r, err := begin(ctx, p, jobs, o)
	if err != nil {
		return nil, err
	}
	err = r.all(ctx)
	if closed := r.record.close(); err == nil {
		err = closed
	}
	report := &Report{Results: r.results}
	if err == nil {
		err = r.failed()
	}
	return report, err
}
