package digest

import (
	"os"
	"path/filepath"
	"testing"
)

// The digest of "abc" is the first example of FIPS 180-2.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "abc")
	if err := os.WriteFile(path, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := File(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err := File(path + "-missing"); err == nil {
		t.Error("no error for a missing file")
	}
}
