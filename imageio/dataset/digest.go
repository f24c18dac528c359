package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Digest identifies a list of cases wherever it is kept: the SHA-256 in hexadecimal of the cases' IDs, their
// files' base names and sizes, in order. It reads no contents, and shows none.
func Digest(cases []Case) (string, error) {
	type file struct {
		Name string
		Size int64
	}
	h := sha256.New()
	for _, c := range cases {
		files := []file{}
		paths := c.Images
		if c.Label != "" {
			paths = append(slices.Clip(paths), c.Label)
		}
		for _, p := range paths {
			info, err := os.Stat(p)
			if err != nil {
				return "", fmt.Errorf("dataset: %s: %w", c.ID, err)
			}
			files = append(files, file{filepath.Base(p), info.Size()})
		}
		line, err := json.Marshal([]any{c.ID, files})
		if err != nil {
			return "", fmt.Errorf("dataset: %s: %w", c.ID, err)
		}
		h.Write(append(line, '\n'))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
