//go:build cgo

package ort

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
)

// residentBytes returns the size of this process in memory, after what is unused has been given back.
func residentBytes(t testing.TB) int64 {
	t.Helper()
	debug.FreeOSMemory()
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("the size of a process is only known on Linux")
	}
	pages, err := strconv.ParseInt(strings.Fields(string(raw))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
