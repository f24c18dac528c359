package cpu

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/gomlx/compute/support/backendtest"
)

const conformanceChild = "NITRAIN_CPU_CONFORMANCE"

// testBackend starts a backend that overwrites what is dead.
func testBackend(t testing.TB, o Options) *Backend {
	t.Helper()
	if o.Threads == 0 {
		o.Threads = 2
	}
	b, err := New(o)
	if err != nil {
		t.Skip(err)
	}
	b.poison = true
	t.Cleanup(b.Finalize)
	return b
}

// TestConformanceChild runs GoMLX's own suite, which skips what a backend says it lacks.
func TestConformanceChild(t *testing.T) {
	if os.Getenv(conformanceChild) == "" {
		t.Skip("runs as a child of TestConformance")
	}
	backendtest.RunAll(t, testBackend(t, Options{}), nil)
}

// lacking lists what the suite may skip, and why.
func lacking() map[string]string {
	return map[string]string{
		`/FusedOps/`:                   "GoMLX builds fused operations of others here; recognising them is the rewriter's",
		`/DotGeneral/DTypes/.*Float16`: "the suite itself, and the interpreter, leave out products of two types",
	}
}

// TestConformance wants the suite passed, nothing skipped that is not on the list, and nothing on the list needlessly.
func TestConformance(t *testing.T) {
	testBackend(t, Options{})
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestConformanceChild$", "-test.v")
	cmd.Env = append(os.Environ(), conformanceChild+"=1", "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	used := map[string]bool{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		_, name, found := strings.Cut(lines.Text(), "--- SKIP: ")
		if !found {
			continue
		}
		name, _, _ = strings.Cut(name, " ")
		known := false
		for pattern := range lacking() {
			if regexp.MustCompile(pattern).MatchString(name) {
				used[pattern], known = true, true
			}
		}
		if !known {
			t.Errorf("%s: skipped without a reason on the list", name)
		}
	}
	for pattern, reason := range lacking() {
		if !used[pattern] {
			t.Errorf("%s: nothing of it is skipped; the reason %q can go", pattern, reason)
		}
	}
}
