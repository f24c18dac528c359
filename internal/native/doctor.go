package native

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/nitrain/nitrain/internal/digest"
)

// Report is what a machine offers to nitrain.
type Report struct {
	OS          string    `json:"os"`
	Arch        string    `json:"arch"`
	Go          string    `json:"go"`  // version that built this program
	Cgo         bool      `json:"cgo"` // whether this program can load native libraries
	CPU         CPU       `json:"cpu"`
	Memory      Memory    `json:"memory"`
	Home        string    `json:"home"` // folder of the native libraries
	ONNXRuntime Runtime   `json:"onnxruntime"`
	Missing     []Missing `json:"missing"` // never null
}

// CPU describes the processor.
type CPU struct {
	Model    string   `json:"model"`
	Features []string `json:"features"` // those of "avx2 fma avx512f avx512_vnni avx512_bf16 amx_tile amx_int8 amx_bf16 asimd sve" that it has
	Cores    int      `json:"cores"`    // physical, 0 if unknown
	Threads  int      `json:"threads"`  // logical processors
	Usable   int      `json:"usable"`   // how many of those this process uses by default
}

// Memory is in bytes; 0 is unknown, or no limit.
type Memory struct {
	Total     int64 `json:"total"`
	Available int64 `json:"available"`
	Limit     int64 `json:"limit"` // of the container
}

// Runtime describes the onnxruntime library. Problem says why it cannot be used, "" if it can.
type Runtime struct {
	Path      string   `json:"path"`
	SHA256    string   `json:"sha256"`
	Known     bool     `json:"known"`     // the digest is one that Setup installs
	Version   string   `json:"version"`   // as the loaded library says
	Providers []string `json:"providers"` // never null
	Problem   string   `json:"problem,omitempty"`
}

// Missing is a part that this machine lacks.
type Missing struct {
	Part    string `json:"part"`
	Why     string `json:"why"`
	Command string `json:"command"` // what supplies it
}

// Doctor examines this machine. load loads the onnxruntime library at a path and returns its version and
// execution providers; it is ort.Library.
func Doctor(load func(path string) (version string, providers []string, err error)) Report {
	r := Report{
		OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(), Cgo: cgo, CPU: examineCPU(),
		Memory: examineMemory(), Missing: []Missing{},
	}
	home, err := Home()
	if err != nil {
		r.miss("home folder", err, "export NITRAIN_HOME=FOLDER")
	}
	r.Home = home
	if !cgo {
		r.Missing = append(r.Missing, Missing{
			Part: "cgo", Why: "this program was built without it and cannot load native libraries",
			Command: "CGO_ENABLED=1 go build ./cmd/nitrain",
		})
	}
	r.examineRuntime(load)
	return r
}

func (r *Report) miss(part string, why error, command string) {
	r.Missing = append(r.Missing, Missing{Part: part, Why: why.Error(), Command: command})
}

func (r *Report) examineRuntime(load func(string) (string, []string, error)) {
	o := &r.ONNXRuntime
	o.Providers = []string{}
	path, err := Library(ONNXRuntime)
	if err == nil {
		o.Path = path
		o.SHA256, err = digest.File(path)
	}
	if err == nil {
		if a, unknown := artifactFor(machine()); unknown == nil {
			o.Known = a.accepts(o.SHA256)
		}
		if !o.Known && os.Getenv(LibraryVariable) == "" {
			err = &Error{Library: ONNXRuntime, Path: path, Problem: "the file is damaged"}
		}
	}
	if err == nil && cgo {
		var providers []string
		o.Version, providers, err = load(path)
		o.Providers = append(o.Providers, providers...)
	}
	if err != nil {
		o.Problem = err.Error()
		r.miss(ONNXRuntime+" "+Version, err, supply())
		return
	}
	if _, err := os.Stat("/dev/nvidiactl"); err == nil && cgo && !strings.Contains(strings.Join(o.Providers, " "), "cuda") {
		r.Missing = append(r.Missing, Missing{
			Part: "CUDA provider", Why: "there is an NVIDIA device, but this onnxruntime cannot use it",
			Command: "export " + LibraryVariable + "=PATH of a GPU build of onnxruntime " + Version,
		})
	}
}

// supply returns the command that gets onnxruntime for this machine.
func supply() string {
	if _, err := artifactFor(machine()); err != nil || os.Getenv(LibraryVariable) != "" {
		return "export " + LibraryVariable + "=PATH of the shared library of onnxruntime " + Version
	}
	return "nitrain setup"
}

// String returns the report as text for a terminal, one part a line, what is missing last.
func (r Report) String() string {
	var b strings.Builder
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", what, fmt.Sprintf(format, args...))
	}
	line("system", "%s/%s, built with %s, %s", r.OS, r.Arch, r.Go, map[bool]string{true: "cgo", false: "without cgo"}[r.Cgo])
	line("processor", "%s, %d cores, %d threads, %d used", r.CPU.Model, r.CPU.Cores, r.CPU.Threads, r.CPU.Usable)
	line("features", "%s", strings.Join(r.CPU.Features, " "))
	line("memory", "%s, %s free%s", gib(r.Memory.Total), gib(r.Memory.Available), map[bool]string{true: ", limited to " + gib(r.Memory.Limit)}[r.Memory.Limit > 0])
	line("home", "%s", r.Home)
	if o := r.ONNXRuntime; o.Problem == "" {
		known := map[bool]string{true: "digest known", false: "not one of setup's"}[o.Known]
		line("onnxruntime", "%s, %s: %s (%s)", o.Version, strings.Join(o.Providers, ", "), o.Path, known)
	} else {
		line("onnxruntime", "not usable")
	}
	for _, m := range r.Missing {
		line("missing", "%s: %s\n%-12s   %s", m.Part, m.Why, "", m.Command)
	}
	return b.String()
}

func gib(n int64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }
