//go:build !darwin && !freebsd && !linux

package openjpeg

import "fmt"

// Version returns the version of the library that was found: none on this system.
func Version() (string, error) { return "", fmt.Errorf("%w: not loaded on this system", ErrMissing) }

// Decode decodes one picture: not on this system.
func Decode([]byte, Expect) (*Image, error) {
	return nil, fmt.Errorf("%w: not loaded on this system", ErrMissing)
}
