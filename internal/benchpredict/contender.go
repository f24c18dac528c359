package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/nitrain/nitrain/internal/measure"
)

// contender is a program that predicts.
type contender struct {
	form   string
	args   []string
	env    []string
	folder string // where it writes
	best   float64
	loud   float64 // the best in spite of others
	peak   int64   // bytes resident, the smallest of all samples
	good   int     // samples that count
	bad    int     // and those thrown away
	err    error
}

func (b bench) contender(form, folder string, args ...string) *contender {
	env := os.Environ()
	for _, name := range []string{"OMP_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "GOMAXPROCS"} {
		env = append(env, fmt.Sprintf("%s=%d", name, b.threads))
	}
	return &contender{form: form, args: args, env: env, folder: folder, best: math.Inf(1), loud: math.Inf(1), peak: math.MaxInt64}
}

// sample runs the program once. It counts if the program had the machine for itself, or if noisy.
func (c *contender) sample(ctx context.Context, noisy bool) {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Env = c.env
	var words bytes.Buffer
	cmd.Stderr = &words
	busy, start := measure.Busy(), time.Now()
	err := cmd.Run()
	wall := time.Since(start).Seconds()
	others := measure.Busy() - busy
	if cmd.ProcessState != nil {
		others -= (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	}
	if err != nil {
		c.err = fmt.Errorf("%w: %s", err, lastLine(words.String()))
		return
	}
	c.peak = min(c.peak, peakOf(cmd.ProcessState))
	c.loud = min(c.loud, wall)
	if !noisy && !measure.Quiet(others, wall) {
		c.bad++
		return
	}
	c.good++
	c.best = min(c.best, wall)
}

// seconds is the best undisturbed sample, or the best of all where there is none.
func (c *contender) seconds() float64 {
	if c.good > 0 {
		return c.best
	}
	return c.loud
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// result is the file that the program wrote for a scan.
func (c *contender) result(scan string) string { return filepath.Join(c.folder, filepath.Base(scan)) }
