//go:build cgo

package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/compute"

	"github.com/nitrain/nitrain/internal/native"
)

// xlaCPU returns XLA on its CPU plugin with some simulated devices, or skips.
func xlaCPU(t testing.TB, devices int) compute.Backend {
	t.Helper()
	path, err := native.Library(native.XLACPU)
	if err != nil {
		t.Skipf("no plugin of XLA: %v", err)
	}
	b, err := New(Options{Kind: XLA, Plugin: path, Devices: devices})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Finalize)
	return b
}

// TestXLA holds the cases, ordinarily a sample of them, against the interpreter in float64 and finite differences.
func TestXLA(t *testing.T) {
	b := xlaCPU(t, 1)
	every := 6
	if os.Getenv("NITRAIN_ACCEPTANCE") != "" {
		every = 1
	}
	for i, c := range allCases() {
		if i%every != 0 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			if err := c.check(b, c.askOracle(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestXLADevices(t *testing.T) {
	if b := xlaCPU(t, 3); b.NumDevices() != 3 {
		t.Errorf("want 3 devices, got %d", b.NumDevices())
	}
}

// TestXLARefuses wants one line and a hint for what is no plugin, or one that go-xla's calls do not fit.
func TestXLARefuses(t *testing.T) {
	cuda := filepath.Join(t.TempDir(), "xla_cuda_plugin.so")
	refused := map[string]string{"": "got none", "/a,b.so": "without ','", "/absent.so": "no such file", t.TempDir(): "not a file"}
	if path, err := native.Library(native.XLACPU); err == nil && native.GPUs().Devices == 0 {
		if err := os.Symlink(path, cuda); err != nil {
			t.Fatal(err)
		}
		refused[cuda] = "NVIDIA"
	}
	for plugin, want := range refused {
		b, err := New(Options{Kind: XLA, Plugin: plugin})
		if err == nil || b != nil {
			t.Errorf("%q: want an error alone, got %v, %v", plugin, b, err)
			continue
		}
		var hint interface{ Hint() string }
		if !errors.As(err, &hint) || hint.Hint() == "" || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: want one line with %q and a hint, got %v", plugin, want, err)
		}
	}
	for version, want := range map[[2]int]bool{{0, 75}: false, {0, 76}: true, {0, 115}: true, {1, 0}: false} {
		if got := fits(version[0], version[1]); got != want {
			t.Errorf("PJRT %v: want %v, got %v", version, want, got)
		}
	}
}

func TestChooseDevice(t *testing.T) {
	for _, c := range []struct {
		now   string
		index int
		want  string
	}{{"", 1, "1"}, {"4,5, 6", 2, "6"}, {"GPU-a,GPU-b", 1, "GPU-b"}} {
		if got, err := chooseDevice(c.now, c.index); err != nil || got != c.want {
			t.Errorf("%q, %d: want %q, got %q, %v", c.now, c.index, c.want, got, err)
		}
	}
	if _, err := chooseDevice("0", 1); err == nil {
		t.Error("want an error for a device that is not visible")
	}
}
