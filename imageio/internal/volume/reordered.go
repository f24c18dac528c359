package volume

import (
	"bytes"
	"io"
)

// Reordered is a Source whose file has its axes in another order; a pass holds all samples in memory.
type Reordered struct {
	Source Source
	Sizes  []int // of the file's axes, fastest first
	Order  []int // the file's axis that becomes each axis
	Sample int   // bytes
}

// Limit is that of the file.
func (r *Reordered) Limit() (int64, error) { return r.Source.Limit() }

// Open reads the file and brings its samples into order.
func (r *Reordered) Open() (Pass, error) {
	p, err := r.Source.Open()
	if err != nil {
		return nil, err
	}
	defer p.Close()
	total := r.Sample
	for _, n := range r.Sizes {
		total *= n
	}
	file := make([]byte, total)
	if _, err := io.ReadFull(p, file); err != nil {
		return nil, err
	}
	notes, err := p.Finish()
	if err != nil {
		return nil, err
	}
	return &memoryPass{Reader: bytes.NewReader(r.reorder(file)), notes: notes}, nil
}

func (r *Reordered) reorder(file []byte) []byte {
	n := len(r.Sizes)
	strides := make([]int, n) // of the file's axes, in bytes
	step := r.Sample
	for i, size := range r.Sizes {
		strides[i] = step
		step *= size
	}
	out := make([]byte, 0, len(file))
	index := make([]int, n)
	at := 0
	for range len(file) / r.Sample {
		out = append(out, file[at:at+r.Sample]...)
		for _, axis := range r.Order {
			index[axis]++
			at += strides[axis]
			if index[axis] < r.Sizes[axis] {
				break
			}
			at -= index[axis] * strides[axis]
			index[axis] = 0
		}
	}
	return out
}

// Memory is a Source whose samples must be decoded all at once. Decode returns them and what to warn of; it
// is called once for each pass.
type Memory struct {
	Most   int64
	Decode func() (samples []byte, notes []string, err error)
}

// Limit returns Most.
func (m *Memory) Limit() (int64, error) { return m.Most, nil }

// Open decodes the samples.
func (m *Memory) Open() (Pass, error) {
	b, notes, err := m.Decode()
	if err != nil {
		return nil, err
	}
	return &memoryPass{Reader: bytes.NewReader(b), notes: notes}, nil
}

type memoryPass struct {
	*bytes.Reader
	notes []string
}

func (p *memoryPass) Close() error              { return nil }
func (p *memoryPass) Finish() ([]string, error) { return p.notes, nil }
