package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"os/exec"
	"strconv"

	"github.com/nitrain/nitrain/internal/measure"
	"github.com/nitrain/nitrain/internal/proc"
)

// robust measures nitrain by itself: memory bounded by computing twice, memory over many steps and evaluations, and time
// beside a second busy process. The networks are those of the comparison.
func (b bench) robust(ctx context.Context, path string) error {
	if err := b.make(ctx); err != nil {
		return err
	}
	w := &bytes.Buffer{}
	fmt.Fprintf(w, "Processor: %s, %d threads.\n\n", measure.Processor(), b.threads)
	for _, part := range []func(context.Context, io.Writer) error{b.bounded, b.endurance, b.beside} {
		if err := part(ctx, w); err != nil {
			return err
		}
	}
	return measure.Section(path, "robust", w.String())
}

// child starts nitrain with further flags.
func (b bench) child(ctx context.Context, name string, flags ...string) (*contender, answer, error) {
	c := b.nitrain(ctx, network{Name: name})
	c.cmd.Args = append(c.cmd.Args, flags...)
	a, err := c.begin()
	return c, a, err
}

// bounded trains a U-Net on 128^3 with less and less memory.
func (b bench) bounded(ctx context.Context, w io.Writer) error {
	fmt.Fprintln(w, "A step of the plain U-Net on 1x1x128x128x128, with less and less memory:")
	fmt.Fprintln(w, "\n| bound, MiB | foretold, MiB | the process's peak, MiB | computed twice | step, s | ratio |\n|---|---|---|---|---|---|")
	whole, free := int64(0), 0.0
	for _, share := range []float64{1, 0.8, 0.65, 0.5} {
		flags := []string{"-side", "128"}
		bound := int64(float64(whole) * share)
		if whole > 0 {
			flags = append(flags, "-memory", strconv.FormatInt(bound, 10))
		}
		c, a, err := b.child(ctx, "unet3d", flags...)
		if err == nil {
			c.turn("train", 3, &c.step, true)
			err = c.err
		}
		if err != nil {
			fmt.Fprintf(w, "| %.0f | cannot be done | | | | |\n", mib(bound))
			c.end()
			continue
		}
		if whole == 0 {
			whole, free = a.Need, c.step
		}
		fmt.Fprintf(w, "| %s | %.0f | %.0f | %d | %.2f | %.2f |\n", text(bound), mib(a.Need), mib(proc.Of(c.cmd.Process.Pid, "VmHWM")), a.Recomputed, c.step, c.step/free)
		c.end()
	}
	return nil
}

func text(bound int64) string {
	if bound == 0 {
		return "none"
	}
	return fmt.Sprintf("%.0f", mib(bound))
}

// endurance compares resident memory after 200 steps and after 2,000, with 200 evaluations between.
func (b bench) endurance(ctx context.Context, w io.Writer) error {
	c, _, err := b.child(ctx, "unet2d")
	if err != nil {
		return err
	}
	defer c.end()
	ignored := math.Inf(1)
	c.turn("infer", 1, &ignored, true)
	c.turn("train", 200, &ignored, true)
	early := proc.Of(c.cmd.Process.Pid, "VmRSS")
	for range 200 {
		c.turn("train", 9, &ignored, true)
		c.turn("infer", 1, &ignored, true)
	}
	late := proc.Of(c.cmd.Process.Pid, "VmRSS")
	fmt.Fprintf(w, "\nResident memory, U-Net 2-D: %.1f MiB after 200 steps, %.1f MiB after 2,000 with 200 evaluations between: %+.1f %%.\n",
		mib(early), mib(late), 100*(float64(late)/float64(early)-1))
	return c.err
}

// beside compares a step alone with one while another process computes without pause.
func (b bench) beside(ctx context.Context, w io.Writer) error {
	c, _, err := b.child(ctx, "unet3d")
	if err != nil {
		return err
	}
	defer c.end()
	alone, busy := math.Inf(1), 0.0
	c.turn("train", 5, &alone, true)
	spinner := exec.CommandContext(ctx, "sh", "-c", "while :; do :; done")
	if err := spinner.Start(); err != nil {
		return err
	}
	for range 5 {
		one := math.Inf(1)
		c.turn("train", 1, &one, true)
		busy = max(busy, one)
	}
	err = spinner.Process.Kill()
	_ = spinner.Wait()
	fmt.Fprintf(w, "\nA step of the U-Net 3-D: %.3f s alone, at most %.3f s beside a process that computes without pause: %.2f times.\n", alone, busy, busy/alone)
	return err
}
