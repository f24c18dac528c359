// Package openjpeg decodes JPEG 2000 and, from version 2.5, high-throughput JPEG 2000 through the system's OpenJPEG
// library, which is loaded when it is first needed. It works with and without cgo.
package openjpeg

import (
	"errors"
	"fmt"
)

// Image is a decoded picture.
type Image struct {
	Width, Height, Components int
	Precision                 int
	Signed                    bool    // the codestream's samples
	Samples                   []int32 // row by row, components side by side
}

// Expect is what the surrounding file says about the picture. It is held against the codestream's header before
// anything is decoded.
type Expect struct{ Width, Height, Components int }

// ErrMissing says that the library could not be loaded.
var ErrMissing = errors.New("OpenJPEG is not installed")

// Codec numbers of openjpeg.h.
const (
	codecStream = 0
	codecJP2    = 2
)

// format returns which codec reads data: a bare codestream, or one in a JP2 file.
func format(data []byte) (uintptr, error) {
	switch {
	case len(data) > 12 && string(data[4:8]) == "jP  ":
		return codecJP2, nil
	case len(data) > 4 && data[0] == 0xFF && data[1] == 0x4F:
		return codecStream, nil
	}
	return 0, errors.New("no JPEG 2000 codestream")
}

// checkSize reads the SIZ marker of a codestream: nothing is handed to the library whose sizes are not as expected.
func checkSize(data []byte, want Expect) error {
	for at := 0; at+40 < len(data); at++ {
		if data[at] != 0xFF || data[at+1] != 0x4F || data[at+2] != 0xFF || data[at+3] != 0x51 {
			continue
		}
		u := func(i int) int64 {
			b := data[at+i:]
			return int64(b[0])<<24 | int64(b[1])<<16 | int64(b[2])<<8 | int64(b[3])
		}
		w, h := u(8)-u(16), u(12)-u(20)
		n := int64(data[at+40])<<8 | int64(data[at+41])
		if w != int64(want.Width) || h != int64(want.Height) || n != int64(want.Components) {
			return fmt.Errorf("want %d x %d pixels of %d components, got %d x %d of %d", want.Width, want.Height, want.Components, w, h, n)
		}
		if tw, th := u(24), u(28); tw < 1 || th < 1 || (w/tw+2)*(h/th+2) > 65535*4 {
			return errors.New("tiles without size")
		}
		return nil
	}
	return errors.New("no SIZ marker")
}
