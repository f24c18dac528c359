package convert

import "github.com/nitrain/nitrain/internal/native"

// library finds the onnxruntime library that belongs to this program.
func library() (string, error) { return native.Library("onnxruntime") }
