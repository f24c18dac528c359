package batch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// InputError is a scan that could not be read.
type InputError struct {
	Path string
	Err  error
}

// Error describes the fault and names the file once.
func (e *InputError) Error() string { return about(e.Path, e.Err) }

// Unwrap returns the cause.
func (e *InputError) Unwrap() error { return e.Err }

// WriteError is a result that could not be written.
type WriteError struct {
	Path string // the result, as the user knows it
	Err  error
}

// Error names the result, not the file in which it was being written.
func (e *WriteError) Error() string { return e.Path + ": cannot be written: " + cause(e.Err).Error() }

// Unwrap returns the cause.
func (e *WriteError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *WriteError) Hint() string {
	switch {
	case full(e.Err):
		return "make room, or name a folder on another disk; --resume then leaves out what is finished"
	case errors.Is(e.Err, fs.ErrPermission) || errors.Is(e.Err, syscall.EROFS):
		return "name a folder that this user may write to"
	}
	var h interface{ Hint() string }
	if errors.As(e.Err, &h) {
		return h.Hint()
	}
	return ""
}

// cause is what the system said about a file, without the name of the file.
func cause(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// hopeless tells errors that every later scan would meet too.
func hopeless(err error) bool { return full(err) || errors.Is(err, syscall.EROFS) }

// PlaceError is a place for results that cannot hold them, or that would destroy a scan or another result.
type PlaceError struct{ Err error }

// Error describes the fault.
func (e *PlaceError) Error() string { return e.Err.Error() }

// Unwrap returns the fault.
func (e *PlaceError) Unwrap() error { return e.Err }

// Failure is a scan without results.
type Failure struct {
	Job Job
	Err error
}

// FailedError lists the scans of a run that failed.
type FailedError struct {
	Failures []Failure
	Cases    int // of the run
}

// Error is a table: a line for each scan.
func (e *FailedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d scans failed:", len(e.Failures), e.Cases)
	width := 0
	for _, f := range e.Failures {
		width = max(width, min(48, len(f.Job.scan())))
	}
	for _, f := range e.Failures {
		fmt.Fprintf(&b, "\n  %-*s  %s", width, f.Job.scan(), strings.ReplaceAll(plain(f.Err), "\n", "\n    "))
	}
	return b.String()
}

// Unwrap gives the single failures to errors.Is and errors.As.
func (e *FailedError) Unwrap() []error {
	errs := make([]error, len(e.Failures))
	for i, f := range e.Failures {
		errs[i] = f.Err
	}
	return errs
}

// Hint has the advice of the failures, each once.
func (e *FailedError) Hint() string {
	var hints []string
	seen := map[string]bool{}
	for _, f := range e.Failures {
		if h := hint(f.Err); h != "" && !seen[h] {
			seen[h] = true
			hints = append(hints, h)
		}
	}
	return strings.Join(hints, "\n      ")
}

// hint returns the advice of the outermost error that has one.
func hint(err error) string {
	for err != nil {
		var h interface{ Hint() string }
		if !errors.As(err, &h) {
			return ""
		}
		if text := h.Hint(); text != "" {
			return text
		}
		deeper, _ := h.(error)
		err = errors.Unwrap(deeper)
	}
	return ""
}

// caseError is a failure that names its scan.
type caseError struct {
	scan string
	err  error
}

func (e *caseError) Error() string { return about(e.scan, e.err) }
func (e *caseError) Unwrap() error { return e.err }

// about puts a file's name in front of an error that does not have it yet.
func about(path string, err error) string {
	text := plain(err)
	if strings.Contains(text, path) {
		return text
	}
	return path + ": " + text
}

// plain is an error's text without the package that every failure of a prediction would name.
func plain(err error) string { return strings.TrimPrefix(err.Error(), "predict: ") }

// scan names what a job predicts, as the command line does.
func (j Job) scan() string { return strings.Join(j.Images, ",") }
