//go:build !cgo

package kernel

// Scratch implements Operation.
func (c Convolution) Scratch(int) int { return 0 }

// Run does nothing: there is no Team to run on.
func (c Convolution) Run(*Team, [][]byte, [][]byte, []byte) {}

// Scratch implements Operation.
func (m Matmul) Scratch(int) int { return 0 }

// Run does nothing: there is no Team to run on.
func (m Matmul) Run(*Team, [][]byte, [][]byte, []byte) {}

// Scratch implements Operation.
func (p Pooling) Scratch(int) int { return 0 }

// Run does nothing: there is no Team to run on.
func (p Pooling) Run(*Team, [][]byte, [][]byte, []byte) {}
