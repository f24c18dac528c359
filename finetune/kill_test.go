package finetune

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/nitrain/nitrain/internal/record"
)

// TestKill kills a training process at random moments, as often as it takes, and resumes it each time: in
// the end the weights, losses and scores are those of a run that nothing disturbed.
func TestKill(t *testing.T) {
	if path := os.Getenv("NITRAIN_TEST_RUN"); path != "" {
		trainOn(t, path)
		return
	}
	dir := t.TempDir()
	cases := tinyCases(t, dir, 4)
	backend := plainEngine(t)
	start := func(path string) {
		trainer := newTiny(t, backend, cases[:3], cases[3:], tinyConfig(16))
		if err := trainer.Record(path, "tiny.onnx"); err != nil {
			t.Fatal(err)
		}
	}
	whole, killed := filepath.Join(dir, "whole"), filepath.Join(dir, "killed")
	start(whole)
	start(killed)
	trainOn(t, whole)
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	kills := 0
	for {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$", "-test.v")
		cmd.Env = append(os.Environ(), "NITRAIN_TEST_RUN="+killed)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// the waits grow, so that slow machines also come to an end
		wait := time.Duration(rng.Int64N(int64(300*time.Millisecond))) * time.Duration(1+kills)
		timer := time.AfterFunc(wait, func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		timer.Stop()
		if err == nil {
			break
		}
		if !bytes.Contains([]byte(err.Error()), []byte("killed")) {
			t.Fatalf("after %d kills: %v\n%s", kills, err, out.String())
		}
		kills++
	}
	t.Logf("killed %d times", kills)
	sameWeights(t, whole, killed)
	sameEvents(t, whole, killed)
	left, err := filepath.Glob(filepath.Join(killed, "*", ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	a, _ := os.ReadFile(filepath.Join(whole, record.Metrics))
	b, _ := os.ReadFile(filepath.Join(killed, record.Metrics))
	if bytes.Count(a, []byte("\n")) != bytes.Count(b, []byte("\n")) {
		t.Errorf("metrics.csv: %d and %d lines", bytes.Count(a, []byte("\n")), bytes.Count(b, []byte("\n")))
	}
}

func trainOn(t *testing.T, path string) {
	t.Helper()
	folder, err := OpenFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	trainer, err := folder.Resume(t.Context(), plainEngine(t))
	if err != nil {
		t.Fatal(err)
	}
	defer trainer.Close()
	if err := trainer.Run(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}
