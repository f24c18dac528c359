package server

import (
	"runtime"
	"strconv"
	"time"

	"github.com/nitrain/nitrain/internal/proc"
	"github.com/nitrain/nitrain/predict/server/internal/metrics"
)

// meters are what the server measures of itself.
type meters struct {
	registry   *metrics.Registry
	requests   *metrics.Counter
	durations  *metrics.Histogram
	inferences *metrics.Counter
	computing  *metrics.Histogram
	queueing   *metrics.Histogram
	jobs       *metrics.Counter
}

func newMeters(h *Handler) *meters {
	r := &metrics.Registry{}
	seconds := []float64{0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000}
	m := &meters{
		registry:   r,
		requests:   r.Counter("nitrain_requests_total", "Requests by route and status.", "route", "code"),
		durations:  r.Histogram("nitrain_request_seconds", "Time from request to answer.", seconds, "route"),
		inferences: r.Counter("nitrain_inferences_total", "Runs of a model on tensors or on a scan.", "model", "outcome"),
		computing:  r.Histogram("nitrain_compute_seconds", "Time that a model ran.", seconds, "model"),
		queueing:   r.Histogram("nitrain_queue_seconds", "Time that a run waited for its turn.", seconds, "model"),
		jobs:       r.Counter("nitrain_jobs_total", "Jobs by how they ended.", "outcome"),
	}
	gauge := func(name, help string, read func() float64) {
		r.Gauge("gauge", name, help, nil, func(emit func(float64, ...string)) { emit(read()) })
	}
	gauge("nitrain_running", "Runs of models that go on now.", func() float64 { return float64(len(h.gate.slots)) })
	gauge("nitrain_waiting", "Runs that wait for their turn.", func() float64 { return float64(h.gate.waiting.Load()) })
	gauge("nitrain_body_bytes", "Bytes of tensor bodies held now.", func() float64 { return float64(h.memory.used.Load()) })
	gauge("nitrain_disk_bytes", "Bytes of uploads and results held now.", func() float64 { return float64(h.work.disk.used.Load()) })
	r.Gauge("gauge", "nitrain_model_ready", "Whether a model is loaded.", []string{"model"}, func(emit func(float64, ...string)) {
		for _, e := range h.models.list() {
			ready := 0.0
			if e.State == stateReady {
				ready = 1
			}
			emit(ready, e.Name)
		}
	})
	gauge("go_goroutines", "Goroutines that exist now.", func() float64 { return float64(runtime.NumGoroutine()) })
	gauge("process_resident_memory_bytes", "Memory of the process that is in use.", residentBytes)
	return m
}

func (m *meters) request(route string, status int, took time.Duration) {
	m.requests.Add(1, route, strconv.Itoa(status))
	m.durations.Observe(took.Seconds(), route)
}

func (m *meters) inference(model string, used spent, err error) {
	if err != nil {
		m.inferences.Add(1, model, "failed")
		return
	}
	m.inferences.Add(1, model, "done")
	m.computing.Observe(used.compute.Seconds(), model)
	m.queueing.Observe(used.queue.Seconds(), model)
}

// residentBytes reads the resident set from /proc; elsewhere it is what Go has taken from the system.
func residentBytes() float64 {
	if n := proc.Resident(); n > 0 {
		return float64(n)
	}
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return float64(s.Sys)
}
