// Command benchpredict predicts the same scans with the same networks in nitrain and in MONAI, from file to file, in turn
// and on the same threads, and writes how they compare. `make bench-predict` calls it.
//
// Every sample is a process of its own, from its start to its end. A sample during which anything else used the
// machine is thrown away; of every program the best one counts. That both wrote the same labels is checked wherever the
// two largest probabilities differ by more than 1e-3.
//
// With -body it measures nitrain alone, on a CT of 512x512x700 voxels and a model of 117 classes, in bounded memory.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"
)

func main() {
	var b bench
	flag.StringVar(&b.python, "python", "python3", "Python with testdata/gen/requirements.txt")
	flag.StringVar(&b.script, "script", "testdata/gen/bench_predict.py", "MONAI's side")
	flag.StringVar(&b.nitrain, "nitrain", "bin/nitrain", "the program that is measured")
	flag.StringVar(&b.data, "data", "bin/bench-predict", "folder for scans and models, which are made where it lacks them")
	flag.IntVar(&b.threads, "threads", 2, "threads of each process")
	flag.IntVar(&b.turns, "turns", 3, "undisturbed samples wanted of every program; ten times as many of the cold start")
	flag.DurationVar(&b.budget, "budget", 12*time.Minute, "no new turn of a case begins after that long")
	flag.BoolVar(&b.short, "short", false, "tiny scans and windows, to see that everything works: no benchmark then")
	flag.BoolVar(&b.noisy, "noisy", false, "count samples during which something else used the machine too: no benchmark then")
	only := flag.String("only", "", "cases, with commas: picture, head, ct; empty: all")
	forms := flag.String("forms", "", "the other side's forms, with commas: eager, channels_last, onnxruntime, bare; empty: all")
	out := flag.String("o", "", "document whose sections take the tables; empty: standard output")
	body := flag.Bool("body", false, "measure nitrain alone on a whole body, in bounded memory")
	classes := flag.Int("classes", 117, "with -body: classes of the model")
	flag.Parse()
	if b.short {
		b.data += "-short"
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch what := flag.Arg(0); {
	case what == "draw":
		err = draw(flag.Arg(1), flag.Arg(2), b.short)
	case what == "compare":
		err = compareFiles(flag.Args()[1:])
	case what != "":
		err = fmt.Errorf("want flags alone, got %q", what)
	case *body:
		err = b.body(ctx, *classes, *out)
	default:
		err = b.run(ctx, words(*only), words(*forms), *out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchpredict:", err)
		stop()
		os.Exit(1)
	}
}

func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

// bench is one run of the benchmark.
type bench struct {
	python, script, nitrain, data string
	threads, turns                int
	budget                        time.Duration
	short, noisy                  bool
}

var errNotQuiet = errors.New("the machine was never quiet")
