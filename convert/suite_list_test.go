package convert_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// listPath is the file with the cases that a runner does not pass: name, verdict and reason in each line.
func listPath(name string) string { return filepath.Join("testdata", "suite", name+".tsv") }

// readList reads the cases that a runner is known not to pass.
func readList(t *testing.T, name string) map[string]verdict {
	t.Helper()
	raw, err := os.ReadFile(listPath(name))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]verdict{}
	for line := range strings.Lines(string(raw)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if strings.HasPrefix(line, "#") {
			continue
		}
		if len(f) != 3 || f[2] == "" {
			t.Fatalf("%s: want name, verdict and reason, got %q", listPath(name), line)
		}
		out[f[0]] = verdict{f[1], f[2]}
	}
	return out
}

// compareLists fails for every case that does not do what the list says, which must name all that fail.
func compareLists(t *testing.T, name string, got map[string]verdict) {
	t.Helper()
	known := readList(t, name)
	for _, c := range sorted(got) {
		v, k := got[c], known[c]
		ok := v.status == passed || v.status == bound
		switch {
		case ok && k.status != "":
			t.Errorf("%s: %s passes, but is listed as %s: %s", name, c, k.status, k.why)
		case !ok && k.status == "":
			t.Errorf("%s: %s is %s: %s", name, c, v.status, v.why)
		case !ok && k.status != v.status:
			t.Errorf("%s: %s is %s (%s), but listed as %s", name, c, v.status, v.why, k.status)
		}
	}
}

// writeList writes the list of a runner anew; reasons that are there stay.
func writeList(t *testing.T, name string, got map[string]verdict) {
	t.Helper()
	known := map[string]verdict{}
	if _, err := os.Stat(listPath(name)); err == nil {
		known = readList(t, name)
	}
	var s strings.Builder
	fmt.Fprintf(&s, "# Cases of the ONNX backend suite that %s does not pass: name, verdict, reason.\n", name)
	for _, c := range sorted(got) {
		v := got[c]
		if v.status == passed || v.status == bound {
			continue
		}
		if k := known[c]; k.status == v.status {
			v = k
		} else {
			v.why = shortReason(v.why)
		}
		fmt.Fprintf(&s, "%s\t%s\t%s\n", c, v.status, v.why)
	}
	if err := os.MkdirAll(filepath.Dir(listPath(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(listPath(name), []byte(s.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// shortReason takes from an error what says why.
func shortReason(s string) string {
	s = strings.TrimPrefix(s, "convert: 1 of the model's nodes cannot be built; ")
	s = strings.TrimPrefix(s, "ort: model in memory: ")
	s = regexp.MustCompile(` \("[^"]*"\):`).ReplaceAllString(s, ":")
	s = regexp.MustCompile(`0x[0-9a-f]+`).ReplaceAllString(s, "address")
	if len(s) > 160 {
		s = s[:160]
	}
	return strings.TrimSpace(strings.ToValidUTF8(s, ""))
}

// TestSuite runs the ONNX backend tests in every way and holds the outcome against one list each: a case
// passes, or is listed with the reason why not; a listed case that passes is an error. Ordinary runs take
// a sample and the way of the training engine alone. NITRAIN_SUITE_WRITE=1 writes the lists anew.
func TestSuite(t *testing.T) {
	all := os.Getenv("NITRAIN_ACCEPTANCE") != ""
	var cases []string
	files := suite(t)
	for i, name := range sorted(files) {
		if files[name]["model.onnx"] != nil && (all || i%12 == 0) {
			cases = append(cases, name)
		}
	}
	ways := runners()
	if !all {
		ways = []string{"cpu"}
		backend(t) // skips without an engine
	}
	table := map[string]map[string]verdict{}
	for _, name := range ways {
		t.Run(name, func(t *testing.T) {
			got := runSuite(t, name, cases)
			if os.Getenv("NITRAIN_SUITE_WRITE") != "" && all {
				writeList(t, name, got)
			}
			compareLists(t, name, got)
			table[name] = got
		})
	}
	if all {
		writeTable(t, cases, table)
	}
}

// writeTable replaces the table of the suite in the README.
func writeTable(t *testing.T, cases []string, table map[string]map[string]verdict) {
	sets, total := []string{}, map[string]int{}
	for _, c := range cases {
		set := path.Dir(c)
		if total[set] == 0 {
			sets = append(sets, set)
		}
		total[set]++
	}
	slices.Sort(sets)
	var s strings.Builder
	s.WriteString("| passes of |")
	for _, set := range sets {
		fmt.Fprintf(&s, " %s %d |", set, total[set])
	}
	s.WriteString(" refused by name | differs |\n|---|" + strings.Repeat("---|", len(sets)+2) + "\n")
	titles := map[string]string{
		"onnxruntime": "onnxruntime 1.27 (CPU)", "cpu": "the training engine", "onnx": "the training engine of CUDA, on the CPU", "go": "the reference engine", "export": "the training engine, after export",
	}
	for _, name := range runners() {
		if table[name] == nil {
			continue
		}
		count, other := map[string]int{}, map[string]int{}
		for c, v := range table[name] {
			if v.status == passed || v.status == bound {
				count[path.Dir(c)]++
			} else {
				other[v.status]++
			}
		}
		fmt.Fprintf(&s, "| %s |", titles[name])
		for _, set := range sets {
			fmt.Fprintf(&s, " %d |", count[set])
		}
		fmt.Fprintf(&s, " %d | %d |\n", other[refused]+other[crashed], other[differs])
	}
	const begin, end = "<!-- suite: written by convert's TestSuite -->\n", "<!-- end of suite -->"
	readme := filepath.Join("..", "README.md")
	raw, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(raw), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("README.md has no place for the table")
	}
	if err := os.WriteFile(readme, []byte(before+begin+s.String()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func sorted[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
