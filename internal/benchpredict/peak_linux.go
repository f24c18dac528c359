package main

import (
	"os"
	"syscall"
)

// peakOf returns the largest resident memory, in bytes, of a process that has ended or of any of its children.
func peakOf(s *os.ProcessState) int64 {
	if u, ok := s.SysUsage().(*syscall.Rusage); ok {
		return u.Maxrss << 10
	}
	return 0
}
