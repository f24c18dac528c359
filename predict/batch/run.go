package batch

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/predict"
)

// run is one call of [Run].
type run struct {
	p        *predict.Predictor
	jobs     []Job
	o        Options
	record   *record
	results  []Result
	done     []bool // by an earlier run
	failures []Failure
	clock    clock
	telling  sync.Mutex
}

// loaded is a scan that has been read and prepared, or why it could not be.
type loaded struct {
	seen     []looked
	images   []*imageio.Image // for statistics; nil where nobody asks, or where they are read again
	prepared *predict.Prepared
	seconds  float64
	err      error
}

// begin checks what can be checked before any scan is read and finds out what an earlier run has done.
func begin(ctx context.Context, p *predict.Predictor, jobs []Job, o Options) (*run, error) {
	r := &run{p: p, jobs: jobs, o: o, results: make([]Result, len(jobs)), done: make([]bool, len(jobs))}
	ids := map[string]bool{}
	for _, j := range jobs {
		if len(j.Images) == 0 || ids[j.ID] {
			return nil, fmt.Errorf("batch: job %q: want an ID of its own and images", j.ID)
		}
		ids[j.ID] = true
	}
	if len(jobs) == 0 {
		return r, nil
	}
	if err := r.places(); err != nil {
		return nil, err
	}
	if o.Record != "" {
		made, err := recipeOf(p.Spec(), o)
		if err != nil {
			return nil, err
		}
		if r.record, err = openRecord(o.Record, made, o.Resume); err != nil {
			return nil, err
		}
	}
	if o.Resume {
		sweep(jobs)
	}
	for i, j := range jobs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r.results[i], r.done[i] = r.record.finished(j)
		if !r.done[i] {
			r.results[i] = Result{ID: j.ID, Scan: j.scan()}
			r.clock.cases++
		}
	}
	return r, nil
}

// places tries the folders of the first result and of the record.
func (r *run) places() error {
	for _, path := range []string{r.jobs[0].Output, r.o.Record} {
		if path == "" {
			continue
		}
		if err := writable(filepath.Dir(path)); err != nil {
			return &WriteError{path, err}
		}
	}
	return nil
}

// all goes through the jobs in order: while one is computed, the next is read and the last is written.
func (r *run) all(ctx context.Context) error {
	r.clock.start()
	written := settled()
	var coming future[loaded]
	for i := range r.jobs {
		if r.done[i] {
			if err := written.wait(); err != nil {
				return err
			}
			r.tell(Event{Kind: Resumed, Result: &r.results[i]}, i)
			continue
		}
		if coming == nil {
			coming = r.load(ctx, i)
		}
		scan, err := coming.within(ctx)
		coming = nil
		if err != nil {
			return errors.Join(err, written.wait())
		}
		if next := r.after(i); next >= 0 && r.room(i, next) {
			coming = r.load(ctx, next)
		} else if err := written.wait(); err != nil {
			return err
		}
		got, seconds, err := r.compute(ctx, i, scan)
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), written.wait())
		}
		scan.prepared, scan.seconds = nil, seconds
		if stop := written.wait(); stop != nil {
			return stop
		}
		if err != nil {
			r.fail(i, err)
			written = settled()
			continue
		}
		written = begun(func() error { return r.keep(i, scan, got) })
		if coming == nil {
			if err := written.wait(); err != nil {
				return err
			}
			written = settled()
		}
	}
	return written.wait()
}

// after returns the next job that is not done, -1 at the end.
func (r *run) after(i int) int {
	for k := i + 1; k < len(r.jobs); k++ {
		if !r.done[k] {
			return k
		}
	}
	return -1
}

// load reads and prepares a scan in the background.
func (r *run) load(ctx context.Context, i int) future[loaded] {
	return inBackground(func() loaded {
		start := time.Now()
		var out loaded
		out.err = r.read(ctx, r.jobs[i], &out)
		out.seconds = time.Since(start).Seconds()
		return out
	})
}

func (r *run) read(ctx context.Context, j Job, out *loaded) error {
	if err := belongs(j); err != nil {
		return err
	}
	spec := r.p.Spec()
	images := make([]*imageio.Image, len(j.Images))
	for k, path := range j.Images {
		if err := ctx.Err(); err != nil {
			return err
		}
		source, files, err := look(path)
		if err != nil {
			return &InputError{path, err}
		}
		out.seen = append(out.seen, looked{source, files})
		read := imageio.Read
		if spec.Input.Cascade() && k == len(j.Images)-1 {
			read = imageio.ReadLabel // what an earlier stage found
		}
		if images[k], err = read(path); err != nil {
			return &InputError{path, err}
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.o.Statistics {
		out.images = slices.Clone(images)
		if spec.Input.Cascade() {
			out.images = out.images[:len(images)-1]
		}
	}
	var err error
	out.prepared, err = r.p.Prepare(images...)
	return err
}

// belongs refuses a DICOM segmentation of a scan that is no DICOM.
func belongs(j Job) error {
	scan, _, _ := strings.Cut(j.Images[0], "#")
	if !strings.EqualFold(ending(j.Output), ".dcm") || imageio.IsDICOM(j.Images[0]) || imageio.IsDICOM(scan) || !exists(scan) {
		return nil
	}
	return &InputError{j.Output, fmt.Errorf("a DICOM segmentation belongs to a DICOM scan, and %s is none: write .nii.gz", j.Images[0])}
}

// compute runs the model over a scan.
func (r *run) compute(ctx context.Context, i int, scan loaded) (*predict.Prediction, float64, error) {
	if scan.err != nil {
		return nil, 0, scan.err
	}
	start := time.Now()
	q := r.o.Request
	q.Progress = func(done, total int) {
		r.tell(Event{Kind: Windows, Done: done, Total: total, Left: r.clock.left(done, total)}, i)
	}
	got, err := r.p.PredictPrepared(ctx, scan.prepared, q)
	return got, scan.seconds + time.Since(start).Seconds(), err
}

// keep writes a scan's results and says so. An error ends the run.
func (r *run) keep(i int, scan loaded, got *predict.Prediction) error {
	start := time.Now()
	j, result := r.jobs[i], &r.results[i]
	result.Volumes, result.Classes, result.Values = got.Volumes(), got.Classes, got.Values
	if r.o.Statistics && got.Labels != nil {
		var err error
		if result.Statistics, err = Statistics(got.Spec, got.Labels, Maps{}, scan.images...); err != nil {
			r.fail(i, err)
			return nil
		}
	}
	files, err := save(r.images(j, got, result))
	result.Seconds = scan.seconds + time.Since(start).Seconds()
	if err == nil {
		if err = r.record.add(j, scan.seen, files, *result, r.o.Version); err != nil {
			err = &WriteError{r.o.Record, err}
		}
	}
	if err != nil {
		*result = Result{ID: j.ID, Scan: j.scan()}
		r.fail(i, err)
		if hopeless(err) {
			return err
		}
		return nil
	}
	r.clock.finished()
	r.tell(Event{Kind: Finished, Result: result}, i)
	return nil
}

// fail notes why a scan has no results.
func (r *run) fail(i int, err error) {
	j := r.jobs[i]
	r.failures = append(r.failures, Failure{j, &caseError{j.scan(), err}})
	r.results[i].Error, r.results[i].Hint = about(j.scan(), err), hint(err)
	r.clock.finished()
	r.tell(Event{Kind: Failed, Result: &r.results[i]}, i)
}

// failed returns the failures as one error.
func (r *run) failed() error {
	if len(r.failures) == 0 {
		return nil
	}
	return &FailedError{r.failures, len(r.jobs)}
}

func (r *run) tell(e Event, i int) {
	if r.o.Events == nil {
		return
	}
	r.telling.Lock()
	defer r.telling.Unlock()
	e.Job, e.Case, e.Cases = r.jobs[i], i+1, len(r.jobs)
	r.o.Events(e)
}
