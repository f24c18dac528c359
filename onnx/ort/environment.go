//go:build cgo

package ort

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	onnxruntime "github.com/yalue/onnxruntime_go"

	"github.com/nitrain/nitrain/internal/native"
)

// environment is onnxruntime's one environment per process. It is loaded at the first use and never unloaded:
// the library's threads outlive sessions, and the training engine may use the same library.
var environment struct { //nolint:gochecknoglobals // the C library has one per process
	sync.Mutex
	library string // the path that was loaded, "" before
}

// load makes the environment ready for a provider. A load that fails can be tried again, for instance after a setup.
func load(library string, p Provider) error {
	environment.Lock()
	defer environment.Unlock()
	if environment.library != "" && library == "" && !p.OpenVINO {
		return nil
	}
	library, err := locate(library, p)
	if err != nil {
		return err
	}
	if environment.library != "" {
		if library == environment.library {
			return nil
		}
		return &Error{
			Problem: fmt.Sprintf("library %s: this process has already loaded %s", library, environment.library),
			hint:    "a process uses one onnxruntime library: open models for OpenVINO first, or in a process of their own",
		}
	}
	onnxruntime.SetSharedLibraryPath(library)
	err = guard(func() error { return onnxruntime.InitializeEnvironment(onnxruntime.WithLogLevelFatal()) })
	if err != nil {
		return &Error{
			Problem: "library " + library, Err: err,
			hint: fmt.Sprintf("onnxruntime %s is wanted: run: nitrain setup", native.Version),
		}
	}
	_ = onnxruntime.DisableTelemetry() // only some builds have it
	environment.library = library
	return nil
}

// locate returns the absolute path of a library, of the provider's own one where none is named.
func locate(library string, p Provider) (string, error) {
	if library == "" {
		name := native.ONNXRuntime
		if p.OpenVINO {
			name = native.OpenVINO
		}
		return native.Library(name)
	}
	library, err := filepath.Abs(library)
	if err != nil {
		return "", fmt.Errorf("ort: %w", err)
	}
	return library, nil
}

// Library loads onnxruntime, from path or from native.Library when path is "", and returns its version and the
// providers that it can use: "cpu", and "cuda" when both the library and the machine have it.
func Library(path string) (version string, providers []string, err error) {
	if err := load(path, Provider{}); err != nil {
		return "", nil, err
	}
	providers = []string{Provider{}.String()}
	if hasCUDA() {
		providers = append(providers, "cuda")
	}
	return onnxruntime.GetVersion(), providers, nil
}

func hasCUDA() bool {
	o, err := newSessionOptions(Options{Provider: Provider{CUDA: true}})
	if err != nil {
		return false
	}
	_ = o.Destroy()
	return true
}

// guard turns a panic in the binding, such as an index out of range, into an error.
func guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the onnxruntime binding failed: %v", r)
		}
	}()
	return plain(f())
}

// plain strips the binding's words from an error and folds it into one line.
func plain(err error) error {
	if err == nil {
		return nil
	}
	s := strings.Join(strings.Fields(err.Error()), " ")
	s = sourceLine().ReplaceAllString(s, "")
	for _, prefix := range []string{
		"Error creating C session from file: ", "Error creating C session: ",
		"Error loading temporary session: ", "Error creating temporary session: ", "Error running network: ",
		"Platform-specific initialization failed: ",
	} {
		s = strings.TrimPrefix(s, prefix)
	}
	return errors.New(s)
}

// sourceLine matches the place in onnxruntime's source, "/onnxruntime_src/x.cc:1 void f(int) const [with T = int] ".
func sourceLine() *regexp.Regexp {
	return regexp.MustCompile(`/\S*onnxruntime_src/\S+:\d+ .*?\)(?: const)?(?: \[with .*?\])? `)
}
