//go:build cgo

package ort

import "golang.org/x/sys/unix"

// limitMemory bounds the writable private memory of this process; more is refused to it. 0 is no limit.
func limitMemory(bytes int64) error {
	if bytes <= 0 {
		return nil
	}
	return unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: uint64(bytes), Max: uint64(bytes)})
}
