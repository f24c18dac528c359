//go:build unix

package finetune

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nitrain/nitrain/internal/record"
)

// TestFullDisk trains under a limit on the size of files, which fails in the middle of a file as a full disk
// does: the error names the file, and after room is made the run goes on to the same weights.
func TestFullDisk(t *testing.T) {
	if path := os.Getenv("NITRAIN_TEST_FULL"); path != "" {
		trainUntilFull(t, path)
		return
	}
	dir := t.TempDir()
	cases := tinyCases(t, dir, 4)
	backend := plainEngine(t)
	whole, full := filepath.Join(dir, "whole"), filepath.Join(dir, "full")
	for _, path := range []string{whole, full} {
		trainer := newTiny(t, backend, cases[:3], cases[3:], tinyConfig(4))
		if err := trainer.Record(path, "tiny.onnx"); err != nil {
			t.Fatal(err)
		}
	}
	trainOn(t, whole)
	cmd := exec.Command(os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
	cmd.Env = append(os.Environ(), "NITRAIN_TEST_FULL="+full)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, err := record.ReadCheckpoint(full, record.Last); err != nil {
		t.Fatalf("the last checkpoint: %v", err)
	}
	trainOn(t, full)
	sameWeights(t, whole, full)
	sameEvents(t, whole, full)
}

// trainUntilFull leaves room for some lines of the events, not for all.
func trainUntilFull(t *testing.T, path string) {
	folder, err := OpenFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	trainer, err := folder.Resume(t.Context(), plainEngine(t))
	if err != nil {
		t.Fatal(err)
	}
	limit := syscall.Rlimit{Cur: 4500, Max: 4500}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Skipf("no limit on file sizes here: %v", err)
	}
	err = trainer.Run(t.Context(), nil)
	if !errors.Is(err, syscall.EFBIG) || !strings.Contains(err.Error(), "record: ") {
		t.Fatalf("want EFBIG and the file's name, got %v", err)
	}
	t.Log(err)
}
