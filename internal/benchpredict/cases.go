package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// work is a scan, the network that predicts it, and what is promised.
type work struct {
	name, title  string
	scan         string   // its file
	forms        []string // the other side's
	turns        int      // as many times the usual
	time, memory float64  // at most so many times the other side's
	seconds      float64  // at most, 0 for no promise
}

func (b bench) works() []work {
	all := []string{"eager", "channels_last", "onnxruntime"}
	return []work{
		{name: "picture", title: "Cold start: a picture of 128x128 and a small 2-D U-Net", scan: "picture.png", forms: append(all[:3:3], "bare"), turns: 10, time: 0.1, seconds: 0.3},
		{name: "head", title: "An MR scan of 240x240x155 at 1 mm, 3-D U-Net, two classes", scan: "head.nii.gz", forms: all, turns: 1, time: 0.45, memory: 0.5},
		{name: "ct", title: "A CT of 512x512x300 at 0.8x0.8x1 mm, the U-Net at 1.5 mm, five classes", scan: "ct.nii.gz", forms: all, turns: 1, time: 0.45, memory: 0.5},
	}
}

func (b bench) path(name ...string) string {
	return filepath.Join(append([]string{b.data}, name...)...)
}

// make draws the scans and exports the networks, unless that was done.
func (b bench) make(ctx context.Context, scans ...string) error {
	for _, scan := range scans {
		if err := b.child(ctx, "draw", scan, b.path(scan)); err != nil {
			return err
		}
	}
	for _, w := range b.works() {
		if _, err := os.Stat(b.path(w.name + ".onnx")); err == nil {
			continue
		}
		fmt.Fprintln(os.Stderr, "benchpredict: making the networks")
		cmd := exec.CommandContext(ctx, b.python, b.script, "export", b.data, strconv.Itoa(b.window()))
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s %s: %w", b.python, b.script, err)
		}
		return nil
	}
	return nil
}

// window is the side of the windows.
func (b bench) window() int {
	if b.short {
		return 32
	}
	return 96
}

// child does part of this program's work in a process of its own, so that this one stays small: on Linux the peak
// memory of a process is at least what its parent had when it began.
func (b bench) child(ctx context.Context, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if b.short {
		args = slices.Insert(args, 0, "-short")
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
