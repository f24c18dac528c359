package engine

import (
	"fmt"
	"io"

	"github.com/gomlx/compute"

	"github.com/nitrain/nitrain/convert/internal/engine/cpu"
)

// Memory is what a run of a compiled graph takes, in bytes.
type Memory = cpu.Memory

// MemoryOf returns what running a graph that Native compiled takes, known before it runs; false for other engines' graphs
// and for those that GoMLX's interpreter runs whole.
func MemoryOf(e compute.Executable) (Memory, bool) {
	own, ok := e.(*cpu.Executable)
	if !ok {
		return Memory{}, false
	}
	return own.Memory(), true
}

// Stop ends the run in progress on Native, within one operation, and every later one with an error that is cpu.ErrStopped,
// until Resume. It may be called at any time, and does nothing on other engines.
func Stop(b compute.Backend) {
	if own, ok := b.(*cpu.Backend); ok {
		own.Stop()
	}
}

// Resume undoes Stop.
func Resume(b compute.Backend) {
	if own, ok := b.(*cpu.Backend); ok {
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
