package proc

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestBytes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "status")
	if err := os.WriteFile(path, []byte("Name:\tx\nVmHWM:\t   12 kB\nVmRSS:\t    3 kB\nVmSwap:\nVmBad: many kB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for entry, want := range map[string]int64{"VmHWM": 12 << 10, "VmRSS": 3 << 10, "Vm": 0, "VmSwap": 0, "VmBad": 0} {
		if got := bytes(path, entry); got != want {
			t.Errorf("%s: want %d, got %d", entry, want, got)
		}
	}
	if got := bytes(path+"-missing", "VmRSS"); got != 0 {
		t.Errorf("a missing file: want 0, got %d", got)
	}
}

func TestThisProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is read from /proc")
	}
	now, most, total := Resident(), Peak(), Machine("MemTotal")
	if now <= 0 || most < now/2 || total < most || Of(os.Getpid(), "VmHWM") < most/2 {
		t.Errorf("want sizes in order, got %d now, %d at most, %d in all", now, most, total)
	}
}
