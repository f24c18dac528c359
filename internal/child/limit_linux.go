package child

import "golang.org/x/sys/unix"

// LimitMemory bounds the writable private memory of this process; more is refused to it. 0 is no limit.
func LimitMemory(bytes int64) error {
	if bytes <= 0 {
		return nil
	}
	return unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: uint64(bytes), Max: uint64(bytes)})
}
