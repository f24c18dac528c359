package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"runtime"
	"strings"

	"github.com/nitrain/nitrain/internal/measure"
)

// row is what came out for one network.
type row struct {
	name                     string
	ours                     *contender
	step, memory, start, run *contender // PyTorch's best form in each respect
	apart                    float64    // the largest relative difference of the losses
	notes                    []string
}

// tolerance is how far the losses of the same training may lie apart, relative to the largest.
const tolerance = 1e-3

// compare finds PyTorch's best form in each respect and checks that the work was the same.
func compare(n network, all []*contender) (row, error) {
	r := row{name: n.Name, ours: all[0]}
	better := func(best **contender, c *contender, of func(*contender) float64) {
		if *best == nil || of(c) < of(*best) {
			*best = c
		}
	}
	for _, c := range all[1:] {
		if c.err != nil {
			r.notes = append(r.notes, c.form+" does not run")
			continue
		}
		better(&r.step, c, func(c *contender) float64 { return c.step })
		better(&r.run, c, func(c *contender) float64 { return c.infer })
		better(&r.start, c, func(c *contender) float64 { return c.start })
		better(&r.memory, c, func(c *contender) float64 { return float64(c.peak) })
		r.apart = max(r.apart, apart(r.ours.losses, c.losses))
	}
	if r.step == nil {
		return r, errors.New("no form of PyTorch runs")
	}
	if r.apart > tolerance {
		r.notes = append(r.notes, fmt.Sprintf("losses differ by %.1e", r.apart))
	}
	return r, nil
}

// apart compares the first losses, before rounding has grown.
func apart(a, b []float64) float64 {
	const first = 5
	worst, largest := 0.0, 0.0
	for i := range min(first, len(a), len(b)) {
		worst = max(worst, math.Abs(a[i]-b[i]))
		largest = max(largest, math.Abs(b[i]))
	}
	return worst / largest
}

func (r row) ratios() [4]float64 {
	return [4]float64{r.ours.step / r.step.step, float64(r.ours.peak) / float64(r.memory.peak), r.ours.start / r.start.start, r.ours.infer / r.run.infer}
}

func (r row) line() string {
	q := r.ratios()
	return fmt.Sprintf("| %s | %.3f / %.3f (%s) | **%.2f** | %.0f / %.0f | **%.2f** | %.1f / %.1f | **%.2f** | %.3f / %.3f (%s) | **%.2f** | %.1e %s |",
		r.name, r.ours.step, r.step.step, r.step.form, q[0], mib(r.ours.peak), mib(r.memory.peak), q[1],
		r.ours.start, r.start.start, q[2], r.ours.infer, r.run.infer, r.run.form, q[3], r.apart, strings.Join(r.notes, "; "))
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// write puts the table into a file, with what it was measured on.
func write(ctx context.Context, path string, b bench, rows []row) error {
	w := &bytes.Buffer{}
	versions, _ := exec.CommandContext(ctx, b.python, "-c", "import torch, monai; print('PyTorch', torch.__version__ + ', MONAI', monai.__version__)").Output()
	fmt.Fprintf(w, "Processor: %s, %d threads. %s, %s.\n\n", measure.Processor(), b.threads, strings.TrimSpace(string(versions)), runtime.Version())
	fmt.Fprintln(w, "| network | step, s: nitrain / PyTorch's best form | ratio | peak memory, MiB | ratio | start to first loss, s | ratio | inference, s | ratio | losses apart |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|")
	for _, r := range rows {
		fmt.Fprintln(w, r.line())
	}
	return measure.Section(path, "training", w.String())
}
