package convert_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// childMark begins the lines of a child's output that are meant for its parent.
const childMark = "@suite\t"

// TestSuiteChild is the child process of TestSuite: engines and runtimes can end or stop the process that
// they run in. It reads the names of cases and writes a verdict for each.
func TestSuiteChild(t *testing.T) {
	name := os.Getenv("NITRAIN_SUITE_RUNNER")
	if name == "" {
		t.Skip("this is the child process of TestSuite")
	}
	run := newRunner(t, name)
	cases := suite(t)
	list := bufio.NewScanner(os.Stdin)
	for list.Scan() {
		fmt.Printf("%sbegin\t%s\n", childMark, list.Text())
		v := verdict{status: refused}
		c, err := readCase(list.Text(), cases[list.Text()])
		if err != nil {
			v.why = err.Error()
		} else {
			v = run(c)
		}
		why := strings.Join(strings.Fields(v.why), " ")
		fmt.Printf("%send\t%s\t%s\t%s\n", childMark, list.Text(), v.status, why)
	}
}

// runSuite runs cases in child processes. A child that ends early costs the case that it was at.
func runSuite(t *testing.T, name string, cases []string) map[string]verdict {
	t.Helper()
	out := map[string]verdict{}
	for left := cases; len(left) > 0; {
		at, err := runChild(t, name, left, out)
		left = slices.DeleteFunc(slices.Clone(left), func(c string) bool { _, ok := out[c]; return ok })
		if len(left) == 0 {
			break
		}
		if at == "" {
			t.Fatalf("%s: the child process did nothing: %v", name, err)
		}
		out[at] = verdict{crashed, fmt.Sprint(err)}
		left = slices.DeleteFunc(left, func(c string) bool { return c == at })
	}
	return out
}

// runChild runs one child process until it ends, and returns the case at which it ended early.
func runChild(t *testing.T, name string, cases []string, out map[string]verdict) (at string, err error) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestSuiteChild$", "-test.timeout=30m")
	cmd.Env = append(os.Environ(), "NITRAIN_SUITE_RUNNER="+name)
	cmd.Stdin = strings.NewReader(strings.Join(cases, "\n") + "\n")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// A case that does not end within a minute is as good as a crash.
	watch := time.AfterFunc(5*time.Minute, func() { _ = cmd.Process.Kill() })
	defer watch.Stop()
	lines := bufio.NewReader(pipe)
	for {
		line, readErr := lines.ReadString('\n')
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), strings.TrimSpace(childMark)); ok {
			f := strings.SplitN(strings.TrimSpace(text), "\t", 4)
			switch {
			case f[0] == "begin":
				at = f[1]
				watch.Reset(time.Minute)
			case len(f) >= 3:
				v := verdict{status: f[2]}
				if len(f) > 3 {
					v.why = f[3]
				}
				out[f[1]], at = v, ""
			}
		}
		if readErr == io.EOF {
			break
		}
		if readErr != nil {
			t.Fatal(readErr)
		}
	}
	if err = cmd.Wait(); err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		err = fmt.Errorf("%w: %s", err, lines[0])
	}
	return at, err
}
