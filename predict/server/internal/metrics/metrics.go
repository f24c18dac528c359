// Package metrics counts things and writes them in the text format of Prometheus, version 0.0.4:
// https://prometheus.io/docs/instrumenting/exposition_formats/.
package metrics

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ContentType is the format's.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Registry holds families of measurements. It may be shared by goroutines.
type Registry struct {
	mu       sync.Mutex
	families []*family
}

type family struct {
	name, help, kind string
	labels           []string
	buckets          []float64
	series           map[string]*series
	read             func(emit func(value float64, labels ...string)) // of a gauge that is asked when it is written
	mu               *sync.Mutex
}

type series struct {
	labels []string
	value  float64
	counts []uint64 // of a histogram, by bucket; the last is +Inf
	count  uint64
}

// Counter is a number that only grows, for each combination of labels.
type Counter struct{ f *family }

// Histogram counts durations by size.
type Histogram struct{ f *family }

func (r *Registry) add(f *family) *family {
	f.mu, f.series = &r.mu, map[string]*series{}
	r.families = append(r.families, f)
	return f
}

// Counter adds a counter, whose name ends in _total.
func (r *Registry) Counter(name, help string, labels ...string) *Counter {
	return &Counter{r.add(&family{name: name, help: help, kind: "counter", labels: labels})}
}

// Histogram adds a histogram of seconds with these upper bounds.
func (r *Registry) Histogram(name, help string, buckets []float64, labels ...string) *Histogram {
	return &Histogram{r.add(&family{name: name, help: help, kind: "histogram", labels: labels, buckets: buckets})}
}

// Gauge adds numbers that are read when they are asked for; kind is gauge, or counter for one that only grows.
func (r *Registry) Gauge(kind, name, help string, labels []string, read func(emit func(value float64, labels ...string))) {
	r.add(&family{name: name, help: help, kind: kind, labels: labels, read: read})
}

func (f *family) at(labels []string) *series {
	key := strings.Join(labels, "\xff")
	s := f.series[key]
	if s == nil {
		s = &series{labels: slices.Clone(labels), counts: make([]uint64, len(f.buckets)+1)}
		f.series[key] = s
	}
	return s
}

// Add adds to the counter of those labels.
func (c *Counter) Add(v float64, labels ...string) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	c.f.at(labels).value += v
}

// Observe counts one duration in seconds.
func (h *Histogram) Observe(v float64, labels ...string) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	s := h.f.at(labels)
	at, _ := slices.BinarySearch(h.f.buckets, v)
	s.counts[at]++
	s.count++
	s.value += v
}

// WriteTo writes all families.
func (r *Registry) WriteTo(w io.Writer) (int64, error) {
	var b bytes.Buffer
	for _, f := range r.families {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", f.name, f.help, f.name, f.kind)
		if f.read != nil {
			f.read(func(value float64, labels ...string) { f.line(&b, "", labels, "", value) })
			continue
		}
		r.mu.Lock()
		f.write(&b)
		r.mu.Unlock()
	}
	return b.WriteTo(w)
}

func (f *family) write(b *bytes.Buffer) {
	keys := make([]string, 0, len(f.series))
	for k := range f.series {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		s := f.series[k]
		if f.kind != "histogram" {
			f.line(b, "", s.labels, "", s.value)
			continue
		}
		sum := uint64(0)
		for i, n := range s.counts {
			sum += n
			bound := "+Inf"
			if i < len(f.buckets) {
				bound = number(f.buckets[i])
			}
			f.line(b, "_bucket", s.labels, bound, float64(sum))
		}
		f.line(b, "_sum", s.labels, "", s.value)
		f.line(b, "_count", s.labels, "", float64(s.count))
	}
}

func (f *family) line(b *bytes.Buffer, suffix string, labels []string, bound string, value float64) {
	b.WriteString(f.name + suffix)
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	var pairs []string
	for i, name := range f.labels {
		pairs = append(pairs, name+`="`+escape.Replace(labels[i])+`"`)
	}
	if bound != "" {
		pairs = append(pairs, `le="`+bound+`"`)
	}
	if len(pairs) > 0 {
		b.WriteString("{" + strings.Join(pairs, ",") + "}")
	}
	b.WriteString(" " + number(value) + "\n")
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
