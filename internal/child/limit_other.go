//go:build !linux

package child

// LimitMemory does nothing on this system, which has no such bound.
func LimitMemory(int64) error { return nil }
