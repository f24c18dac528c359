package cpu

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nitrain/nitrain/convert/internal/engine/kernel"
)

// profile gathers what steps take, where it is on.
type profile struct {
	on      atomic.Bool
	mu      sync.Mutex
	start   time.Time
	threads int
	events  []event
}

// event is one complete event of the Trace Event Format, which chrome://tracing and Perfetto open. Times are microseconds.
type event struct {
	Name     string         `json:"name"`
	Category string         `json:"cat"`
	Phase    string         `json:"ph"`
	Start    float64        `json:"ts"`
	Duration float64        `json:"dur"`
	Process  int            `json:"pid"`
	Thread   int            `json:"tid"`
	Args     map[string]any `json:"args,omitempty"`
}

// most is how many events are kept: about 200 MB of JSON.
const most = 1_000_000

// Profile starts, anew, or ends the record of what each step takes.
func (b *Backend) Profile(on bool) {
	p := &b.profile
	p.mu.Lock()
	defer p.mu.Unlock()
	if on {
		p.events, p.start, p.threads = nil, time.Now(), b.options.Threads
	}
	p.on.Store(on)
}

// step records a step that has just ended.
func (p *profile) step(s *step, start time.Time) {
	took := time.Since(start)
	args := map[string]any{"bytes": s.bytes(), "threads": p.threads}
	category := "fallback"
	if s.op != nil {
		category = "kernel"
		if n := s.op.Flops(); n > 0 {
			args["flops"] = n
			args["GFLOP/s"] = float64(n) / max(took.Seconds(), 1e-9) / 1e9
		}
	} else {
		args["threads"] = 1
	}
	if s.Again {
		args["again"] = true
	}
	args["shape"] = fmt.Sprint(outputs(s.Node))
	if m, ok := s.op.(*kernel.Map); ok {
		args["program"] = fmt.Sprintf("%d arrays, %d instructions over %v", len(m.Loads), len(m.Code), m.Dims)
	}
	p.add(s.label, category, start, took, args)
}

// graph records a run that has just ended.
func (p *profile) graph(name string, start time.Time) {
	if p.on.Load() {
		p.add(name, "graph", start, time.Since(start), nil)
	}
}

func (p *profile) add(name, category string, start time.Time, took time.Duration, args map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.events) >= most {
		return
	}
	at := float64(start.Sub(p.start).Nanoseconds()) / 1e3
	p.events = append(p.events, event{name, category, "X", at, float64(took.Nanoseconds()) / 1e3, 1, 1, args})
}

// WriteProfile writes what Profile has recorded, in the Trace Event Format.
func (b *Backend) WriteProfile(w io.Writer) error {
	b.profile.mu.Lock()
	defer b.profile.mu.Unlock()
	trace := struct {
		Events []event `json:"traceEvents"`
		Unit   string  `json:"displayTimeUnit"`
	}{b.profile.events, "ms"}
	if trace.Events == nil {
		trace.Events = []event{}
	}
	if err := json.NewEncoder(w).Encode(trace); err != nil {
		return fmt.Errorf("cpu: profile: %w", err)
	}
	return nil
}
