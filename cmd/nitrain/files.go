package main

import (
	"fmt"
	"io"

	"github.com/nitrain/nitrain/internal/atomicfile"
)

// writeWhole writes a file that appears whole or not at all.
func writeWhole(path string, data []byte) error {
	err := atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
