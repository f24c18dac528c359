package main

import (
	"context"
	"errors"
	"slices"

	"github.com/nitrain/nitrain/predict/batch"
)

// The exit codes are part of the contract.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnsupported = 3
	exitBadData     = 4
	exitCheckFailed = 5
	exitInterrupted = 130
)

const exitHelp = `Exit codes: 0 done, 1 failed, 2 usage, 3 model not supported or contradicting its Spec, 4 bad input data,
5 check failed, 130 interrupted.`

// usageError is a command line that cannot be understood.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }
func (e usageError) Hint() string  { return "nitrain COMMAND --help shows flags and examples" }

// errCheckFailed ends a check whose result has already been printed.
var errCheckFailed = errors.New("check failed")

// hint returns the advice of the innermost error that has one.
func hint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

func exitCode(err error) int {
	var several *batch.FailedError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &several):
		return worst(several)
	case misused(err):
		return exitUsage
	case errors.Is(err, errCheckFailed):
		return exitCheckFailed
	case unsupported(err):
		return exitUnsupported
	case badData(err):
		return exitBadData
	default:
		return exitFailed
	}
}

// worst is the exit code of scans that failed: the model's fault before the machine's, and that before bad data.
func worst(e *batch.FailedError) int {
	codes := map[int]bool{}
	for _, f := range e.Failures {
		codes[exitCode(f.Err)] = true
	}
	order := []int{exitUnsupported, exitFailed, exitBadData}
	return order[max(0, slices.IndexFunc(order, func(code int) bool { return codes[code] }))]
}
