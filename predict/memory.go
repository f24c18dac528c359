package predict

import (
	"fmt"

	"github.com/nitrain/nitrain/internal/proc"
)

// defaultMemory bounds what a prediction takes when nothing is said.
const defaultMemory = 4_000_000_000

// memoryFor returns the bytes that the process may take, and whether somebody asked for this bound.
func memoryFor(r Request) (limit int64, asked bool) {
	if r.Memory > 0 {
		return r.Memory, true
	}
	limit = defaultMemory
	if free := proc.Machine("MemAvailable"); free > 0 {
		limit = min(limit, free/2+proc.Resident())
	}
	return limit, false
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
