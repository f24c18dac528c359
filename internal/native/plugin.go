package native

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// PluginVariable is the environment variable with folders, separated like those of PATH, that PJRT plugins are looked
// for in before nitrain's own.
const PluginVariable = "PJRT_PLUGIN_LIBRARY_PATH"

// pluginFolder is the folder below Home/lib that holds PJRT plugins; whoever has one may put it there.
const pluginFolder = "pjrt"

// pluginEntry is the function that makes a library a PJRT plugin.
const pluginEntry = "GetPjrtApi"

// GPUPlugin is the command that gets a GPU's PJRT plugin, with the libraries that it opens.
const GPUPlugin = "pip install 'jax[cuda13]', then --device xla:…/site-packages/jax_plugins/xla_cuda13/xla_cuda_plugin.so"

// Plugin is a PJRT plugin on the disk.
type Plugin struct {
	Name string // "cuda", "rocm", "cpu": what the file is called after
	Path string
}

// Plugins returns the PJRT plugins in the folders of $PJRT_PLUGIN_LIBRARY_PATH and in Home's, those of GPUs first; of one
// name the first. It looks at names alone.
func Plugins() []Plugin {
	var all []Plugin
	for _, folder := range pluginFolders() {
		for _, pattern := range []string{"pjrt_c_api_*_plugin.so", "xla_*_plugin.so", "pjrt-plugin-*.so"} {
			found, _ := filepath.Glob(filepath.Join(folder, pattern)) // the pattern is a constant; a folder may hold its signs
			before, after, _ := strings.Cut(pattern, "*")
			for _, path := range found {
				name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), before), after)
				known := slices.ContainsFunc(all, func(p Plugin) bool { return p.Name == name })
				if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && !known {
					all = append(all, Plugin{Name: name, Path: path})
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Plugin) int { return a.rank() - b.rank() })
	return all
}

func (p Plugin) rank() int {
	if p.Name == "cpu" {
		return 1
	}
	return 0
}

func pluginFolders() []string {
	folders := filepath.SplitList(os.Getenv(PluginVariable))
	if home, err := Home(); err == nil {
		folders = append(folders, filepath.Join(home, "lib", pluginFolder))
	}
	return folders
}

// FindPlugin returns the path of a PJRT plugin by its name, such as "cpu" or "cuda"; "" is the first of Plugins. What holds
// a separator or ends in .so is a path, and returned as it is. Nothing is downloaded. Errors have a Hint.
func FindPlugin(name string) (string, error) {
	if strings.ContainsRune(name, filepath.Separator) || strings.HasSuffix(name, ".so") {
		return name, nil
	}
	for _, p := range Plugins() {
		if name == "" || p.Name == name {
			return p.Path, nil
		}
	}
	what := "a PJRT plugin"
	if name != "" {
		what = fmt.Sprintf("a PJRT plugin %q", name)
	}
	hint := GPUPlugin
	if name == "cpu" {
		hint = "run: nitrain setup --with " + XLACPU
	}
	return "", &Error{
		Library: "xla", Problem: fmt.Sprintf("want %s in one of %s, found none", what, strings.Join(pluginFolders(), ", ")), hint: hint,
	}
}

// CheckPlugin says whether the file at path can be a PJRT plugin of this machine, without loading it: what is no library,
// or one for another machine, or has another purpose, is refused before any of its code runs. Errors have a Hint.
func CheckPlugin(path string) error {
	fault := &Error{Library: "xla", Path: path, hint: "name a PJRT plugin with --device xla:PATH, such as xla_cuda_plugin.so of jax's wheels"}
	st, err := os.Stat(path)
	if err != nil {
		fault.Problem = "want a PJRT plugin: " + unwrapPath(err).Error()
		return fault
	}
	if !st.Mode().IsRegular() {
		fault.Problem = "want a PJRT plugin, got something that is not a file"
		return fault
	}
	if runtime.GOOS != "linux" {
		return nil // its libraries have another format; loading says what is wrong
	}
	f, err := elf.Open(path)
	if err != nil {
		fault.Problem = "want a PJRT plugin, got a file that is not a library"
		return fault
	}
	defer f.Close()
	want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[runtime.GOARCH]
	if f.Type != elf.ET_DYN {
		fault.Problem = "want a PJRT plugin, got a program"
		return fault
	}
	if f.Machine != want && want != 0 {
		fault.Problem = fmt.Sprintf("want a library for %s, got one for %v", runtime.GOARCH, f.Machine)
		return fault
	}
	symbols, err := f.DynamicSymbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		fault.Problem = "the library is damaged"
		return fault
	}
	if !slices.ContainsFunc(symbols, func(s elf.Symbol) bool { return s.Name == pluginEntry && s.Section != elf.SHN_UNDEF }) {
		fault.Problem = "want a PJRT plugin, got a library without " + pluginEntry
		return fault
	}
	return nil
}
