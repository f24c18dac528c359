package main

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/nitrain/nitrain/predict/batch"
)

// follow returns what shows a run's events: a bar on a terminal, JSON lines with --json.
func (a *app) follow(bar *progress, cases int) func(batch.Event) {
	return func(e batch.Event) {
		fields := map[string]any{"scan": strings.Join(e.Job.Images, ","), "case": e.Case, "cases": e.Cases}
		switch e.Kind {
		case batch.Windows:
			what, text := "predict", filepath.Base(e.Job.Images[0])
			if cases > 1 {
				what = fmt.Sprintf("predict %d of %d", e.Case, e.Cases)
			}
			if e.Left > 0 {
				text += "  " + e.Left.Round(time.Second).String() + " left"
				fields["left"] = e.Left.Seconds()
			}
			bar.line(what, e.Done, e.Total, text, fields)
		case batch.Finished, batch.Resumed, batch.Failed:
			fields["result"] = e.Result
			bar.event(string(e.Kind), fields)
			if e.Kind == batch.Failed && cases > 1 {
				bar.note("nitrain: predict: " + e.Result.Error)
			}
		}
	}
}

// event prints a JSON line that is no progress, with --json alone.
func (p *progress) event(what string, fields map[string]any) {
	if p.a.quiet || !p.a.json {
		return
	}
	fields["event"] = what
	if raw, err := json.Marshal(fields); err == nil {
		fmt.Fprintln(p.a.err, string(raw))
	}
}

// tables writes what was asked for beside the images.
func (f predictFlags) tables(r *batch.Report) error {
	var text strings.Builder
	for _, t := range []struct {
		path  string
		csv   func(io.Writer) error
		plain any
	}{
		{f.volumes, r.WriteVolumes, nil},
		{f.statistics, r.WriteStatistics, r.Results},
		{f.results(), r.WriteResults, r.Results},
	} {
		if t.path == "" {
			continue
		}
		text.Reset()
		err := error(nil)
		if strings.EqualFold(filepath.Ext(t.path), ".json") {
			encoder := json.NewEncoder(&text)
			encoder.SetIndent("", " ")
			err = encoder.Encode(map[string]any{"cases": t.plain})
		} else {
			err = t.csv(&text)
		}
		if err == nil {
			err = writeWhole(t.path, []byte(text.String()))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// results is the file of a table of classes or numbers.
func (f predictFlags) results() string {
	if f.table() {
		return f.out
	}
	return ""
}

func printPredicted(w io.Writer, results []batch.Result) {
	for _, r := range results {
		if r.Error != "" {
			continue
		}
		how := fmt.Sprintf("(%.1f s)", r.Seconds)
		if r.Resumed {
			how = "(finished before)"
		}
		if r.Output != "" {
			how = "-> " + r.Output + "  " + how
		}
		fmt.Fprintf(w, "%s %s\n", r.Scan, how)
		for _, v := range r.Volumes {
			fmt.Fprintf(w, "  %4d  %-24s %10.2f ml\n", v.Value, v.Name, v.ML)
		}
		for _, c := range r.Classes {
			mark := ' '
			if c.Picked {
				mark = '*'
			}
			fmt.Fprintf(w, "  %c %4d  %-24s %8.4f\n", mark, c.Value, c.Name, c.Probability)
		}
		for _, v := range r.Values {
			fmt.Fprintf(w, "  %-30s %10.5g %s\n", v.Name, v.Value, v.Unit)
		}
	}
}
