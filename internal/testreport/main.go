// Command testreport reads the events of `go test -json` and prints what a person needs: each
// package's result, the whole output of what failed, and what was skipped and why.
//
// It exits with 1 when anything failed, a package that did not build included.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// event is one line of `go test -json` (see `go doc test2json`).
type event struct {
	Action      string
	Package     string
	ImportPath  string // of a build's output
	Test        string
	Output      string
	Elapsed     float64
	FailedBuild string
}

type report struct {
	passed, failed, skipped int
	output                  map[string][]string // by package and test
	reasons                 map[string][]string // tests by reason for skipping
	broken                  bool
}

func main() {
	r := report{output: map[string][]string{}, reasons: map[string][]string{}}
	if err := r.read(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(1)
	}
	r.summary(os.Stdout)
	if r.failed > 0 || r.broken {
		os.Exit(1)
	}
}

func (r *report) read(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				fmt.Fprint(out, string(line)) // not an event: what the go command itself says
			} else {
				r.take(e, out)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) take(e event, out io.Writer) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "output":
		r.output[key] = append(r.output[key], e.Output)
	case "build-output":
		fmt.Fprint(out, e.Output)
	case "build-fail":
		r.broken = true
	case "pass", "fail", "skip":
		r.end(e, key, out)
		delete(r.output, key)
	}
}

func (r *report) end(e event, key string, out io.Writer) {
	if e.Test == "" {
		if e.Action == "fail" {
			r.broken = true
			for k, lines := range r.output { // also of tests that a crash left without an end
				if strings.HasPrefix(k, e.Package+" ") {
					fmt.Fprint(out, strings.Join(lines, ""))
				}
			}
		}
		if e.Action != "skip" {
			fmt.Fprintf(out, "%-5s %6.1fs  %s\n", e.Action, e.Elapsed, e.Package)
		}
		return
	}
	switch e.Action {
	case "pass":
		r.passed++
	case "fail":
		r.failed++
		fmt.Fprint(out, strings.Join(r.output[key], ""))
	case "skip":
		r.skipped++
		why := reason(r.output[key])
		r.reasons[why] = append(r.reasons[why], strings.TrimPrefix(e.Package, "github.com/nitrain/nitrain/")+"."+e.Test)
	}
}

// reason is what a test said when it skipped itself: the first line that it logged, or the last of what it
// printed.
func reason(output []string) string {
	last := "no reason given"
	for _, line := range output {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "---") || strings.HasPrefix(line, "===") {
			continue
		}
		if _, text, ok := strings.Cut(line, ".go:"); ok { // file.go:12: reason
			if _, text, ok = strings.Cut(text, ": "); ok {
				return text
			}
		}
		last = line
	}
	return last
}

func (r *report) summary(out io.Writer) {
	if r.skipped > 0 {
		fmt.Fprintln(out, "skipped:")
		reasons := make([]string, 0, len(r.reasons))
		for why := range r.reasons {
			reasons = append(reasons, why)
		}
		slices.Sort(reasons)
		for _, why := range reasons {
			tests := r.reasons[why]
			more := ""
			if len(tests) > 3 {
				more = fmt.Sprintf(" and %d more", len(tests)-3)
				tests = tests[:3]
			}
			fmt.Fprintf(out, "  %s: %s%s\n", why, strings.Join(tests, ", "), more)
		}
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
}
