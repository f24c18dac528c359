//go:build cgo

package engine

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

const conformanceChild = "NITRAIN_ENGINE_CONFORMANCE"

// TestConformanceChild runs GoMLX's own suite, which skips what a backend says it lacks.
func TestConformanceChild(t *testing.T) {
	if os.Getenv(conformanceChild) == "" {
		t.Skip("runs as a child of TestConformance")
	}
	backendtest.RunAll(t, repaired(t), nil)
}

// lacking lists what the suite may skip, and why.
func lacking() map[string]string {
	return map[string]string{
		`(?i)bfloat16|bf16|/SumFullReduction$|/BroadcastInDim/Scalar$`: "onnxruntime has no bfloat16 on the CPU",
		`/UnaryOps/(BitwiseNot|BitCount|Clz)$`:                         "ONNX has no such operator, and no network that we import",
		`/SpecialOps/ReduceBitwise$`:                                   "ONNX has no such operator, and no network that we import",
		`^TestConformanceChild/Bitcast$`:                               "ONNX has no such operator, and no network that we import",
		`^TestConformanceChild/Functions$`:                             "compute-onnx records no closures, so no control flow",
		`/SpecialOps/SelectAndScatter/Min$`:                            "minimum pooling has no gradient; Neg and maximum pooling do it",
	}
}

// TestConformance wants the suite passed, nothing skipped that is not on the list, and nothing on the list needlessly.
func TestConformance(t *testing.T) {
	options(t)
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
