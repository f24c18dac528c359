package convert

import (
	"fmt"
	"runtime"
)

// failure is what graph-building code throws and recoverTo catches: an error that has met its node.
type failure struct{ err error }

// fail stops the building of a graph. GoMLX reports errors by panics too; recoverTo turns both into
// errors at the package's border, so that no panic leaves it.
func fail(format string, args ...any) {
	panic(failure{fmt.Errorf(format, args...)}) //nolint:forbidigo // caught by recoverTo
}

// failWith stops the building of a graph with an error as it is.
func failWith(err error) {
	panic(failure{err}) //nolint:forbidigo // caught by recoverTo
}

// recoverTo, deferred at each border of the package, turns a panic into an error.
func recoverTo(err *error) {
	if r := recover(); r != nil {
		*err = panicError(r)
	}
}

// panicError returns the error that a recovered panic carries.
func panicError(r any) error {
	switch e := r.(type) {
	case failure:
		return e.err
	case runtime.Error:
		return fmt.Errorf("convert: internal fault: %w", e)
	case error:
		return fmt.Errorf("convert: engine: %w", firstLine(e))
	default:
		return fmt.Errorf("convert: engine: %v", r)
	}
}

// firstLine hides the stack trace that GoMLX's errors print with %+v; the message stays.
func firstLine(err error) error { return plain{err} }

// plain is an error without the formats that it would have by itself.
type plain struct{ error }

func (p plain) Unwrap() error { return p.error }

// try runs fn and returns what it threw.
func try(fn func()) (err error) {
	defer recoverTo(&err)
	fn()
	return nil
}
