// Package oip is the Open Inference Protocol, version 2, as bytes: the JSON of requests and answers, the
// binary tensor data extension, and the names of element types. It knows no network and runs nothing.
//
// The protocol is https://github.com/kserve/open-inference-protocol; the extension is Triton's
// https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md.
package oip

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Fault is an error with the HTTP status that tells it.
type Fault struct {
	Status int
	Text   string
	Retry  time.Duration // when to try again, 0 for unknown
}

// Error returns the text that the client sees.
func (f *Fault) Error() string { return f.Text }

// Faultf returns a fault.
func Faultf(status int, format string, args ...any) *Fault {
	return &Fault{Status: status, Text: fmt.Sprintf(format, args...)}
}

// Bad is a fault of the request.
func Bad(format string, args ...any) *Fault { return Faultf(http.StatusBadRequest, format, args...) }

// TooLarge is a request that is over a limit of the server.
func TooLarge(format string, args ...any) *Fault {
	return Faultf(http.StatusRequestEntityTooLarge, format, args...)
}

// StatusOf returns the fault that err wraps; an error that wraps none is the server's own.
func StatusOf(err error) *Fault {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f
	}
	return &Fault{Status: http.StatusInternalServerError, Text: err.Error()}
}
