package cpu

import (
	"fmt"
	"syscall"
)

const (
	pageSize   = 4 << 10
	hugePage   = 2 << 20
	adviseHuge = 14 // MADV_HUGEPAGE
	hugeFrom   = 8 << 20
	protection = syscall.PROT_READ | syscall.PROT_WRITE
	ofNoFile   = syscall.MAP_ANON | syscall.MAP_PRIVATE
)

// mapMemory returns n bytes from the system, in large pages where it has them.
func mapMemory(n int) ([]byte, error) {
	m, err := syscall.Mmap(-1, 0, n, protection, ofNoFile)
	if err != nil {
		return nil, fmt.Errorf("%d bytes: %w", n, err)
	}
	if n >= hugeFrom {
		_ = syscall.Madvise(m, adviseHuge) // an advice: the memory is as good without
	}
	return m, nil
}

// unmapMemory gives memory back.
func unmapMemory(m []byte) { _ = syscall.Munmap(m) }
