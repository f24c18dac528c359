//go:build cgo

package kernel

// #cgo CFLAGS: -O3 -std=gnu11
// #cgo LDFLAGS: -lm -lpthread
// #include "team.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// Team is a fixed number of threads that share the work of one operation at a time. Operations may be run from several
// goroutines at once: one has the threads, the others work alone.
type Team struct {
	c       *C.nitrain_team
	threads int
}

// NewTeam returns a team of so many threads, the caller of Run among them.
func NewTeam(threads int) (*Team, error) {
	if threads < 1 || threads > maxThreads {
		return nil, fmt.Errorf("kernel: team: want 1 to %d threads, got %d", maxThreads, threads)
	}
	c := C.nitrain_team_new(C.int(threads))
	if c == nil {
		return nil, fmt.Errorf("kernel: team: want %d threads, the system gives fewer", threads)
	}
	return &Team{c, threads}, nil
}

// Close ends the threads. Nothing may run on them, then or later.
func (t *Team) Close() {
	if t.c != nil {
		C.nitrain_team_free(t.c)
		t.c = nil
	}
}

// Threads returns how many threads work, the caller of Run among them.
func (t *Team) Threads() int { return t.threads }

// Stop makes operations return soon, their outputs unfinished, until Resume. It may be called at any time before Close.
func (t *Team) Stop() { C.nitrain_team_stop(t.c, 1) }

// Resume undoes Stop.
func (t *Team) Resume() { C.nitrain_team_stop(t.c, 0) }

// pointer is the team as nitrain_team_run takes it.
func (t *Team) pointer() unsafe.Pointer { return unsafe.Pointer(t.c) }
