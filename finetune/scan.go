package finetune

import (
	"fmt"
	"sync"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/dataset"
	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/predict"
)

// scan is a case as training sees it.
type scan struct {
	id       string
	prepared *predict.Prepared
	label    *imageio.Image // label values on the prepared grid
	truth    *imageio.Image // label values on the scan's own grid; nil unless asked for
}

// bytes is the memory that a scan takes.
func (s *scan) bytes() int64 {
	n := len(s.prepared.Image.Data) + len(s.label.Data)
	if s.truth != nil && s.truth != s.label {
		n += len(s.truth.Data)
	}
	return 4 * int64(n)
}

// readScan reads and prepares a case.
func readScan(spec *predict.Spec, c dataset.Case, withTruth bool) (*scan, error) {
	images := make([]*imageio.Image, len(c.Images))
	for i, path := range c.Images {
		var err error
		if images[i], err = imageio.Read(path); err != nil {
			return nil, fmt.Errorf("finetune: %s: %w", c.ID, err)
		}
	}
	truth, err := imageio.ReadLabel(c.Label)
	if err != nil {
		return nil, fmt.Errorf("finetune: %s: %w", c.ID, err)
	}
	prepared, err := spec.Apply(images...)
	if err != nil {
		return nil, fmt.Errorf("finetune: %s: %w", c.ID, err)
	}
	label, err := transform.Onto{Grid: prepared.Image.Grid, Interpolation: transform.Nearest}.Apply(truth)
	if err != nil {
		return nil, fmt.Errorf("finetune: %s: label: %w", c.ID, err)
	}
	s := &scan{id: c.ID, prepared: prepared, label: label}
	if withTruth {
		s.truth = truth
	}
	return s, nil
}

// shelf keeps prepared scans within a limit of memory; what does not fit is prepared anew at each use. It
// may be used by several goroutines.
type shelf struct {
	spec      *predict.Spec
	cases     []dataset.Case
	withTruth bool
	budget    *budget

	mu   sync.Mutex
	kept map[int]*scan
}

// budget is the memory that several shelves share.
type budget struct {
	mu   sync.Mutex
	left int64
}

func (b *budget) take(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > b.left {
		return false
	}
	b.left -= n
	return true
}

func newShelf(spec *predict.Spec, cases []dataset.Case, withTruth bool, b *budget) *shelf {
	return &shelf{spec: spec, cases: cases, withTruth: withTruth, budget: b, kept: map[int]*scan{}}
}

// get returns a case, prepared.
func (s *shelf) get(i int) (*scan, error) {
	s.mu.Lock()
	have := s.kept[i]
	s.mu.Unlock()
	if have != nil {
		return have, nil
	}
	read, err := readScan(s.spec, s.cases[i], s.withTruth)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept[i] == nil && s.budget.take(read.bytes()) {
		s.kept[i] = read
	}
	return read, nil
}
