// Command demo runs the whole loop through the command line, as a user would type it: a model trained on
// one contrast is imported, fine-tuned on a few synthetic heads of another, exported, judged on heads that
// nothing else has seen, explained, served and shared.
//
// It ends with the line "demo: dice BEFORE -> AFTER in SECONDS s, PICTURE".
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The heads of the demo. Held-out ones have seeds that neither the model nor the fine-tuning saw: the
// model was trained on seeds 1 to 48 and tried on 501 to 506 of the other contrast.
const (
	trainSeed, trainHeads = "2001", "12"
	testSeed, testHeads   = "3001", "6"
)

func main() {
	dir := flag.String("o", "demo", "folder to work in")
	model := flag.String("model", "testdata/models/unet3d_a.onnx", "model trained on contrast A; its Spec stands beside it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := demo(ctx, *dir, *model); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func demo(ctx context.Context, dir, model string) error {
	start := time.Now()
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	in := func(elem ...string) string { return filepath.Join(append([]string{dir}, elem...)...) }
	s := shell{ctx: ctx}

	s.say("Heads of contrast B: %s to fine-tune on, %s held out", trainHeads, testHeads)
	s.run("bin/draw", "-o", in("train"), "-contrast", "b", "-seed", trainSeed, "-n", trainHeads)
	s.run("bin/draw", "-o", in("test"), "-contrast", "b", "-seed", testSeed, "-n", testHeads)

	s.say("A model that somebody trained on contrast A in PyTorch, with its Spec")
	s.run("bin/nitrain", "import", model, "--spec", strings.TrimSuffix(model, ".onnx")+".json", "-o", in("model.onnx"))
	before := s.evaluate(in("model.onnx"), in("test", "cases.csv"))

	s.say("Fine-tune it to contrast B")
	s.run("bin/nitrain", "finetune", in("model.onnx"), "--data", in("train", "cases.csv"), "--config", "testdata/models/finetune_b.yaml", "-o", in("run"))
	s.run("bin/nitrain", "export", in("run"), "-o", in("tuned.onnx"))
	after := s.evaluate(in("tuned.onnx"), in("test", "cases.csv"))

	s.say("Segment a held-out head on its own grid, and look")
	scan := in("test", "images", "head"+testSeed+".nii.gz")
	picture := in("head" + testSeed + ".png")
	s.run("bin/nitrain", "predict", in("tuned.onnx"), scan, "-o", in("seg.nii.gz"))
	s.run("bin/nitrain", "view", scan, "--seg", in("seg.nii.gz"), "--labels", in("tuned.onnx"), "-o", picture)

	s.say("Ask what made it call a lesion a lesion, region by region")
	s.run("bin/nitrain", "explain", in("tuned.onnx"), scan, "--method", "saliency", "--target", "mask:4", "--regions", in("regions.csv"),
		"--report", in("explain.html"), "-o", in("heat.nii.gz"), "--quiet")

	s.say("Serve it, and call it over HTTP and gRPC")
	s.serve(in("tuned.onnx"), "bin/ask", "-model", "tuned", "-scan", scan, "-seg", in("seg.nii.gz"))

	s.say("Share it: a name in the local hub, with a model card")
	s.write(in("scores.json"), after.raw)
	s.run("bin/nitrain", "hub", "push", in("tuned.onnx"), "demo/unet3d:b", "--run", in("run"), "--evaluation", in("scores.json"), "--hub", in("hub"), "--quiet")
	s.run("bin/nitrain", "hub", "verify", "--hub", in("hub"))
	if s.err != nil {
		return s.err
	}
	table(before, after)
	fmt.Printf("\nreport of the training: %s\n", in("run", "report.html"))
	fmt.Printf("demo: dice %.3f -> %.3f in %.0f s, %s\n", before.mean(), after.mean(), time.Since(start).Seconds(), picture)
	return nil
}

// shell runs commands until one fails.
type shell struct {
	ctx context.Context
	err error
}

func (s *shell) say(format string, args ...any) {
	if s.err == nil {
		fmt.Printf("\n# "+format+"\n", args...)
	}
}

func (s *shell) run(name string, args ...string) {
	if s.err != nil {
		return
	}
	fmt.Println("$", filepath.Base(name), strings.Join(args, " "))
	cmd := exec.CommandContext(s.ctx, name, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		s.err = fmt.Errorf("%s %s: %w", name, args[0], err)
	}
}

// serve starts a server of the model on free ports, runs a client against it, and stops the server as
// systems do, by SIGTERM.
func (s *shell) serve(model, client string, args ...string) {
	if s.err != nil {
		return
	}
	ports, err := freePorts(3)
	if err != nil {
		s.err = err
		return
	}
	at := func(i int) string { return "127.0.0.1:" + strconv.Itoa(ports[i]) }
	serve := []string{"serve", model, "--http", at(0), "--grpc", at(1), "--metrics", at(2), "--drain-delay", "0s", "--quiet"}
	fmt.Println("$ nitrain", strings.Join(serve, " "), "&")
	cmd := exec.CommandContext(s.ctx, "bin/nitrain", serve...)
	cmd.Stderr = os.Stderr
	if s.err = cmd.Start(); s.err != nil {
		return
	}
	s.run(client, append([]string{"-http", at(0), "-grpc", at(1)}, args...)...)
	err = cmd.Process.Signal(syscall.SIGTERM)
	if waited := cmd.Wait(); s.err == nil && errors.Join(err, waited) != nil {
		s.err = fmt.Errorf("serve: %w", errors.Join(err, waited))
	}
}

// freePorts returns ports of this machine on which nothing listens now.
func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // of a TCP listener
	}
	return ports, nil
}

func (s *shell) write(path string, raw []byte) {
	if s.err == nil {
		s.err = os.WriteFile(path, raw, 0o644)
	}
}

// scores are what the demo reads from `nitrain evaluate --json`.
type scores struct {
	Labels []struct {
		Value int
		Name  string
		Dice  float64
	}
	raw []byte // the whole report
}

// mean is the mean over foreground labels; each label's Dice is a mean over the cases.
func (s scores) mean() float64 {
	var sum float64
	for _, l := range s.Labels {
		sum += l.Dice
	}
	return sum / math.Max(1, float64(len(s.Labels)))
}

func (s *shell) evaluate(model, data string) scores {
	var found scores
	if s.err != nil {
		return found
	}
	args := []string{"evaluate", model, "--data", data, "--json", "--quiet"}
	fmt.Println("$ nitrain", strings.Join(args, " "))
	cmd := exec.CommandContext(s.ctx, "bin/nitrain", args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		s.err = fmt.Errorf("evaluate %s: %w", model, err)
		return found
	}
	found.raw = out.Bytes()
	if err := json.Unmarshal(out.Bytes(), &found); err != nil {
		s.err = fmt.Errorf("evaluate %s: %w", model, err)
	} else if len(found.Labels) == 0 {
		s.err = errors.New("evaluate: no labels in the result")
	}
	return found
}

func table(before, after scores) {
	fmt.Printf("\n%-16s %8s %8s\n", "Dice, held out", "before", "after")
	for i, l := range after.Labels {
		b := math.NaN()
		if i < len(before.Labels) {
			b = before.Labels[i].Dice
		}
		fmt.Printf("%-16s %8.3f %8.3f\n", l.Name, b, l.Dice)
	}
	fmt.Printf("%-16s %8.3f %8.3f\n", "mean", before.mean(), after.mean())
}
