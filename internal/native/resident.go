package native

import (
	"os"
	"strconv"
	"strings"
)

// MachineMemory returns how much memory the machine has and how much of it is free for use; 0 is unknown.
func MachineMemory() Memory { return examineMemory() }

// Resident returns how much memory this process holds now, in bytes, 0 where the system does not say.
func Resident() int64 {
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	words := strings.Fields(string(raw))
	if len(words) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(words[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
