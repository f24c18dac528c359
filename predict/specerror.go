package predict

import (
	"errors"
	"strings"
)

// SpecError lists everything that is wrong with a Spec.
type SpecError struct {
	Faults []error
	// Newer says that the Spec has a version, key or step that this package does not know, as one has that a
	// newer program wrote.
	Newer bool
}

// Error lists the faults, one a line.
func (e *SpecError) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the faults.
func (e *SpecError) Unwrap() []error { return e.Faults }

// Hint says what to do.
func (e *SpecError) Hint() string {
	hint := "docs/spec.md says what a Spec holds"
	var cause interface{ Hint() string }
	for _, f := range e.Faults {
		if errors.As(f, &cause) && cause.Hint() != "" {
			hint = cause.Hint()
			break
		}
	}
	if e.Newer {
		return "the Spec may have been written by a newer nitrain, which would read it; this one knows version 1: " + hint
	}
	return hint
}
