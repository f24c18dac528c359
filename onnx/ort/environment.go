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

// load makes the environment ready. A load that fails can be tried again, for instance after a setup.
func load(library string) error {
	environment.Lock()
	defer environment.Unlock()
	if environment.library != "" && library == "" {
		return nil
	}
	if library == "" {
		found, err := native.Library(native.ONNXRuntime)
		if err != nil {
			return err
		}
		library = found
	}
	library, err := filepath.Abs(library)
	if err != nil {
		return fmt.Errorf("ort: %w", err)
	}
	if environment.library != "" {
		if library != environment.library {
			return fmt.Errorf("ort: library %s: this process has already loaded %s", library, environment.library)
		}
		return nil
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

// Library loads onnxruntime, from path or from native.Library when path is "", and returns its version and the
// providers that it can use: "cpu", and "cuda" when both the library and the machine have it.
func Library(path string) (version string, providers []string, err error) {
	if err := load(path); err != nil {
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
