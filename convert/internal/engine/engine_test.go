package engine

import (
	"errors"
	"path/filepath"
	"testing"
)

// TestNewRefuses wants errors that say what to do, whatever the options.
func TestNewRefuses(t *testing.T) {
	for name, o := range map[string]Options{
		"kind":    {Kind: "xla"},
		"threads": {Kind: Go, Threads: -1},
		"library": {Kind: ONNX, Library: filepath.Join(t.TempDir(), "absent.so")},
		"none":    {},
		"comma":   {Library: "/a,b.so"},
	} {
		b, err := New(o)
		if err == nil || b != nil {
			t.Errorf("%s: want an error alone, got %v, %v", name, b, err)
			continue
		}
		var e *Error
		if !errors.As(err, &e) || e.Hint() == "" {
			t.Errorf("%s: want an *Error with a hint, got %v", name, err)
		}
	}
}

func TestGo(t *testing.T) {
	b, err := New(Options{Kind: Go})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Finalize()
	for _, c := range allCases() {
		if c.name == "conv k3/3d" {
			if got := c.oracle(t); len(got.Output) == 0 {
				t.Error("no output")
			}
		}
	}
}
