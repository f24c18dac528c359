package batch

import "context"

// future is work that goes on in the background; its value comes once.
type future[T any] chan T

func inBackground[T any](work func() T) future[T] {
	f := make(future[T], 1) // so that work nobody waits for any more can end
	go func() { f <- work() }()
	return f
}

// within returns the work's value, or ctx's error when that ends first: the work is then left to itself.
func (f future[T]) within(ctx context.Context) (T, error) {
	select {
	case v := <-f:
		return v, nil
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// writing is the writing of a scan's results in the background. Only the goroutine that began it may wait for it.
type writing struct {
	f   future[error]
	err error
}

func begun(work func() error) *writing { return &writing{f: inBackground(work)} }

// settled is a writing with nothing to do.
func settled() *writing { return &writing{} }

// wait returns the error that ends the run, if there is one; again and again the same.
func (w *writing) wait() error {
	if w.f != nil {
		w.err = <-w.f
		w.f = nil
	}
	return w.err
}
