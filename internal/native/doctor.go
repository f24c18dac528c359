package native

import (
	"fmt"
	"os"
	"runtime"
	"slices"
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
	Engine      Engine    `json:"engine"`
	ONNXRuntime Runtime   `json:"onnxruntime"`
	OpenVINO    Optional  `json:"openvino"`
	Plugins     []PJRT    `json:"plugins"` // of XLA; never null
	GPU         GPU       `json:"gpu"`
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

// Optional describes a library that nothing needs. Problem says why it cannot be used, "" if it can.
type Optional struct {
	Path    string `json:"path,omitempty"`
	Version string `json:"version,omitempty"` // of onnxruntime
	Problem string `json:"problem,omitempty"`
}

// Engine describes the kernels of our own that train on the CPU.
type Engine struct {
	Usable  bool   `json:"usable"`  // they are in this program
	Vectors string `json:"vectors"` // the instruction set that they use here
}

// PJRT describes a plugin of XLA. Problem says why it cannot be used, "" if it can.
type PJRT struct {
	Name    string `json:"name"`
	Path    string `json:"path"`
	Version string `json:"version"` // of PJRT's C interface
	Problem string `json:"problem,omitempty"`
}

// Load loads libraries and asks them what they are.
type Load struct {
	Runtime func(path string) (version string, providers []string, err error) // ort.Library
	Plugin  func(path string) (version string, err error)                     // convert.PluginVersion
}

// Missing is a part that this machine lacks.
type Missing struct {
	Part    string `json:"part"`
	Why     string `json:"why"`
	Command string `json:"command"` // what supplies it
}

// Doctor examines this machine.
func Doctor(load Load) Report {
	r := Report{
		OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(), Cgo: cgo, CPU: examineCPU(),
		Memory: MachineMemory(), Engine: examineEngine(), GPU: GPUs(), Plugins: []PJRT{}, Missing: []Missing{},
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
	r.examineRuntime(load.Runtime)
	r.examineOpenVINO()
	r.examinePlugins(load.Plugin)
	if r.GPU.Cards > 0 && r.GPU.Devices == 0 {
		r.Missing = append(r.Missing, Missing{
			Part: "NVIDIA driver", Why: fmt.Sprintf("%d cards are on the bus, and no driver offers them", r.GPU.Cards),
			Command: "the system's package of NVIDIA's driver; nvidia-smi must list the cards",
		})
	}
	return r
}

// examineEngine says which loops the kernels choose: kernel/map.c and kernel/simd.c do it by the same features.
func examineEngine() Engine {
	have := features()
	has := func(f string) bool { return slices.Contains(have, f) }
	e := Engine{Usable: cgo, Vectors: "4 floats"}
	switch {
	case has("avx512f"):
		e.Vectors = "AVX-512, 16 floats"
	case has("avx2") && has("fma"):
		e.Vectors = "AVX2, 8 floats"
	}
	return e
}

func (r *Report) examinePlugins(load func(string) (string, error)) {
	for _, p := range Plugins() {
		found := PJRT{Name: p.Name, Path: p.Path}
		err := CheckPlugin(p.Path)
		if err == nil && cgo {
			found.Version, err = load(p.Path)
		}
		if err != nil {
			found.Problem = err.Error()
			r.miss("PJRT plugin "+p.Name, err, "nitrain setup --with "+XLACPU+", or remove "+p.Path)
		}
		r.Plugins = append(r.Plugins, found)
	}
	if len(r.Plugins) > 0 {
		return
	}
	command := "nitrain setup --with " + XLACPU + " (XLA on the CPU, slow: for tests)"
	if r.GPU.Devices > 0 {
		command = GPUPlugin
	}
	r.Missing = append(r.Missing, Missing{Part: "PJRT plugin", Why: "none is installed; only --device xla needs one", Command: command})
}

// examineOpenVINO looks at the files alone: a process can load one onnxruntime, which is the other one.
func (r *Report) examineOpenVINO() {
	path, err := Library(OpenVINO)
	if err != nil {
		r.OpenVINO.Problem = err.Error()
		if _, unknown := artifactFor(OpenVINO, machine()); unknown == nil {
			r.Missing = append(r.Missing, Missing{
				Part: "OpenVINO", Why: err.Error() + "; only --provider openvino needs it",
				Command: "nitrain setup --with " + OpenVINO,
			})
		}
		return
	}
	r.OpenVINO = Optional{Path: path, Version: OpenVINOVersion}
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
		if a, unknown := artifactFor(ONNXRuntime, machine()); unknown == nil {
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
	if r.GPU.Devices > 0 && cgo && !strings.Contains(strings.Join(o.Providers, " "), "cuda") {
		r.Missing = append(r.Missing, Missing{
			Part: "CUDA provider", Why: "there is an NVIDIA device, but this onnxruntime cannot use it",
			Command: "export " + LibraryVariable + "=PATH of a GPU build of onnxruntime " + Version,
		})
	}
}

// supply returns the command that gets onnxruntime for this machine.
func supply() string {
	if _, err := artifactFor(ONNXRuntime, machine()); err != nil || os.Getenv(LibraryVariable) != "" {
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
	line("cpu engine", "%s", map[bool]string{true: r.Engine.Vectors, false: "not in this program"}[r.Engine.Usable])
	if o := r.ONNXRuntime; o.Problem == "" {
		known := map[bool]string{true: "digest known", false: "not one of setup's"}[o.Known]
		line("onnxruntime", "%s, %s: %s (%s)", o.Version, strings.Join(o.Providers, ", "), o.Path, known)
	} else {
		line("onnxruntime", "not usable")
	}
	if o := r.OpenVINO; o.Problem == "" {
		line("openvino", "onnxruntime %s with OpenVINO's provider: %s", o.Version, o.Path)
	}
	for _, p := range r.Plugins {
		if p.Problem == "" {
			line("xla", "plugin %s, PJRT %s: %s", p.Name, p.Version, p.Path)
		} else {
			line("xla", "plugin %s not usable", p.Name)
		}
	}
	switch {
	case r.GPU.Devices > 0:
		line("gpu", "%d NVIDIA devices, driver %s", r.GPU.Devices, r.GPU.Driver)
	default:
		line("gpu", "no NVIDIA device")
	}
	for _, m := range r.Missing {
		line("missing", "%s: %s\n%-12s   %s", m.Part, m.Why, "", m.Command)
	}
	return b.String()
}

func gib(n int64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }
