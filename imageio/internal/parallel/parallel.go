// Package parallel divides work among the processors.
package parallel

import (
	"runtime"
	"sync"
)

// For calls f(0) to f(n-1) on up to GOMAXPROCS goroutines, and returns when all have.
func For(n int, f func(k int)) {
	workers := min(runtime.GOMAXPROCS(0), n)
	if workers <= 1 {
		for k := range n {
			f(k)
		}
		return
	}
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			for k := w; k < n; k += workers {
				f(k)
			}
		})
	}
	wait.Wait()
}
