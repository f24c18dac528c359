package onnx

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/nitrain/nitrain/internal/atomicfile"
)

// SizeError is returned for a model whose message would be larger than other programs can read.
type SizeError struct{ Bytes int64 }

// Error says how large the message is.
func (e *SizeError) Error() string {
	return fmt.Sprintf("onnx: want a message of at most %d bytes, got %d", math.MaxInt32, e.Bytes)
}

// Hint says what to do.
func (e *SizeError) Hint() string {
	return "keep the weights as external data: onnx.save_model(..., save_as_external_data=True)"
}

// WriteFile writes a model. The file appears whole or not at all. Bytes of the file that m was read from stay
// as they are, but for what was changed: an unchanged model is written byte for byte. External data is
// written to a file with a new name in path's folder when some of it changed or the folder is another one
// than the source's; no file but path is ever replaced. A message over 2 GiB is a *SizeError.
func WriteFile(path string, m *Model) error {
	e := newEncoder()
	made, err := e.placeExternal(filepath.Dir(path), filepath.Base(path), m)
	if err == nil {
		err = e.writeFile(path, m)
	}
	if err != nil {
		for _, f := range made {
			os.Remove(f)
		}
		return fmt.Errorf("onnx: write %s: %w", path, err)
	}
	return nil
}

func (e *encoder) writeFile(path string, m *Model) error {
	body, err := e.model(m)
	if err != nil {
		return err
	}
	if body.Len() > math.MaxInt32 {
		return &SizeError{body.Len()}
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := body.WriteTo(w)
		return err
	})
}

// Encode returns the bytes of a model, with external data taken into it.
func Encode(m *Model) ([]byte, error) {
	e := newEncoder()
	e.inline = true
	body, err := e.model(m)
	if err != nil {
		return nil, fmt.Errorf("onnx: encode: %w", err)
	}
	if body.Len() > math.MaxInt32 {
		return nil, &SizeError{body.Len()}
	}
	var out bytes.Buffer
	out.Grow(int(body.Len()))
	if _, err := body.WriteTo(&out); err != nil {
		return nil, fmt.Errorf("onnx: encode: %w", err)
	}
	return out.Bytes(), nil
}
