package metrics_test

import (
	"strings"
	"testing"

	"github.com/nitrain/nitrain/predict/server/internal/metrics"
)

func TestText(t *testing.T) {
	r := &metrics.Registry{}
	c := r.Counter("a_total", "As.", "name")
	h := r.Histogram("b_seconds", "Bs.", []float64{0.1, 1})
	r.Gauge("gauge", "c", "Cs.", nil, func(emit func(float64, ...string)) { emit(2.5) })
	c.Add(1, "x\"\\\n")
	c.Add(2, "x\"\\\n")
	c.Add(1, "a")
	for _, v := range []float64{0.1, 0.5, 7} {
		h.Observe(v)
	}
	var b strings.Builder
	if _, err := r.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	const want = `# HELP a_total As.
# TYPE a_total counter
a_total{name="a"} 1
a_total{name="x\"\\\n"} 3
# HELP b_seconds Bs.
# TYPE b_seconds histogram
b_seconds_bucket{le="0.1"} 1
b_seconds_bucket{le="1"} 2
b_seconds_bucket{le="+Inf"} 3
b_seconds_sum 7.6
b_seconds_count 3
# HELP c Cs.
# TYPE c gauge
c 2.5
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
