package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	text := func(s string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
	}
	if err := Write(path, text("first")); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("enough")
	err := Write(path, func(w io.Writer) error {
		_, err := io.WriteString(w, "second")
		return errors.Join(err, failed)
	})
	if !errors.Is(err, failed) {
		t.Fatalf("error %v, want the writer's own", err)
	}
	check := func(want string) {
		t.Helper()
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Fatalf("%q, %v; want %q", got, err, want)
		}
		entries, err := os.ReadDir(filepath.Dir(path))
		if err != nil || len(entries) != 1 {
			t.Fatalf("%d files are left, %v; want 1", len(entries), err)
		}
	}
	check("first")
	if err := Write(path, text("third")); err != nil {
		t.Fatal(err)
	}
	check("third")
	if err := Write(filepath.Join(path, "below a file"), text("x")); err == nil {
		t.Fatal("no error for a folder that cannot be")
	}
}

func TestTemporary(t *testing.T) {
	for name, want := range map[string]bool{".a.nii.gz-123.partial": true, "a.nii.gz": false, "a.partial": false, ".hidden": false} {
		if Temporary(name) != want {
			t.Errorf("%s: %v, want %v", name, !want, want)
		}
	}
}
