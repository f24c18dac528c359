package batch

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/nitrain/nitrain/imageio"
)

// room reports whether the memory limit lets the next scan be read, and the last one's results be written, while this one is
// computed: they may take a quarter of it.
func (r *run) room(this, next int) bool {
	limit := r.o.Memory
	if limit == 0 {
		return true
	}
	return bytesOf(r.jobs[next])*3+bytesOf(r.jobs[this])*2 <= limit/4
}

// bytesOf estimates the memory that a scan's samples take, from headers; of DICOM, from the sizes of its files.
func bytesOf(j Job) int64 {
	var sum int64
	for _, path := range j.Images {
		folder, _, _ := strings.Cut(path, "#")
		if imageio.IsDICOM(folder) {
			sum += sizeOf(folder) * 4 // 16 bits become 32, and half is compressed away
			continue
		}
		if f, err := imageio.Open(path); err == nil {
			n := int64(max(f.Components, 1))
			for _, s := range f.Shape {
				n *= int64(s)
			}
			sum += n * 4
		}
	}
	return sum
}

func sizeOf(path string) int64 {
	files, err := filesOf(path)
	if err != nil {
		return 0
	}
	var sum int64
	for _, f := range files {
		if info, err := os.Stat(filepath.Clean(f)); err == nil {
			sum += info.Size()
		}
	}
	return sum
}
