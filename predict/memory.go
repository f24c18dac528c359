package predict

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// defaultMemory bounds what a prediction takes when nothing is said.
const defaultMemory = 4_000_000_000

// memoryFor returns the bytes that the process may take, and whether somebody asked for this bound.
func memoryFor(r Request) (limit int64, asked bool) {
	if r.Memory > 0 {
		return r.Memory, true
	}
	limit = defaultMemory
	if free := kilobytes("/proc/meminfo", "MemAvailable"); free > 0 {
		now, _ := resident()
		limit = min(limit, free/2+now)
	}
	return limit, false
}

// resident returns the bytes of memory that the process holds, and the most that it has held; 0 where the system does
// not say.
func resident() (now, most int64) {
	const file = "/proc/self/status"
	return kilobytes(file, "VmRSS"), kilobytes(file, "VmHWM")
}

// kilobytes returns the bytes of a line like "VmRSS:  1234 kB".
func kilobytes(file, key string) int64 {
	raw, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for lines.Scan() {
		name, rest, ok := strings.Cut(lines.Text(), ":")
		if fields := strings.Fields(rest); ok && name == key && len(fields) > 0 {
			n, err := strconv.ParseInt(fields[0], 10, 64)
			if err != nil {
				return 0
			}
			return n << 10
		}
	}
	return 0
}

// MemoryError says that a prediction cannot be kept within the memory that was allowed.
type MemoryError struct{ Want, Got int64 }

// Error tells both, in MB.
func (e *MemoryError) Error() string {
	return fmt.Sprintf("predict: memory: want at least %d MB for this image and model, got %d MB", (e.Want+999_999)/1_000_000, e.Got/1_000_000)
}

// Hint says what to do.
func (e *MemoryError) Hint() string {
	return "allow more with --memory, ask for fewer maps, or give the Spec a smaller tile"
}
