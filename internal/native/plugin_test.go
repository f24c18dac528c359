package native

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestPlugins wants plugins found by name, a GPU's first, those of the variable before those of the home folder.
func TestPlugins(t *testing.T) {
	home, mine := t.TempDir(), t.TempDir()
	t.Setenv("NITRAIN_HOME", home)
	t.Setenv(PluginVariable, mine)
	if _, err := FindPlugin(""); err == nil || !strings.Contains(hintOf(err), "jax") || !strings.Contains(err.Error(), mine) {
		t.Errorf("want an error that says where was looked, with a hint, got %v", err)
	}
	if _, err := FindPlugin("cpu"); !strings.Contains(hintOf(err), "setup --with xla-cpu") {
		t.Errorf("want the command that supplies it, got %v", err)
	}
	own := filepath.Join(home, "lib", "pjrt")
	if err := os.MkdirAll(filepath.Join(own, "pjrt-plugin-folder.so"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		filepath.Join(own, "pjrt_c_api_cpu_plugin.so"), filepath.Join(own, "xla_cuda_plugin.so"), filepath.Join(mine, "pjrt-plugin-cpu.so"),
	} {
		put(t, nil, path)
	}
	for name, want := range map[string]string{
		"": filepath.Join(own, "xla_cuda_plugin.so"), "cuda": filepath.Join(own, "xla_cuda_plugin.so"),
		"cpu": filepath.Join(mine, "pjrt-plugin-cpu.so"), "/a/b": "/a/b", "c.so": "c.so",
	} {
		if got, err := FindPlugin(name); err != nil || got != want {
			t.Errorf("%q: want %s, got %s, %v", name, want, got, err)
		}
	}
	if got := Plugins(); len(got) != 2 {
		t.Errorf("want two plugins, got %v", got)
	}
}

// TestCheckPlugin wants every wrong file refused, in one line, before it is loaded.
func TestCheckPlugin(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("libraries of other systems are not looked into")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, foreign := filepath.Join(t.TempDir(), "text.so"), filepath.Join(t.TempDir(), "foreign.so")
	put(t, []byte("not a library"), text)
	raw := make([]byte, 64)
	copy(raw, "\x7fELF\x02\x01\x01")
	raw[16], raw[18], raw[20], raw[52] = 3, 243, 1, 64 // a library for RISC-V
	put(t, raw, foreign)
	for path, want := range map[string]string{
		text: "not a library", foreign: "RISCV", t.TempDir(): "not a file", self: "", filepath.Join(t.TempDir(), "absent.so"): "no such file",
	} {
		err := CheckPlugin(path)
		if err == nil || hintOf(err) == "" || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: want one line with %q and a hint, got %v", path, want, err)
		}
	}
	if path, err := Library(XLACPU); err == nil {
		if err := CheckPlugin(path); err != nil {
			t.Errorf("want the real plugin accepted, got %v", err)
		}
	}
}

func TestGPUs(t *testing.T) {
	root := t.TempDir()
	if got := examineGPUs(root); got != (GPU{}) {
		t.Errorf("want none, got %+v", got)
	}
	for path, content := range map[string]string{
		"sys/bus/pci/devices/0000:01:00.0/vendor": "0x10de\n", "sys/bus/pci/devices/0000:01:00.0/class": "0x030200\n",
		"sys/bus/pci/devices/0000:01:00.1/vendor": "0x10de\n", "sys/bus/pci/devices/0000:01:00.1/class": "0x040300\n", // its sound
	} {
		path = filepath.Join(root, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, []byte(content), path)
	}
	if got := examineGPUs(root); got != (GPU{Cards: 1}) {
		t.Errorf("want a card without a driver, got %+v", got)
	}
	for path, content := range map[string]string{
		"dev/nvidia0": "", "dev/nvidiactl": "",
		"proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC version: 12\n",
	} {
		path = filepath.Join(root, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, []byte(content), path)
	}
	if got := examineGPUs(root); got != (GPU{1, 1, "550.54.15"}) {
		t.Errorf("want a card with its driver, got %+v", got)
	}
}
