// Package proc reads how much memory there is and is taken, where Linux's /proc says so.
package proc

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Resident returns the bytes of memory that this process holds, 0 where the system does not say.
func Resident() int64 { return bytes("/proc/self/status", "VmRSS") }

// Peak returns the most that this process has held.
func Peak() int64 { return bytes("/proc/self/status", "VmHWM") }

// Of returns an entry of another process's status in bytes: "VmRSS", "VmHWM".
func Of(pid int, entry string) int64 { return bytes(fmt.Sprintf("/proc/%d/status", pid), entry) }

// Machine returns an entry of what is known about the machine's memory in bytes: "MemTotal", "MemAvailable".
func Machine(entry string) int64 { return bytes("/proc/meminfo", entry) }

// bytes reads a line such as "VmRSS:  1234 kB".
func bytes(file, entry string) int64 {
	f, err := os.Open(file)
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		if words := strings.Fields(rest); name == entry && len(words) > 0 {
			kib, _ := strconv.ParseInt(words[0], 10, 64) // 0 where it is no number
			return kib << 10
		}
	}
	return 0
}
