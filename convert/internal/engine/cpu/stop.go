package cpu

import "errors"

// ErrStopped is returned by runs that Executable.Stop ended. What was donated to them is as it was, and not gone.
var ErrStopped = errors.New("cpu: stopped")

// control is which graph runs, for those who want to stop it. It is used under Backend.state.
type control struct {
	current    *Executable
	committing bool // it writes over what was donated, so it runs to its end
}

// Stop ends the graph's run in progress, within one operation, with ErrStopped, and lets every later one end so, until
// Resume. A run that has begun to write over what was donated to it ends well: a training step that is about to update its
// weights does. It may be called at any time.
func (e *Executable) Stop() {
	b := e.backend
	b.state.Lock()
	defer b.state.Unlock()
	e.stopped.Store(true)
	if b.control.current == e && !b.control.committing {
		b.team.Stop()
	}
}

// Resume undoes Stop.
func (e *Executable) Resume() { e.stopped.Store(false) }

// begin tells that the graph runs.
func (e *Executable) begin() {
	b := e.backend
	b.state.Lock()
	defer b.state.Unlock()
	b.control = control{current: e}
}

// commit tells that the run is to end well, unless it was stopped.
func (e *Executable) commit() error {
	b := e.backend
	b.state.Lock()
	defer b.state.Unlock()
	if e.stopped.Load() {
		return ErrStopped
	}
	b.control.committing = true
	return nil
}

// end tells that the graph no longer runs.
func (e *Executable) end() {
	b := e.backend
	b.state.Lock()
	defer b.state.Unlock()
	b.control = control{}
	b.team.Resume()
}
