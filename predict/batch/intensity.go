package batch

import "math"

// intensities returns the figures of samples in each label; nil where a label has no finite one. The median is exact and
// found in two passes over counts of the samples' upper and lower bits, so that no label's samples are gathered:
// memory is 256 KiB a label, whatever the size of the scan.
func (s slots) intensities(labels, samples []float32) []*Intensity {
	all := make([]tally, len(s.labels))
	for i, l := range labels {
		if l == 0 {
			continue
		}
		if slot := s.of(l); slot >= 0 {
			all[slot].first(samples[i])
		}
	}
	for i := range all {
		all[i].turn()
	}
	for i, l := range labels {
		if l == 0 {
			continue
		}
		if slot := s.of(l); slot >= 0 {
			all[slot].second(samples[i])
		}
	}
	out := make([]*Intensity, len(all))
	for i := range all {
		out[i] = all[i].figures()
	}
	return out
}

// tally counts the samples of one label.
type tally struct {
	n            int
	sum, squares float64
	least, most  float32
	mean         float64
	counts       []uint32  // of the upper 16 bits, then of the lower ones among those with the middle's upper ones
	upper        []uint32  // the same for the second of the middle two, where its upper bits are others
	middle       [2]uint32 // upper bits of the middle two
	rank         [2]uint32 // among those with the same upper bits
}

// order maps a number to one whose order as an unsigned number is the same.
func order(v float32) uint32 {
	bits := math.Float32bits(v)
	if bits>>31 != 0 {
		return ^bits
	}
	return bits | 1<<31
}

// value is order's inverse.
func value(key uint32) float64 {
	if key>>31 != 0 {
		return float64(math.Float32frombits(key &^ (1 << 31)))
	}
	return float64(math.Float32frombits(^key))
}

func (t *tally) first(v float32) {
	if v-v != 0 { // NaN and the infinities
		return
	}
	if t.counts == nil {
		t.counts, t.least, t.most = make([]uint32, 1<<16), v, v
	}
	t.n++
	t.sum += float64(v)
	t.least, t.most = min(t.least, v), max(t.most, v)
	t.counts[order(v)>>16]++
}

// turn finds the upper bits of the middle two samples.
func (t *tally) turn() {
	if t.n == 0 {
		return
	}
	t.mean = t.sum / float64(t.n)
	for i, at := range []int{(t.n - 1) / 2, t.n / 2} {
		t.middle[i], t.rank[i] = place(t.counts, uint32(at))
	}
	clear(t.counts)
	if t.middle[0] != t.middle[1] {
		t.upper = make([]uint32, 1<<16)
	}
}

// place returns the bin that holds the element of that rank, and its rank there.
func place(counts []uint32, rank uint32) (bin, within uint32) {
	for i, n := range counts {
		if rank < n {
			return uint32(i), rank
		}
		rank -= n
	}
	return 0, 0
}

func (t *tally) second(v float32) {
	if v-v != 0 {
		return
	}
	d := float64(v) - t.mean
	t.squares += d * d
	key := order(v)
	switch key >> 16 {
	case t.middle[0]:
		t.counts[key&0xffff]++
	case t.middle[1]:
		t.upper[key&0xffff]++
	}
}

func (t *tally) figures() *Intensity {
	if t.n == 0 {
		return nil
	}
	var middle [2]float64
	for i, counts := range [][]uint32{t.counts, t.upper} {
		if counts == nil {
			counts = t.counts
		}
		low, _ := place(counts, t.rank[i])
		middle[i] = value(t.middle[i]<<16 | low)
	}
	return &Intensity{
		Mean: t.mean, Std: math.Sqrt(t.squares / float64(t.n)), Min: float64(t.least), Max: float64(t.most),
		Median: middle[0] + (middle[1]-middle[0])/2,
	}
}
