// Package measure is what the benchmarks share: whether anything else used the machine, and where the figures stand in a
// document. It reads Linux's /proc; elsewhere its numbers are zero.
package measure

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// clockTick is the unit of the processor times in /proc: USER_HZ, 100 a second on Linux.
const clockTick = 0.01

// Busy returns the seconds that all processors together were busy since the machine started.
func Busy() float64 {
	raw, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(raw), "\n")
	sum := 0.0
	for i, f := range strings.Fields(line) {
		v, err := strconv.ParseFloat(f, 64)
		if err == nil && i != 4 && i != 5 && i < 9 { // without idle and iowait
			sum += v
		}
	}
	return sum * clockTick
}

// Quiet says whether others, who were busy for that many seconds meanwhile, left a sample of some seconds alone.
func Quiet(others, seconds float64) bool { return others <= 0.05*seconds+0.03 }

// Process returns the seconds that a process was busy.
func Process(pid int) float64 {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(raw), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(f[11], 64)
	system, _ := strconv.ParseFloat(f[12], 64)
	return (user + system) * clockTick
}

// Processor returns the name of the machine's processor.
func Processor() string {
	raw, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(rest, " \t:"))
		}
	}
	return runtime.GOARCH
}

// Section replaces what stands between two marks of a document, "<!-- name -->" and "<!-- end of name -->", or prints it
// where no document is named.
func Section(path, name, text string) error {
	if path == "" {
		_, err := os.Stdout.WriteString(text)
		return err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->"
	before, rest, found := strings.Cut(string(raw), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("%s: want the marks %q and %q", path, strings.TrimSpace(begin), end)
	}
	return os.WriteFile(path, []byte(before+begin+text+end+after), 0o644)
}
