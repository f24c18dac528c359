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

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/support/backendtest"
)

const conformanceChild = "NITRAIN_ENGINE_CONFORMANCE"

// TestConformanceChild runs GoMLX's own suite, which skips what a backend says it lacks.
func TestConformanceChild(t *testing.T) {
	name := os.Getenv(conformanceChild)
	if name == "" {
		t.Skip("runs as a child of TestConformance")
	}
	for _, e := range engines() {
		if e.name == name {
			backendtest.RunAll(t, e.start(t), nil)
		}
	}
}

// A conforming engine passes the suite but for what it lacks. The engine of our own kernels is held to it in package cpu,
// where what is dead in its memory is overwritten.
type conforming struct {
	name    string
	start   func(testing.TB) compute.Backend
	lacking map[string]string // what the suite may skip, and why
	quick   string            // pattern of the part that ordinary tests run; "" is all, and so it is with NITRAIN_ACCEPTANCE
}

func engines() []conforming {
	return []conforming{
		{"onnx", repaired, map[string]string{
			`(?i)bfloat16|bf16|/SumFullReduction$|/BroadcastInDim/Scalar$`: "onnxruntime has no bfloat16 on the CPU",
			`/UnaryOps/(BitwiseNot|BitCount|Clz)$`:                         "ONNX has no such operator, and no network that we import",
			`/SpecialOps/ReduceBitwise$`:                                   "ONNX has no such operator, and no network that we import",
			`^TestConformanceChild/Bitcast$`:                               "ONNX has no such operator, and no network that we import",
			`^TestConformanceChild/Functions$`:                             "compute-onnx records no closures, so no control flow",
			`/SpecialOps/SelectAndScatter/Min$`:                            "minimum pooling has no gradient; Neg and maximum pooling do it",
		}, ""},
		// XLA compiles slowly; its convolutions and products take 18 s.
		{"xla", func(t testing.TB) compute.Backend { return xlaCPU(t, 1) }, map[string]string{
			`Dynamic`:             "go-xla takes static shapes alone, and so do our graphs",
			`/SpecialOps/CumSum$`: "StableHLO has no such operator; GoMLX and the importer write sums of windows or products",
			`/FusedOps/`:          "GoMLX fuses nothing for it on the CPU: XLA does that itself",
			`(?i)/float16/|/ConfigDTypes$|/BroadcastInDim/Interspaced$`: "go-xla does not declare float16; our graphs compute in float32",
		}, "^(BinaryOps|UnaryOps|Exec|Functions|SpecialOps)$"},
	}
}

// TestConformance wants the suite passed, nothing skipped that is not on the list, and nothing on the list needlessly.
func TestConformance(t *testing.T) {
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			e.start(t)
			e.conform(t)
		})
	}
}

func (e conforming) conform(t *testing.T) {
	all := e.quick == "" || os.Getenv("NITRAIN_ACCEPTANCE") != ""
	run := "^TestConformanceChild$"
	if !all {
		run += "/" + e.quick
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+run, "-test.v")
	cmd.Env = append(os.Environ(), conformanceChild+"="+e.name, "GORACE=atexit_sleep_ms=0")
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
		for pattern := range e.lacking {
			if regexp.MustCompile(pattern).MatchString(name) {
				used[pattern], known = true, true
			}
		}
		if !known {
			t.Errorf("%s: skipped without a reason on the list", name)
		}
	}
	for pattern, reason := range e.lacking {
		if all && !used[pattern] {
			t.Errorf("%s: nothing of it is skipped; the reason %q can go", pattern, reason)
		}
	}
}
