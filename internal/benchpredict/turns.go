package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// run compares every case and writes the tables.
func (b bench) run(ctx context.Context, only, forms []string, out string) error {
	var reports []report
	for _, w := range b.works() {
		if len(only) > 0 && !slices.Contains(only, w.name) {
			continue
		}
		if err := b.make(ctx, w.scan); err != nil {
			return err
		}
		r, err := b.compare(ctx, w, forms)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		fmt.Fprint(os.Stderr, r.table())
		reports = append(reports, r)
	}
	return b.write(ctx, out, reports)
}

// compare lets all programs of a case take turns.
func (b bench) compare(ctx context.Context, w work, forms []string) (report, error) {
	r := report{work: w}
	all, err := b.contenders(w, forms)
	if err != nil {
		return r, err
	}
	r.all = all
	if err := b.first(ctx, w, all[0], &r); err != nil {
		return r, err
	}
	wanted, begun := b.turns*w.turns, time.Now()
	if b.short {
		wanted = b.turns
	}
	for turn := 0; time.Since(begun) < b.budget && !enough(all, wanted); turn++ {
		for _, c := range all {
			if c.err != nil || c.good >= wanted {
				continue
			}
			if w.turns == 1 {
				fmt.Fprintf(os.Stderr, "benchpredict: %s: turn %d: %s\n", w.name, turn+1, c.form)
			}
			c.sample(ctx, b.noisy)
		}
	}
	if all[0].err != nil {
		return r, fmt.Errorf("nitrain: %w", all[0].err)
	}
	return r, b.agree(ctx, w, all, &r)
}

// contenders are nitrain, which comes first, and the other side's forms.
func (b bench) contenders(w work, forms []string) ([]*contender, error) {
	model, scan := b.path(w.name+".onnx"), b.path(w.scan)
	ours := b.path("out", w.name, "nitrain")
	threads := strconv.Itoa(b.threads)
	all := []*contender{b.contender("nitrain", ours, b.nitrain, "predict", model, scan, "-o", filepath.Join(ours, w.scan), "--threads", threads, "--quiet")}
	for _, form := range w.forms {
		if len(forms) > 0 && !slices.Contains(forms, form) {
			continue
		}
		folder := b.path("out", w.name, form)
		all = append(all, b.contender(form, folder, b.python, b.script, "predict", b.data, w.name, form, threads, scan, folder))
	}
	for _, c := range all {
		if err := os.MkdirAll(c.folder, 0o755); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// first lets nitrain predict once more than is measured: it chooses what runs the model, which it remembers, and writes
// the probabilities for the comparison of labels.
func (b bench) first(ctx context.Context, w work, ours *contender, r *report) error {
	folder := b.path("out", w.name, "probabilities")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	c := *ours
	c.args = slices.Clone(ours.args)
	c.args[slices.Index(c.args, "-o")+1] = filepath.Join(folder, w.scan)
	c.args[slices.Index(c.args, "--quiet")] = "--probabilities"
	c.sample(ctx, true)
	r.first = c.loud
	if c.err != nil {
		return c.err
	}
	found, err := filepath.Glob(filepath.Join(folder, "*_probabilities*"))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%s: want one file of probabilities, got %d", folder, len(found))
	}
	if err == nil {
		r.probabilities = found[0]
	}
	return err
}

// enough says whether every program that works has its samples.
func enough(all []*contender, wanted int) bool {
	return !slices.ContainsFunc(all, func(c *contender) bool { return c.err == nil && c.good < wanted })
}
