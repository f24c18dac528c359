// Package shared finds the folder of shared test material, which is not part of the project.
package shared

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Dir returns the path of a file or folder below the shared material: $NITRAIN_SHARED, by default
// ../shared beside the project's root. The test is skipped with a reason when it is absent.
func Dir(t testing.TB, elem ...string) string {
	t.Helper()
	root := os.Getenv("NITRAIN_SHARED")
	if root == "" {
		_, file, _, _ := runtime.Caller(0)
		root = filepath.Join(filepath.Dir(file), "..", "..", "..", "shared")
	}
	path := filepath.Join(append([]string{root}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("shared test material is absent: %s (set NITRAIN_SHARED)", path)
	}
	return path
}
