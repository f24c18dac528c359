//go:build !cgo

package kernel

// Team is a fixed number of threads that share the work of one operation at a time. There is none without cgo.
type Team struct{}

// NewTeam always fails: the kernels are C.
func NewTeam(int) (*Team, error) { return nil, ErrNoCgo }

// Close does nothing.
func (t *Team) Close() {}

// Threads returns 0.
func (t *Team) Threads() int { return 0 }

// Stop does nothing.
func (t *Team) Stop() {}

// Resume does nothing.
func (t *Team) Resume() {}

// Run is never reached: it takes a Team.
func (m *Map) Run(*Team, [][]byte, [][]byte, []byte) {}

// Run is never reached: it takes a Team.
func (a *Assemble) Run(*Team, [][]byte, [][]byte, []byte) {}
