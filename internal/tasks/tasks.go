// Package tasks spreads work of uneven size over threads.
package tasks

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Run calls f(0) to f(n-1), each once, on up to threads goroutines, and returns when all have returned. 0 threads
// are GOMAXPROCS. Who is free takes the next one.
func Run(threads, n int, f func(k int)) {
	if threads < 1 {
		threads = runtime.GOMAXPROCS(0)
	}
	if threads = min(threads, n); threads <= 1 {
		for k := range n {
			f(k)
		}
		return
	}
	var next atomic.Int64
	var wait sync.WaitGroup
	for range threads {
		wait.Go(func() {
			for k := int(next.Add(1)) - 1; k < n; k = int(next.Add(1)) - 1 {
				f(k)
			}
		})
	}
	wait.Wait()
}
