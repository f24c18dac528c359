package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/nitrain/nitrain/predict/server/internal/oip"
)

// The states of a job.
const (
	jobQueued    = "queued"
	jobRunning   = "running"
	jobDone      = "done"
	jobFailed    = "failed"
	jobCancelled = "cancelled"
)

// jobView is what a client sees of a job.
type jobView struct {
	ID       string    `json:"id"`
	State    string    `json:"state"`
	Model    string    `json:"model"`
	Position int       `json:"position,omitempty"` // jobs that are before it in the queue, and itself
	Stage    string    `json:"stage,omitempty"`    // read, prepare, window, explain, write
	Done     int       `json:"done,omitempty"`
	Total    int       `json:"total,omitempty"`
	Error    string    `json:"error,omitempty"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero"`
	Result   *result   `json:"result,omitempty"`
}

// job is a scan that is worked on while nobody waits.
type job struct {
	files  *caseFolder
	cancel context.CancelFunc

	mu      sync.Mutex
	view    jobView
	changed chan struct{} // closed and replaced at every change
}

// change changes what is seen of a job and wakes who looks.
func (j *job) change(f func(v *jobView)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f(&j.view)
	close(j.changed)
	j.changed = make(chan struct{})
}

// look returns the job as it is, and a channel that closes when it changes.
func (j *job) look() (jobView, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.view, j.changed
}

func ended(state string) bool { return state == jobDone || state == jobFailed || state == jobCancelled }

// jobList is the jobs of a server in the order of their creation.
type jobList struct {
	most int
	keep time.Duration

	mu     sync.Mutex
	jobs   []*job
	closed bool
	work   sync.WaitGroup
}

func newJobList(most int, keep time.Duration) *jobList { return &jobList{most: most, keep: keep} }

// add adds a job; where the list is full the oldest that has ended makes room.
func (l *jobList) add(j *job) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return oip.Faultf(http.StatusServiceUnavailable, "the server is shutting down")
	}
	if len(l.jobs) >= l.most {
		at := slices.IndexFunc(l.jobs, func(o *job) bool { v, _ := o.look(); return ended(v.State) })
		if at < 0 {
			return &oip.Fault{Status: http.StatusTooManyRequests, Text: fmt.Sprintf("%d jobs wait or run already", len(l.jobs)), Retry: 10 * time.Second}
		}
		l.jobs[at].files.remove()
		l.jobs = slices.Delete(l.jobs, at, at+1)
	}
	l.jobs = append(l.jobs, j)
	l.work.Add(1)
	return nil
}

func (l *jobList) find(id string) (*job, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, j := range l.jobs {
		if j.view.ID == id { // never changes
			return j, nil
		}
	}
	return nil, oip.Faultf(http.StatusNotFound, "there is no such job (any more)")
}

// see returns a job as a client sees it, with its place in the queue.
func (l *jobList) see(j *job) (jobView, <-chan struct{}) {
	v, changed := j.look()
	if v.State != jobQueued {
		return v, changed
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.jobs {
		if state, _ := o.look(); state.State == jobQueued {
			v.Position++
		}
		if o == j {
			break
		}
	}
	return v, changed
}

// drop cancels a job and removes its files.
func (l *jobList) drop(j *job) {
	j.cancel()
	l.mu.Lock()
	l.jobs = slices.DeleteFunc(l.jobs, func(o *job) bool { return o == j })
	l.mu.Unlock()
	j.files.remove()
}

// close cancels all jobs and waits for them.
func (l *jobList) close() {
	l.mu.Lock()
	l.closed = true
	jobs := slices.Clone(l.jobs)
	l.mu.Unlock()
	for _, j := range jobs {
		l.drop(j)
	}
	l.work.Wait()
}

// accept makes a job of a request and answers with it.
func (h *Handler) accept(x *exchange, v *volumeRequest, m *served, c *caseFolder) error {
	ctx, cancel := context.WithTimeout(context.Background(), h.limits.JobTime)
	j := &job{files: c, cancel: cancel, changed: make(chan struct{}), view: jobView{
		ID: rand.Text(), State: jobQueued, Model: m.name, Created: time.Now().UTC().Truncate(time.Millisecond),
	}}
	if err := h.jobs.add(j); err != nil {
		cancel()
		c.remove()
		h.release(m)
		return err
	}
	go h.runJob(ctx, j, v, m)
	view, _ := h.jobs.see(j)
	x.Header().Set("Location", "/api/v1/jobs/"+view.ID)
	x.reply(http.StatusAccepted, view)
	return nil
}

// runJob runs one job to its end.
func (h *Handler) runJob(ctx context.Context, j *job, v *volumeRequest, m *served) {
	defer h.jobs.work.Done()
	defer j.cancel()
	defer h.release(m)
	res, err := h.computeSafely(ctx, v, m, j)
	state, text := jobDone, ""
	if err != nil {
		state, text = jobFailed, faultOf(err).Text
		if errors.Is(ctx.Err(), context.Canceled) {
			state, text = jobCancelled, ""
		}
		res = nil
	}
	j.change(func(view *jobView) {
		view.State, view.Error, view.Result = state, text, res
		view.Stage, view.Done, view.Total = "", 0, 0
		view.Expires = time.Now().Add(h.limits.Keep).UTC().Truncate(time.Second)
	})
	h.meters.jobs.Add(1, state)
	h.log.Info("job", "id", j.view.ID, "model", m.name, "state", state, "samples", v.samples)
	if state == jobCancelled {
		j.files.remove() // what was written after the job was dropped
		return
	}
	time.AfterFunc(h.limits.Keep, func() { h.jobs.drop(j) })
}

// computeSafely turns a panic into the failure of this one job.
func (h *Handler) computeSafely(ctx context.Context, v *volumeRequest, m *served, j *job) (res *result, err error) {
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("panic", "job", j.view.ID, "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			err = oip.Faultf(http.StatusInternalServerError, "internal error")
		}
	}()
	return h.compute(ctx, v, m, j.files, func(stage string, done, total int) {
		j.change(func(view *jobView) {
			view.State, view.Stage, view.Done, view.Total = jobRunning, stage, done, total
		})
	})
}

func (h *Handler) createJob(x *exchange, r *http.Request) error {
	v, m, c, err := h.upload(x, r)
	if err != nil {
		return err
	}
	return h.accept(x, v, m, c)
}

func (h *Handler) listJobs(x *exchange, _ *http.Request) error {
	h.jobs.mu.Lock()
	jobs := slices.Clone(h.jobs.jobs)
	h.jobs.mu.Unlock()
	views := []jobView{}
	for _, j := range jobs {
		v, _ := h.jobs.see(j)
		views = append(views, v)
	}
	x.reply(http.StatusOK, views)
	return nil
}

func (h *Handler) getJob(x *exchange, r *http.Request) error {
	j, err := h.jobs.find(r.PathValue("job"))
	if err != nil {
		return err
	}
	v, _ := h.jobs.see(j)
	x.model = v.Model
	x.reply(http.StatusOK, v)
	return nil
}

func (h *Handler) deleteJob(x *exchange, r *http.Request) error {
	j, err := h.jobs.find(r.PathValue("job"))
	if err != nil {
		return err
	}
	h.jobs.drop(j)
	x.WriteHeader(http.StatusNoContent)
	return nil
}

// jobResult sends one of the images of a job that is done.
func (h *Handler) jobResult(x *exchange, r *http.Request) error {
	j, err := h.jobs.find(r.PathValue("job"))
	if err != nil {
		return err
	}
	v, _ := j.look()
	switch {
	case !ended(v.State):
		return oip.Faultf(http.StatusConflict, "the job is %s", v.State)
	case v.Result == nil || !slices.Contains(v.Result.Files, r.PathValue("file")):
		return oip.Faultf(http.StatusNotFound, "the job has no such result")
	}
	return j.files.send(x, r, r.PathValue("file"))
}

// jobEvents sends every change of a job as a server-sent event until it has ended. The event's name is the
// job's state, its data the job.
func (h *Handler) jobEvents(x *exchange, r *http.Request) error {
	j, err := h.jobs.find(r.PathValue("job"))
	if err != nil {
		return err
	}
	control := http.NewResponseController(x.ResponseWriter)
	_ = control.SetWriteDeadline(time.Time{})
	x.Header().Set("Content-Type", "text/event-stream")
	x.Header().Set("X-Accel-Buffering", "no")
	x.WriteHeader(http.StatusOK)
	alive := time.NewTicker(10 * time.Second) // keeps proxies from closing, and the place in the queue fresh
	defer alive.Stop()
	for {
		v, changed := h.jobs.see(j)
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(x, "event: %s\ndata: %s\n\n", v.State, text); err != nil {
			return err
		}
		if err := control.Flush(); err != nil {
			return err
		}
		if ended(v.State) {
			return nil
		}
		select {
		case <-changed:
		case <-alive.C:
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}
}
