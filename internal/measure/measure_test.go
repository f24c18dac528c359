package measure

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nitrain/nitrain/internal/proc"
)

func TestSection(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.md")
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("a\n<!-- x -->\nold\n<!-- end of x -->\nb\n")
	for range 2 { // the marks stay
		if err := Section(path, "x", "new\n"); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := os.ReadFile(path); string(got) != "a\n<!-- x -->\nnew\n<!-- end of x -->\nb\n" {
		t.Errorf("got %q", got)
	}
	write("<!-- x -->\n")
	if err := Section(path, "x", "new"); err == nil {
		t.Error("want an error for a mark without an end")
	}
}

func TestBusyGrows(t *testing.T) {
	if _, err := os.Stat("/proc/stat"); err != nil {
		t.Skip("no /proc here")
	}
	before := Busy()
	x := 1.0
	for Process(os.Getpid()) < 0.2 {
		for range 1 << 20 {
			x = x*1.0000001 + 1
		}
	}
	if after := Busy(); after <= before {
		t.Errorf("busy %v before %v of work and %v after", before, x, after)
	}
	if proc.Of(os.Getpid(), "VmHWM") < 1<<20 {
		t.Error("want a peak above a megabyte")
	}
}
