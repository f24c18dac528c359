package tasks_test

import (
	"sync/atomic"
	"testing"

	"github.com/nitrain/nitrain/internal/tasks"
)

func TestEveryTaskRunsOnce(t *testing.T) {
	for _, threads := range []int{0, 1, 3, 50} {
		for _, n := range []int{0, 1, 2, 17} {
			ran := make([]atomic.Int32, n)
			tasks.Run(threads, n, func(k int) { ran[k].Add(1) })
			for k := range ran {
				if got := ran[k].Load(); got != 1 {
					t.Errorf("%d threads: task %d of %d ran %d times", threads, k, n, got)
				}
			}
		}
	}
}
