package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/nitrain/nitrain/internal/measure"
	"github.com/nitrain/nitrain/onnx"
)

// bound is one way to run the whole body.
type bound struct {
	title string
	flags []string
	most  int64 // bytes promised
}

func bounds() []bound {
	return []bound{
		{"default flags", nil, 4 << 30},
		{"`--memory 2500MB`", []string{"--memory", "2500MB"}, 2500e6},
	}
}

// body predicts a whole body with a model of many classes in bounded memory.
func (b bench) body(ctx context.Context, classes int, path string) error {
	const scan = "body.nii.gz"
	if err := b.child(ctx, "draw", scan, b.path(scan)); err != nil {
		return err
	}
	model := b.path(fmt.Sprintf("body%d.onnx", classes))
	m, err := bodyModel(classes, b.window())
	if err == nil {
		err = onnx.WriteFile(model, m)
	}
	if err != nil {
		return err
	}
	w := &bytes.Buffer{}
	fmt.Fprintf(w, "Processor: %s, %d threads, %s. Model: %d classes, windows of %d³ at overlap 0.5, 1.5 mm.\n\n", measure.Processor(), b.threads, runtime.Version(), classes, b.window())
	fmt.Fprintln(w, "| | peak memory, MiB | at most | seconds | beside the first | labels |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|")
	var first *contender
	for i, how := range bounds() {
		folder := b.path("out", "body", strconv.Itoa(i))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		args := []string{b.nitrain, "predict", model, b.path(scan), "-o", filepath.Join(folder, scan), "--threads", strconv.Itoa(b.threads), "--quiet"}
		c := b.contender(how.title, folder, append(args, how.flags...)...)
		fmt.Fprintln(os.Stderr, "benchpredict: body:", how.title)
		c.sample(ctx, b.noisy)
		if c.err != nil {
			fmt.Fprintf(w, "| %s | does not run: %v | | | | |\n", how.title, c.err)
			continue
		}
		if first == nil {
			first = c
		}
		same, err := sameFile(first.result(scan), c.result(scan))
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "| %s | %.0f | %.0f | %.1f%s | %.2f | %s |\n", how.title, mib(c.peak), mib(how.most), c.seconds(), note(c), c.seconds()/first.seconds(), same)
	}
	return measure.Section(path, "body", w.String())
}

// note marks a time that is no benchmark.
func note(c *contender) string {
	if c.good == 0 {
		return " (" + errNotQuiet.Error() + ")"
	}
	return ""
}

func sameFile(a, b string) (string, error) {
	one, err1 := os.ReadFile(a)
	other, err2 := os.ReadFile(b)
	if err := errors.Join(err1, err2); err != nil {
		return "", err
	}
	if !bytes.Equal(one, other) {
		return "differ", nil
	}
	return "the same bytes", nil
}
