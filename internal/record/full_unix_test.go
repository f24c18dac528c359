//go:build unix

package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFullDisk writes with a limit on the size of files, which fails like a full disk in the middle of a
// file: the error is clear and the old checkpoint and the whole lines stay.
func TestFullDisk(t *testing.T) {
	if os.Getenv("RECORD_FULL_DISK") != "" {
		fillDisk(t, os.Getenv("RECORD_FULL_DISK"))
		return
	}
	run := t.TempDir()
	d, err := Create(run)
	if err != nil {
		t.Fatal(err)
	}
	small := &Checkpoint{State: json.RawMessage(`{"step":1}`), Arrays: []Array{{"w", "float32", []int{1}, make([]byte, 4)}}}
	if err := errors.Join(d.WriteCheckpoint(Last, small), d.WriteJSON(Run, 1), d.Close()); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
	cmd.Env = append(os.Environ(), "RECORD_FULL_DISK="+run)
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS")) {
		t.Fatalf("child: %v\n%s", err, out)
	}
	c, err := ReadCheckpoint(run, Last)
	if err != nil || string(c.State) != `{"step":1}` {
		t.Fatalf("the old checkpoint: %v", err)
	}
	events, err := ReadEvents[line](run)
	if err != nil || len(events) == 0 {
		t.Fatalf("events: %d, %v", len(events), err)
	}
	left, err := os.ReadDir(filepath.Join(run, "checkpoints"))
	if err != nil || len(left) != 1 {
		t.Fatalf("checkpoints holds %v, %v", left, err)
	}
}

func fillDisk(t *testing.T, run string) {
	limit := syscall.Rlimit{Cur: 5000, Max: 5000}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Skipf("no limit on file sizes here: %v", err)
	}
	d, err := Open(run)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	big := &Checkpoint{State: json.RawMessage(`{"step":2}`), Arrays: []Array{{"w", "float32", []int{4000}, make([]byte, 16000)}}}
	if err := d.WriteCheckpoint(Last, big); !errors.Is(err, syscall.EFBIG) || !strings.Contains(err.Error(), Last) {
		t.Errorf("checkpoint: want EFBIG and the file's name, got %v", err)
	}
	for i := range 1000 {
		if err = d.Append(line{i}); err != nil {
			break
		}
	}
	if !errors.Is(err, syscall.EFBIG) || !strings.Contains(err.Error(), Events) {
		t.Errorf("events: want EFBIG and the file's name, got %v", err)
	}
}
