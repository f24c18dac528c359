package hub

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"time"
)

// origin opens the bytes of one file from an offset on. It returns where the stream begins: at the offset, or
// at 0 where the server knows no ranges.
type origin func(ctx context.Context, offset int64) (body io.ReadCloser, start int64, err error)

// transfer is the download of one file into a partial file that a later transfer can go on with.
type transfer struct {
	name string // for errors
	part string // the partial file
	size int64
	want string           // hexadecimal
	hash func() hash.Hash // gives want
	open origin
	told func(int64)   // may be nil
	wait time.Duration // before the second attempt, doubled each time; 0: pause
}

const (
	attempts = 6                      // in a row that bring no byte
	pause    = 200 * time.Millisecond // before the second attempt, doubled each time
	idle     = time.Minute            // without a byte
)

// permanentError is one that another attempt will not cure.
type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// run leaves the whole and checked file in t.part, written to the disk. After an error the partial file stays
// where going on with it makes sense.
func (t *transfer) run(ctx context.Context) error {
	f, err := os.OpenFile(t.part, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("hub: %s: %w", t.name, err)
	}
	defer f.Close()
	err = t.fetch(ctx, f)
	if err == nil {
		err = finish(f)
	}
	var bad *DigestError
	if errors.As(err, &bad) {
		err = errors.Join(err, os.Remove(t.part))
	}
	if err != nil && !errors.As(err, &bad) {
		return fmt.Errorf("hub: %s: %w", t.name, err)
	}
	return err
}

// fetch fills f. A file whose beginning was there before and whose digest is wrong is fetched anew once.
func (t *transfer) fetch(ctx context.Context, f *os.File) error {
	sum, have, err := t.resume(ctx, f)
	if err != nil {
		return err
	}
	old := have > 0
	for {
		if have, err = t.attemptAll(ctx, f, sum, have); err != nil {
			return err
		}
		got := hex.EncodeToString(sum.Sum(nil))
		if have == t.size && got == t.want {
			return nil
		}
		if !old {
			return &DigestError{t.name, fmt.Sprintf("%d bytes of %s", t.size, t.want), fmt.Sprintf("%d bytes of %s", have, got)}
		}
		old = false
		if sum, have, err = t.restart(f); err != nil {
			return err
		}
	}
}

// resume hashes what f holds already.
func (t *transfer) resume(ctx context.Context, f *os.File) (hash.Hash, int64, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if st.Size() > t.size {
		return t.restart(f)
	}
	sum := t.hash()
	have, err := copyAll(ctx, sum, f, t.size, nil)
	return sum, have, err
}

func (t *transfer) restart(f *os.File) (hash.Hash, int64, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, 0, err
	}
	return t.hash(), 0, f.Truncate(0)
}

// attemptAll tries until f has all bytes, as long as attempts bring some.
func (t *transfer) attemptAll(ctx context.Context, f *os.File, sum hash.Hash, have int64) (int64, error) {
	for failed := 0; have < t.size; {
		n, err := t.attempt(ctx, f, sum, have)
		have += n
		if err == nil {
			continue
		}
		if permanent, ok := errors.AsType[permanentError](err); ok {
			return have, permanent.error
		}
		if ctx.Err() != nil {
			return have, context.Cause(ctx)
		}
		if failed++; n > 0 {
			failed = 1
		}
		if failed == attempts {
			return have, fmt.Errorf("%d of %d bytes arrived: %w", have, t.size, err)
		}
		if err := sleep(ctx, cmp.Or(t.wait, pause)<<(failed-1)); err != nil {
			return have, err
		}
	}
	return have, nil
}

// attempt copies from one connection and returns how many bytes it added.
func (t *transfer) attempt(ctx context.Context, f *os.File, sum hash.Hash, have int64) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(idle, func() { cancel(fmt.Errorf("no byte came for %v", idle)) })
	defer watch.Stop()
	body, start, err := t.open(ctx, have)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	if start > have {
		return 0, permanentError{fmt.Errorf("the server answers from byte %d, want %d", start, have)}
	}
	if _, err := copyAll(ctx, io.Discard, body, have-start, func(int64) { watch.Reset(idle) }); err != nil {
		return 0, err
	}
	n, err := copyAll(ctx, io.MultiWriter(f, sum), body, t.size-have, func(n int64) {
		watch.Reset(idle)
		if t.told != nil {
			t.told(have + n)
		}
	})
	if err == nil && have+n < t.size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// sleep waits, but not longer than ctx.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
