package engine

import (
	"fmt"
	"io"

	"github.com/gomlx/compute"

	"github.com/nitrain/nitrain/convert/internal/engine/cpu"
)

// Memory is what a run of a compiled graph takes, in bytes.
type Memory = cpu.Memory

// MemoryError tells that a graph cannot be run within Options.Memory.
type MemoryError = cpu.MemoryError

// MemoryOf returns what running a graph that Native compiled takes, known before it runs; false for other engines' graphs
// and for those that GoMLX's interpreter runs whole.
func MemoryOf(e compute.Executable) (Memory, bool) {
	own, ok := e.(*cpu.Executable)
	if !ok {
		return Memory{}, false
	}
	return own.Memory(), true
}

// Stop ends the run in progress of a graph that Native compiled, within one operation, and every later one with an error,
// until Resume. What was donated to such a run stays as it was; a run that has begun to overwrite it ends well. Stop may be
// called at any time, and does nothing to other engines' graphs.
func Stop(e compute.Executable) {
	if own, ok := e.(*cpu.Executable); ok {
		own.Stop()
	}
}

// Resume undoes Stop.
func Resume(e compute.Executable) {
	if own, ok := e.(*cpu.Executable); ok {
		own.Resume()
	}
}

// Profile starts, anew, or ends the record of what each operation takes. Only Native has one; off, it costs nothing.
func Profile(b compute.Backend, on bool) error {
	own, ok := b.(*cpu.Backend)
	if !ok {
		return fmt.Errorf("engine: profile: want an engine of kind %q, got %s", Native, b.Name())
	}
	own.Profile(on)
	return nil
}

// WriteProfile writes the record in the Trace Event Format, which chrome://tracing and Perfetto open. Events of category
// "fallback" are operations that have no kernel.
func WriteProfile(b compute.Backend, w io.Writer) error {
	own, ok := b.(*cpu.Backend)
	if !ok {
		return fmt.Errorf("engine: profile: want an engine of kind %q, got %s", Native, b.Name())
	}
	return own.WriteProfile(w)
}

// SetMemory changes the bound of Options.Memory for graphs that are compiled from now on.
func SetMemory(b compute.Backend, bytes int64) {
	if own, ok := b.(*cpu.Backend); ok {
		own.SetMemory(bytes)
	}
}
