package main

import (
	"encoding/json"
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

// writeJSON writes a value as indented JSON, in a file that appears whole or not at all.
func writeJSON(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return writeWhole(path, append(raw, '\n'))
}
