package convert

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/internal/native"
)

func TestParseDevice(t *testing.T) {
	for name, want := range map[string]Device{
		"": {Kind: "cpu", Count: 1}, "auto": {Kind: "cpu", Count: 1}, "CPU": {Kind: "cpu", Count: 1}, "go": {Kind: "go", Count: 1},
		"cuda": {Kind: "cuda", Count: 1}, "cuda:3": {Kind: "cuda", Index: 3, Count: 1},
		"xla": {Kind: "xla", Count: 1}, "xla,devices=2": {Kind: "xla", Count: 2}, "xla:cuda": {Kind: "xla", Plugin: "cuda", Count: 1},
		"xla:/A b/c:d.so,devices=8": {Kind: "xla", Plugin: "/A b/c:d.so", Count: 8},
	} {
		if got, err := ParseDevice(name); err != nil || got != want {
			t.Errorf("%q: want %+v, got %+v, %v", name, want, got, err)
		}
	}
	for _, name := range []string{
		"gpu", "cpu:0", "cpu,devices=2", "auto:", "cuda:", "cuda:x", "cuda:-1", "cuda:1e9", "cuda,devices=2", "xla:", "xla:,devices=2",
		"xla,", "xla,devices=", "xla,devices=0", "xla,devices=99999", "xla:a,count=2", "xlacpu", ":", ",",
	} {
		var e *DeviceError
		if got, err := ParseDevice(name); !errors.As(err, &e) || e.Hint() == "" {
			t.Errorf("%q: want a *DeviceError with a hint, got %+v, %v", name, got, err)
		}
	}
}

// TestNewBackendRefuses wants one line and a hint for every device that this machine cannot have, and no panic.
func TestNewBackendRefuses(t *testing.T) {
	t.Setenv("NITRAIN_HOME", t.TempDir())
	t.Setenv(native.PluginVariable, "")
	text := filepath.Join(t.TempDir(), "text.so")
	if err := os.WriteFile(text, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	refused := map[string]string{
		"tpu": "want auto, cpu", "xla": "found none", "xla:cuda": "found none", "xla:" + text: "not a library",
		"xla:" + self: "PJRT plugin", "xla:" + t.TempDir() + "/": "not a file", "xla:/absent/plugin.so": "no such file",
	}
	if native.GPUs().Devices == 0 {
		refused["cuda"], refused["cuda:1"] = "NVIDIA", "NVIDIA"
	}
	for device, want := range refused {
		b, err := NewBackend(BackendOptions{Device: device})
		if b != nil || err == nil {
			t.Errorf("%s: want an error alone, got %v, %v", device, b, err)
			continue
		}
		var hint interface{ Hint() string }
		if !errors.As(err, &hint) || hint.Hint() == "" || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: want one line with a hint, got %v", device, err)
		}
		if !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "cgo") {
			t.Errorf("%s: want an error with %q, got %v", device, want, err)
		}
	}
}
