package batch

import (
	"sync"
	"time"
)

// clock estimates how long a run will still take: as the scans so far, and the part of the present one, went.
type clock struct {
	cases int // that this run computes
	began time.Time

	mu   sync.Mutex
	over int // finished or failed
}

func (c *clock) start() { c.began = time.Now() }

func (c *clock) finished() {
	c.mu.Lock()
	c.over++
	c.mu.Unlock()
}

// left is called when the present scan has done so many of total runs of the model.
func (c *clock) left(done, total int) time.Duration {
	c.mu.Lock()
	over := c.over
	c.mu.Unlock()
	part := float64(over)
	if total > 0 {
		part += float64(done) / float64(total)
	}
	if part == 0 || c.cases == 0 {
		return 0
	}
	return time.Duration(float64(time.Since(c.began)) * max(0, float64(c.cases)-part) / part)
}
