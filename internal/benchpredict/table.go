package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strings"

	"github.com/nitrain/nitrain/internal/measure"
)

// report is what came out of one case.
type report struct {
	work          work
	all           []*contender // nitrain first
	first         float64      // seconds of nitrain's first prediction with this model
	probabilities string
	differences   []difference // of those that ran, without nitrain
}

// table writes the case for people.
func (r report) table() string {
	w := &bytes.Buffer{}
	fmt.Fprintf(w, "### %s\n\n", r.work.title)
	fmt.Fprintln(w, "| program | best, s | nitrain / it | peak memory, MiB | nitrain / it | undisturbed samples | labels that differ |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|")
	ours, ran := r.all[0], 0
	for i, c := range r.all {
		if c.err != nil {
			fmt.Fprintf(w, "| %s | does not run: %s | | | | | |\n", title(c.form), strings.ReplaceAll(c.err.Error(), "|", "/"))
			continue
		}
		same := ""
		if i > 0 && ran < len(r.differences) {
			d := r.differences[ran]
			same = fmt.Sprintf("%d of %d, %d undecided", d.different, d.voxels-d.undecided, d.undecided)
			ran++
		}
		fmt.Fprintf(w, "| %s | %.3g | %.3f | %.0f | %.2f | %d of %d | %s |\n", title(c.form), c.seconds(), ours.seconds()/c.seconds(),
			mib(c.peak), float64(ours.peak)/float64(c.peak), c.good, c.good+c.bad, same)
	}
	fmt.Fprintf(w, "\nnitrain's first prediction with this model, probabilities written too: %.3g s.", r.first)
	fmt.Fprintf(w, " %s\n\n", r.verdict())
	return w.String()
}

// verdict holds nitrain against what is promised beside MONAI and PyTorch in its best form.
func (r report) verdict() string {
	ours := r.all[0]
	var fastest, smallest *contender
	for _, c := range r.all[1:] {
		if c.err != nil || c.form != "eager" && c.form != "channels_last" {
			continue
		}
		if fastest == nil || c.seconds() < fastest.seconds() {
			fastest = c
		}
		if smallest == nil || c.peak < smallest.peak {
			smallest = c
		}
	}
	if fastest == nil {
		return "PyTorch did not run."
	}
	var parts []string
	add := func(what string, got, most float64) {
		if most == 0 {
			return
		}
		is := "missed"
		if got <= most {
			is = "kept"
		}
		parts = append(parts, fmt.Sprintf("%s %.3g (at most %.3g: %s)", what, got, most, is))
	}
	add("time beside MONAI + PyTorch's best form", ours.seconds()/fastest.seconds(), r.work.time)
	add("memory beside its smallest", float64(ours.peak)/float64(smallest.peak), r.work.memory)
	add("seconds", ours.seconds(), r.work.seconds)
	return "Promised: " + strings.Join(parts, ", ") + "."
}

func title(form string) string {
	switch form {
	case "eager":
		return "MONAI + PyTorch, eager"
	case "channels_last":
		return "MONAI + PyTorch, channels last"
	case "onnxruntime":
		return "MONAI + onnxruntime"
	case "bare":
		return "onnxruntime and PIL alone"
	}
	return form
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// write puts the tables into a document, with what they were measured on.
func (b bench) write(ctx context.Context, path string, reports []report) error {
	w := &bytes.Buffer{}
	ask := "import torch, monai, onnxruntime; print('PyTorch', torch.__version__ + ', MONAI', monai.__version__ + ', onnxruntime', onnxruntime.__version__)"
	versions, _ := exec.CommandContext(ctx, b.python, "-c", ask).Output()
	fmt.Fprintf(w, "Processor: %s, %d threads. %s, %s.\n\n", measure.Processor(), b.threads, strings.TrimSpace(string(versions)), runtime.Version())
	for _, r := range reports {
		fmt.Fprint(w, r.table())
	}
	return measure.Section(path, "monai", w.String())
}
