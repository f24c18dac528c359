package cpu

import (
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

const (
	alignment = 64
	mapped    = 64 << 10  // blocks from this size on are mapped from the system
	cached    = 64 << 20  // bytes of freed blocks that are kept for the next one of their size
	forgotten = 256 << 20 // bytes that may be added before the garbage collector is asked for buffers nobody finalized
)

// block is memory that is aligned to 64 bytes.
type block struct {
	bytes  []byte
	region []byte // what was mapped; nil where the block is in Go's heap
}

// allocator hands out blocks. Small ones live in Go's heap; large ones are mapped from the system, so that they go back
// to it at once, and kept a while for the next one of their size.
type allocator struct {
	live    atomic.Int64
	mu      sync.Mutex
	free    map[int][]block
	kept    int
	settled int64 // live bytes after the last collection that was asked for
}

// take returns a block of n bytes, whose contents are anything.
func (a *allocator) take(n int64) (block, error) {
	if n < mapped {
		a.live.Add(n)
		return small(int(n)), nil
	}
	a.collect(n)
	size := int(n+pageSize-1) &^ (pageSize - 1)
	if b, ok := a.reuse(size); ok {
		a.live.Add(n)
		b.bytes = b.region[:n]
		return b, nil
	}
	region, err := mapMemory(size)
	if err != nil {
		return block{}, err
	}
	a.live.Add(n)
	return block{bytes: region[:n], region: region}, nil
}

// small makes an aligned block in Go's heap.
func small(n int) block {
	if n == 0 {
		return block{}
	}
	raw := make([]byte, n+alignment)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(raw))) & (alignment - 1))
	return block{bytes: raw[skip : skip+n : skip+n]}
}

func (a *allocator) reuse(size int) (block, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.free[size]
	if len(list) == 0 {
		return block{}, false
	}
	b := list[len(list)-1]
	a.free[size] = list[:len(list)-1]
	a.kept -= size
	return b, true
}

// put takes a block back.
func (a *allocator) put(b block) {
	a.live.Add(-int64(len(b.bytes)))
	if b.region == nil {
		return
	}
	size := len(b.region)
	a.mu.Lock()
	keep := a.kept+size <= cached
	if keep {
		if a.free == nil {
			a.free = map[int][]block{}
		}
		a.free[size] = append(a.free[size], b)
		a.kept += size
	}
	a.mu.Unlock()
	if !keep {
		unmapMemory(b.region)
	}
}

// trim gives the kept blocks back to the system.
func (a *allocator) trim() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, list := range a.free {
		for _, b := range list {
			unmapMemory(b.region)
		}
	}
	a.free, a.kept = nil, 0
}

// collect asks the garbage collector for buffers that nobody finalized: it does not see their memory and comes late.
func (a *allocator) collect(n int64) {
	live := a.live.Load() + n
	a.mu.Lock()
	due := live > 2*a.settled+forgotten
	if due {
		a.settled = live
	}
	a.mu.Unlock()
	if due {
		runtime.GC()
		a.mu.Lock()
		a.settled = a.live.Load()
		a.mu.Unlock()
	}
}

// arena is the memory of what lives only while a graph runs: one for all graphs of a backend, as large as the largest
// that was run needs. It is used under Backend.running, but for need and forget.
type arena struct {
	memory []byte
	size   atomic.Int64
	mu     sync.Mutex
	needs  map[int64]int // how many graphs there are that need so many bytes
}

// need says that there is a graph that needs n bytes, and forget that there is none.
func (a *arena) need(n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.needs == nil {
		a.needs = map[int64]int{}
	}
	a.needs[n]++
}

func (a *arena) forget(n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.needs[n]--; a.needs[n] == 0 {
		delete(a.needs, n)
	}
}

// most returns the most that a graph needs.
func (a *arena) most() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	var most int64
	for n := range a.needs {
		most = max(most, n)
	}
	return most
}

// trim gives the memory back where no graph needs half of it.
func (a *arena) trim() {
	if have := int64(len(a.memory)); have > 2*a.most()+hugePage {
		a.release()
	}
}

// grow returns at least n bytes.
func (a *arena) grow(n int64) ([]byte, error) {
	a.trim()
	if int64(len(a.memory)) >= n {
		return a.memory, nil
	}
	a.release()
	memory, err := mapMemory(int(n+hugePage-1) &^ (hugePage - 1))
	if err != nil {
		return nil, err
	}
	a.memory = memory
	a.size.Store(int64(len(memory)))
	return memory, nil
}

func (a *arena) release() {
	if a.memory != nil {
		unmapMemory(a.memory)
	}
	a.memory = nil
	a.size.Store(0)
}
