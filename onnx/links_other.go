//go:build !unix

package onnx

import "io/fs"

// links returns 1: this system does not tell the number of names of a file with its other properties.
func links(fs.FileInfo) uint64 { return 1 }
