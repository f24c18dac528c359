package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"github.com/nitrain/nitrain/internal/measure"
	"github.com/nitrain/nitrain/internal/proc"
)

// bench is one run of the benchmark.
type bench struct {
	python, script, data, device string
	threads, turns               int
	noisy                        bool
}

// contender is a process that trains.
type contender struct {
	form   string
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	start  float64 // seconds from its start to its first loss
	losses []float64
	step   float64 // the best, in seconds
	infer  float64
	peak   int64 // bytes resident
	bad    int   // turns thrown away
	err    error
}

// patience bounds how many turns are thrown away before the benchmark gives up on a quiet machine.
const patience = 40

// make exports the networks, unless that was done.
func (b bench) make(ctx context.Context) error {
	if _, err := networks(b.data); err != nil {
		fmt.Fprintln(os.Stderr, "benchtrain: making the networks")
		cmd := exec.CommandContext(ctx, b.python, b.script, "export", b.data)
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s %s: %w", b.python, b.script, err)
		}
	}
	return nil
}

func (b bench) run(ctx context.Context, only, forms []string, out string) error {
	if err := b.make(ctx); err != nil {
		return err
	}
	list, err := networks(b.data)
	if err != nil {
		return err
	}
	var rows []row
	for _, n := range list {
		if len(only) > 0 && !slices.Contains(only, n.Name) {
			continue
		}
		r, err := b.network(ctx, n, forms)
		if err != nil {
			return fmt.Errorf("%s: %w", n.Name, err)
		}
		rows = append(rows, r)
		fmt.Fprintln(os.Stderr, r.line())
	}
	return write(ctx, out, b, rows)
}

// network lets all contenders of a network start one after another, and then take turns.
func (b bench) network(ctx context.Context, n network, forms []string) (row, error) {
	all := []*contender{b.nitrain(ctx, n)}
	for _, f := range n.Forms {
		if len(forms) == 0 || slices.Contains(forms, f) {
			all = append(all, b.torch(ctx, n, f))
		}
	}
	defer func() {
		for _, c := range all {
			c.end()
		}
	}()
	for _, c := range all {
		fmt.Fprintf(os.Stderr, "benchtrain: %s: %s starts\n", n.Name, c.form)
		if _, err := c.begin(); err != nil {
			c.err = err
		}
	}
	if all[0].err != nil {
		return row{}, fmt.Errorf("nitrain: %w", all[0].err)
	}
	for good, bad := 0, 0; good < b.turns; {
		quiet := true
		for _, c := range all {
			quiet = c.turn("train", 2, &c.step, b.noisy) && quiet
			quiet = c.turn("infer", 1, &c.infer, b.noisy) && quiet
		}
		if quiet {
			good++
		} else if bad++; bad > patience {
			return row{}, fmt.Errorf("the machine was not quiet in %d turns", bad)
		}
	}
	for _, c := range all {
		if c.err == nil {
			c.peak = proc.Of(c.cmd.Process.Pid, "VmHWM")
		}
	}
	return compare(n, all)
}

func (b bench) nitrain(ctx context.Context, n network) *contender {
	self, err := os.Executable()
	cmd := exec.CommandContext(ctx, self, "-child", "-data", b.data, "-only", n.Name, "-device", b.device, "-threads", strconv.Itoa(b.threads))
	return &contender{form: "nitrain", cmd: cmd, err: err}
}

func (b bench) torch(ctx context.Context, n network, form string) *contender {
	cmd := exec.CommandContext(ctx, b.python, b.script, "train", b.data, n.Name, form, strconv.Itoa(b.threads))
	cmd.Env = append(os.Environ(), fmt.Sprintf("OMP_NUM_THREADS=%d", b.threads))
	return &contender{form: form, cmd: cmd}
}

// begin starts a contender and waits for its first loss. A form that does not work is left out.
func (c *contender) begin() (answer, error) {
	if c.err != nil {
		return answer{}, c.err
	}
	c.step, c.infer = math.Inf(1), math.Inf(1)
	c.cmd.Stderr = io.Discard
	if c.form == "nitrain" {
		c.cmd.Stderr = os.Stderr
	}
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		c.in, err = c.cmd.StdinPipe()
	}
	start := time.Now()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		return answer{}, err
	}
	c.out = bufio.NewReader(out)
	a, err := c.listen()
	c.start = time.Since(start).Seconds()
	c.losses = append(c.losses, a.Loss)
	return a, err
}

func (c *contender) listen() (answer, error) {
	var a answer
	line, err := c.out.ReadString('\n')
	if err != nil {
		return a, fmt.Errorf("%s: %w", c.form, err)
	}
	return a, json.Unmarshal([]byte(line), &a)
}

// turn lets a contender work, and tells whether it had the machine for itself; only then does its time count.
func (c *contender) turn(what string, count int, best *float64, noisy bool) bool {
	if c.err != nil {
		return true
	}
	busy, own := measure.Busy(), measure.Process(c.cmd.Process.Pid)
	start := time.Now()
	if _, err := fmt.Fprintf(c.in, "%s %d\n", what, count); err != nil {
		c.err = err
		return true
	}
	a, err := c.listen()
	if err != nil {
		c.err = err
		return true
	}
	wall := time.Since(start).Seconds()
	others := (measure.Busy() - busy) - (measure.Process(c.cmd.Process.Pid) - own)
	if what == "train" {
		c.losses = append(c.losses, a.Losses...)
	}
	if !noisy && !measure.Quiet(others, wall) {
		c.bad++
		return false
	}
	*best = min(*best, slices.Min(a.Seconds))
	return true
}

func (c *contender) end() {
	if c.in != nil {
		_ = c.in.Close()
	}
	if c.cmd.Process != nil {
		_ = c.cmd.Wait()
	}
}
