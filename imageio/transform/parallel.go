package transform

import (
	"runtime"

	"github.com/nitrain/nitrain/internal/tasks"
)

// parallel calls f(0) to f(n-1) on up to GOMAXPROCS goroutines, in chunks of at least some 16k samples;
// size is the number of samples that one call handles.
func parallel(n, size int, f func(i int)) {
	parallelChunks(n, size, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			f(i)
		}
	})
}

// parallelChunks calls f for ranges that together are 0 to n, for workers that keep buffers.
func parallelChunks(n, size int, f func(lo, hi int)) {
	workers := runtime.GOMAXPROCS(0)
	chunk := max(1, n/(workers*8), (1<<14)/max(1, size))
	if workers = min(workers, (n+chunk-1)/chunk); workers <= 1 {
		if n > 0 {
			f(0, n)
		}
		return
	}
	tasks.Run(workers, (n+chunk-1)/chunk, func(k int) { f(k*chunk, min((k+1)*chunk, n)) })
}
