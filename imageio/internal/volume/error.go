package volume

import (
	"errors"
	"fmt"
	"strings"
)

// The kinds of bad input. A FormatError wraps one of them.
var (
	ErrTruncated     = errors.New("data ends too early")
	ErrTooLarge      = errors.New("too large")
	ErrUnsupported   = errors.New("not supported")
	ErrGeometry      = errors.New("geometry cannot be used")
	ErrNotThisFormat = errors.New("format not recognised")
	ErrCorrupt       = errors.New("damaged")
)

// FormatError says what is wrong with a file, where, and what to do about it.
// It holds no data of the patient; the path is as the caller gave it.
type FormatError struct {
	Format string // "nifti1", "mgh", ...; empty before the format is known
	Path   string // as given
	Field  string // of the header, or "voxels"
	Offset int64  // of the field in the file (uncompressed), 0 where it says nothing
	Want   string
	Got    string
	Advice string // what the user can do, empty where nothing helps
	Err    error  // one of the sentinels, or the error of the system
}

// Error returns "path: format: field: want X, got Y: kind".
func (e *FormatError) Error() string {
	var parts []string
	for _, s := range []string{e.Path, e.Format, e.Field} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	switch {
	case e.Want != "" && e.Got != "":
		parts = append(parts, fmt.Sprintf("want %s, got %s", e.Want, e.Got))
	case e.Want != "":
		parts = append(parts, "want "+e.Want)
	case e.Got != "":
		parts = append(parts, "got "+e.Got)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the kind.
func (e *FormatError) Unwrap() error { return e.Err }

// Hint returns what the user can do, or nothing.
func (e *FormatError) Hint() string { return e.Advice }
