package convert

import (
	"errors"
	"os"
)

// library finds the onnxruntime library.
func library() (string, error) {
	if path := os.Getenv("NITRAIN_ONNXRUNTIME"); path != "" {
		return path, nil
	}
	return "", errors.New("convert: the onnxruntime library is not installed")
}
