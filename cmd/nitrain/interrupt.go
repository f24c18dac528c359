package main

import "context"

// interruptible runs work that knows nothing of contexts and returns early when ctx ends: the work is left to
// itself, since the program is about to end. It must not write files.
func interruptible[T any](ctx context.Context, work func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		value, err := work()
		done <- outcome{value, err}
	}()
	select {
	case o := <-done:
		if err := ctx.Err(); err != nil {
			return o.value, err
		}
		return o.value, o.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
