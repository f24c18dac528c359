// Command benchtrain trains the same networks in nitrain and in PyTorch, in turn, on the same threads, and writes how
// they compare. `make bench-train` calls it.
//
// Each network trains in a process of its own for nitrain and for every form that PyTorch offers (eager, channels last,
// torch.compile, space to batch). All of them live at once and take steps in turn, a few at a time, so that whatever the
// machine does it does to all; a turn during which anything else used the machine is thrown away. Of every process the
// best step counts, and of PyTorch the best form. That both did the same work is checked: their losses agree.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
)

func main() {
	python := flag.String("python", "python3", "Python with testdata/gen/requirements.txt")
	script := flag.String("script", "testdata/gen/bench_train.py", "PyTorch's side")
	data := flag.String("data", "", "folder that the script's export wrote; made where it lacks")
	only := flag.String("only", "", "networks, by name, with commas; empty: all")
	forms := flag.String("forms", "", "PyTorch's forms, with commas; empty: all of a network")
	threads := flag.Int("threads", 2, "threads of each process")
	turns := flag.Int("turns", 6, "good turns wanted of every process")
	out := flag.String("o", "", "document whose section takes the table; empty: standard output")
	noisy := flag.Bool("noisy", false, "count turns during which something else used the machine too: no benchmark then")
	child := flag.Bool("child", false, "train one network as nitrain (used by this program itself)")
	side := flag.Int("side", 0, "with -child: spatial size in place of the network's")
	bound := flag.Int64("memory", 0, "with -child: bytes that a step may take")
	robust := flag.Bool("robust", false, "measure nitrain alone: bounded memory, endurance, a second busy process")
	trace := flag.String("trace", "", "with -child: file for a trace of where the time goes")
	device := flag.String("device", "cpu", "nitrain's device")
	flag.Parse()
	if *data == "" {
		fail(errors.New("want -data FOLDER"))
	}
	if *child {
		fail(serve(*data, *only, *device, *trace, *threads, *side, *bound))
		return
	}
	b := bench{python: *python, script: *script, data: *data, threads: *threads, turns: *turns, noisy: *noisy, device: *device}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *robust {
		fail(b.robust(ctx, *out))
		return
	}
	fail(b.run(ctx, words(*only), words(*forms), *out))
}

func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchtrain:", err)
		os.Exit(1)
	}
}
