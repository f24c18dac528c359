package server

import (
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/nitrain/nitrain/predict/server/internal/metrics"
	"github.com/nitrain/nitrain/predict/server/internal/oip"
)

// Options say what a [Handler] serves. Only Models is needed.
type Options struct {
	Models *Repository
	Limits Limits
	// Tokens, where there are some, are asked for by everything but health and the viewer's own files.
	Tokens *Tokens
	// Explain computes attributions; without one they are refused with status 501.
	Explain Explainer
	// Methods are those that Explain knows, for the viewer to offer.
	Methods []string
	// Hosts are the names (without port) that a request may be addressed to, which keeps web pages from
	// reaching a server without tokens through a name of their own; empty is any.
	Hosts []string
	// Folder holds uploads and results; it gets a private folder inside. Empty is the system's.
	Folder string
	// Version is what the server's metadata say.
	Version string
	// Log gets one line a request; nil logs nothing.
	Log *slog.Logger
}

// Limits bound what requests take. A zero is the default in brackets.
type Limits struct {
	Request    int64         // bytes of one body, decompressed (2 GiB)
	JSON       int64         // bytes of the JSON in it (256 MiB)
	Memory     int64         // bytes of all tensor bodies at once (twice Request)
	Disk       int64         // bytes of all uploads and results at once (32 GiB)
	Voxels     int64         // samples of one scan (512 Mi)
	SyncVoxels int64         // samples up to which predict answers at once; larger scans become jobs (16 Mi)
	Running    int           // runs of models at once (4)
	Waiting    int           // requests that wait for one (256)
	Jobs       int           // jobs that are kept, finished ones among them (64)
	Time       time.Duration // for one request that is answered at once (10 min)
	JobTime    time.Duration // for one job's run (2 h)
	Keep       time.Duration // of a finished job and its results (15 min)
}

func (l Limits) filled() Limits {
	for _, d := range []struct {
		field *int64
		value int64
	}{{&l.Request, 2 << 30}, {&l.JSON, 256 << 20}, {&l.Disk, 32 << 30}, {&l.Voxels, 512 << 20}, {&l.SyncVoxels, 16 << 20}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if l.Memory <= 0 {
		l.Memory = 2 * l.Request
	}
	for _, d := range []struct {
		field *int
		value int
	}{{&l.Running, 4}, {&l.Waiting, 256}, {&l.Jobs, 64}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&l.Time, 10 * time.Minute}, {&l.JobTime, 2 * time.Hour}, {&l.Keep, 15 * time.Minute}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	return l
}

// Handler answers HTTP requests; see docs/serving.md for the paths. It may be shared by goroutines. Close it
// when it serves no more.
type Handler struct {
	o        Options
	limits   Limits
	models   *Repository
	log      *slog.Logger
	gate     *gate
	memory   *budget
	work     *workFolder
	jobs     *jobList
	meters   *meters
	mux      *http.ServeMux
	scopes   map[string]scope // of each pattern
	foreign  *http.CrossOriginProtection
	draining atomic.Bool
}

// New returns a Handler.
func New(o Options) (*Handler, error) {
	if o.Models == nil {
		return nil, errors.New("server: want models, got none")
	}
	limits := o.Limits.filled()
	work, err := newWorkFolder(o.Folder, limits.Disk)
	if err != nil {
		return nil, err
	}
	h := &Handler{
		o: o, limits: limits, models: o.Models, log: o.Log, work: work,
		gate: newGate(limits.Running, limits.Waiting), memory: &budget{total: limits.Memory, what: "memory"},
		mux: http.NewServeMux(), scopes: map[string]scope{}, foreign: http.NewCrossOriginProtection(),
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	h.jobs = newJobList(limits.Jobs, limits.Keep)
	h.meters = newMeters(h)
	h.routes()
	return h, nil
}

// Metrics returns a handler of the measurements in the text format of Prometheus. It asks for no token: serve it on an
// address of its own.
func (h *Handler) Metrics() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", metrics.ContentType)
		_, _ = h.meters.registry.WriteTo(w) // a client that went away
	})
}

// Drain makes the server say that it is not ready, so that no new work is sent to it; it still answers.
func (h *Handler) Drain() { h.draining.Store(true) }

// Close cancels the jobs and removes every temporary file. The models stay open: they are the Repository's.
func (h *Handler) Close() error {
	h.Drain()
	h.jobs.close()
	return h.work.close()
}

// ready reports whether the server takes work.
func (h *Handler) ready() bool { return !h.draining.Load() && h.models.ready() }

// notReady is the fault of a server that drains, nil otherwise.
func (h *Handler) notReady() error {
	if h.draining.Load() {
		return oip.Faultf(http.StatusServiceUnavailable, "the server is shutting down")
	}
	return nil
}
