//go:build !cgo

package ort

import (
	"errors"
	"testing"
)

func TestWithoutCgo(t *testing.T) {
	_, err := Open("testdata/sum.onnx", Options{})
	var h interface{ Hint() string }
	if !errors.As(err, &h) || h.Hint() == "" {
		t.Errorf("want an error with a hint, got %v", err)
	}
}
