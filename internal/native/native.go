// Package native finds, fetches and describes the native libraries that nitrain uses; it loads none of them.
//
// Libraries live below Home. Only Setup downloads, and only when it is called: everything else answers from
// what is on the disk. A library counts as installed when its digest is one of the known ones.
package native

import (
	"errors"
	"os"
	"path/filepath"
)

// ONNXRuntime is the name of the ONNX Runtime library for Library.
const ONNXRuntime = "onnxruntime"

// XLACPU is the name of XLA's CPU plugin for Library: what the tests of the path to GPUs run on.
const XLACPU = "xla-cpu"

// OpenVINO is the name, for Library, of the onnxruntime that has OpenVINO's provider.
const OpenVINO = "openvino"

// LibraryVariable is the environment variable with the path of an onnxruntime library that the user answers
// for: it is used as it is, whatever its digest.
const LibraryVariable = "NITRAIN_ONNXRUNTIME"

// Error says which library is missing or unusable and, in Hint, what to do about it.
type Error struct {
	Library string // "onnxruntime", "openvino", "xla-cpu"
	Path    string // where it was looked for, "" if nowhere
	Problem string
	Err     error // the cause, may be nil
	hint    string
}

func (e *Error) Error() string {
	s := "native: " + e.Library + ": " + e.Problem
	if e.Path != "" {
		s = "native: " + e.Library + ": " + e.Path + ": " + e.Problem
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint returns what the user can do.
func (e *Error) Hint() string { return e.hint }

// Home returns the absolute path of the folder that holds nitrain's libraries and downloads: $NITRAIN_HOME,
// by default "nitrain" in the user's cache folder. The folder need not exist.
func Home() (string, error) {
	if home := os.Getenv("NITRAIN_HOME"); home != "" {
		return filepath.Abs(home)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", &Error{
			Library: "home folder", Problem: "this user has no cache folder", Err: err,
			hint: "set NITRAIN_HOME to a folder that nitrain may write to",
		}
	}
	return filepath.Join(cache, "nitrain"), nil
}

// Library returns the absolute path of an installed native library; name is ONNXRuntime, OpenVINO or XLACPU. For the first
// the file of $NITRAIN_ONNXRUNTIME comes first, then the one that Setup installed below Home. The latter's digest is
// checked once and recorded: as long as the file keeps its size and time, later calls only look at those.
// Errors have a Hint.
func Library(name string) (string, error) {
	if path := os.Getenv(LibraryVariable); path != "" && name == ONNXRuntime {
		return chosen(path)
	}
	a, err := artifactFor(name, machine())
	if err != nil {
		return "", err
	}
	home, err := Home()
	if err != nil {
		return "", err
	}
	_, err = a.verify(home, false)
	return a.path(home), err
}

// chosen returns the library that the user named.
func chosen(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	fault := &Error{Library: ONNXRuntime, Path: path, hint: "correct or unset " + LibraryVariable}
	switch st, err := os.Stat(abs); {
	case err != nil:
		fault.Problem, fault.Err = LibraryVariable+" names a file that cannot be read", unwrapPath(err)
		return "", fault
	case !st.Mode().IsRegular():
		fault.Problem = LibraryVariable + " names something that is not a file"
		return "", fault
	}
	return abs, nil
}

// unwrapPath strips the operation and the path from an error of package os.
func unwrapPath(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}
