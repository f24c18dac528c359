package server

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/nitrain/nitrain/predict/server/internal/oip"
)

// budget is a number of bytes that all requests share.
type budget struct {
	total int64
	used  atomic.Int64
	what  string
}

// take takes bytes, which must be given back, or fails at once.
func (b *budget) take(n int64) error {
	if b.used.Add(n) > b.total {
		b.used.Add(-n)
		return &oip.Fault{Status: http.StatusTooManyRequests, Text: "the server has no " + b.what + " left for this request now", Retry: 2 * time.Second}
	}
	return nil
}

func (b *budget) give(n int64) { b.used.Add(-n) }

// metered takes bytes from a budget as they are read.
type metered struct {
	io.Reader
	from  *budget
	taken int64
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	if short := m.from.take(int64(n)); short != nil {
		return 0, short
	}
	m.taken += int64(n)
	return n, err
}

func (m *metered) release() { m.from.give(m.taken) }

// gate lets few runs of models go on at once, and few more wait.
type gate struct {
	slots   chan struct{}
	waiting atomic.Int64
	most    int64
}

func newGate(running, waiting int) *gate {
	return &gate{slots: make(chan struct{}, running), most: int64(waiting)}
}

// enter waits for a slot. The caller must call leave.
func (g *gate) enter(ctx context.Context) (leave func(), waited time.Duration, err error) {
	leave = func() { <-g.slots }
	select {
	case g.slots <- struct{}{}:
		return leave, 0, nil
	default:
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > g.most {
		return nil, 0, &oip.Fault{Status: http.StatusTooManyRequests, Text: "too many requests wait already", Retry: 2 * time.Second}
	}
	start := time.Now()
	select {
	case g.slots <- struct{}{}:
		return leave, time.Since(start), nil
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
}
