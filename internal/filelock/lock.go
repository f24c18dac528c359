// Package filelock lets processes take turns with a file on the disk.
package filelock

import (
	"context"
	"errors"
	"os"
	"time"
)

// pause is the time between two looks at a lock that another holds.
const pause = 25 * time.Millisecond

// Wait takes the lock of the file at path, which is made where it is absent, and waits while another process,
// or another call in this one, holds it. The lock goes with release or with the end of the process; the file
// stays. Where the system has no locks, Wait returns at once.
func Wait(ctx context.Context, path string) (release func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		ok, err := try(f)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if ok {
			return func() { _ = f.Close() }, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), f.Close())
		case <-time.After(pause):
		}
	}
}

// Try takes the lock of an open file if it is free, and reports whether it did. It goes when f is closed.
func Try(f *os.File) (bool, error) { return try(f) }
