//go:build cgo

package native

const cgo = true
