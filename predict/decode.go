package predict

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
	"github.com/nitrain/nitrain/internal/tasks"
)

// decoder turns final cells of scores into voxels of the wanted grid, a cell at a time.
type decoder struct {
	spec       *Spec
	grid       imageio.Grid // wanted
	channels   int
	picks      []channelLabel
	threads    int
	activation Activation
	// before is the activation of what lies on the prepared grid, after that of what was interpolated.
	before, after Activation

	labels  canvas // nil: not wanted
	pick    *way   // where labels come from: nearest for labels that are moved, else linear
	value   *way   // where numbers come from
	all     *imageio.Image
	entropy *imageio.Image
	adjust  bool // all is the result of an image-to-image model

	bad     atomic.Bool // some number is none
	scratch sync.Pool
}

// partSide is the side of the parts of a cell that are handled at a time: small enough that many lie within one
// label, and that all channels of one lie in the processor's cache.
const partSide = 8

// cell takes in a final cell.
func (d *decoder) cell(c *patch.Cell) error {
	var picked []uint16
	if d.labels != nil {
		if d.pick.nearest || d.spec.Decode.Pick == Argmax {
			picked = d.pickCell(c)
		}
		d.parts(c, d.pick, func(p part, s *scratch) {
			switch {
			case d.pick.nearest:
				d.move(c, picked, p, s)
			case d.spec.Decode.Pick == Argmax:
				d.argmax(c, picked, p, s)
			default:
				d.threshold(c, p, s)
			}
		})
	}
	if d.all != nil || d.entropy != nil {
		d.parts(c, d.value, func(p part, s *scratch) { d.numbers(c, p, s) })
	}
	if d.bad.Load() {
		return errNaN
	}
	return nil
}

// parts calls f, on all threads, for the parts of a cell that make up voxels of the result.
func (d *decoder) parts(c *patch.Cell, w *way, f func(p part, s *scratch)) {
	var whole part
	var n [3]int
	end := c.End()
	for a := range 3 {
		whole.low[a], whole.high[a] = c.Start[a], end[a]
		if w.nearest {
			whole.low[a] += c.Halo[a]
		} else if end[a] < w.from[a] {
			whole.high[a]--
		}
		n[a] = (whole.high[a] - whole.low[a] + partSide - 1) / partSide
	}
	tasks.Run(d.threads, n[0]*n[1]*n[2], func(k int) {
		at := [3]int{k % n[0], k / n[0] % n[1], k / (n[0] * n[1])}
		var p part
		for a := range 3 {
			p.low[a] = whole.low[a] + at[a]*partSide
			p.high[a] = min(p.low[a]+partSide, whole.high[a])
			p.top[a] = p.high[a]
			if !w.nearest {
				p.top[a] = min(p.high[a]+1, w.from[a])
			}
		}
		s, _ := d.scratch.Get().(*scratch)
		if s == nil {
			s = &scratch{}
		}
		f(p, s)
		d.scratch.Put(s)
	})
}

// scratch is what one thread needs for a part.
type scratch struct {
	line   line
	values []float32 // of all channels
	fields [][]float32
	high   []float32
	sum    []float32
	labels []uint16
	idx    []uint16
	best   []float32
	row    []float32
	rows   [][]float32
	state  []int8
}

// grown returns a slice of n elements, the old one where it is long enough.
func grown[T any](s []T, n int) []T { return slices.Grow(s[:0], n)[:n] }

// blocks returns a block of n values for each channel.
func (s *scratch) blocks(channels, n int) [][]float32 {
	s.values = grown(s.values, channels*n)
	s.fields = grown(s.fields, channels)
	for c := range s.fields {
		s.fields[c] = s.values[c*n : (c+1)*n : (c+1)*n]
	}
	s.high, s.sum = grown(s.high, n), grown(s.sum, n)
	return s.fields
}

// place says where a part lies in a cell: the first voxel and the steps along the axes of the result.
func place(c *patch.Cell, w *way, p part) (at int, step [3]int) {
	stride := [3]int{1, c.Size[0], c.Size[0] * c.Size[1]}
	for i, a := range w.perm {
		step[i] = stride[a]
		at += (p.low[a] - c.Start[a]) * stride[a]
	}
	return at, step
}

// gather takes one channel of a part out of a cell, divided, and reports whether all are numbers.
func gather(c *patch.Cell, channel int, w *way, p part, dst []float32) bool {
	n := c.Len()
	values := c.Parts[0][channel*n : (channel+1)*n]
	start, step := place(c, w, p)
	size := w.size(p)
	ok := true
	to := 0
	for z := range size[2] {
		for y := range size[1] {
			at := start + y*step[1] + z*step[2]
			row := dst[to:][:size[0]]
			to += size[0]
			for x := range row {
				v := values[at] / c.Total[at]
				if v != v {
					ok = false
				}
				row[x] = v
				at += step[0]
			}
		}
	}
	return ok
}

// gatherLabels takes the labels of a part out of a cell's, and reports whether all are the same.
func gatherLabels(c *patch.Cell, labels []uint16, w *way, p part, dst []uint16) (same bool) {
	start, step := place(c, w, p)
	size := w.size(p)
	first := labels[start]
	same = true
	to := 0
	for z := range size[2] {
		for y := range size[1] {
			at := start + y*step[1] + z*step[2]
			row := dst[to:][:size[0]]
			to += size[0]
			for x := range row {
				v := labels[at]
				if v != first {
					same = false
				}
				row[x] = v
				at += step[0]
			}
		}
	}
	return same
}

// volume returns the number of voxels that a part is made of.
func (p part) volume() int {
	return (p.top[0] - p.low[0]) * (p.top[1] - p.low[1]) * (p.top[2] - p.low[2])
}

// move puts labels that were picked on the prepared grid where they belong.
func (d *decoder) move(c *patch.Cell, picked []uint16, p part, s *scratch) {
	s.labels = grown(s.labels, p.volume())
	if gatherLabels(c, picked, d.pick, p, s.labels) {
		d.fill(p, s, s.labels[0])
		return
	}
	d.pick.each(p, &s.line, func(l *line) {
		s.idx = grown(s.idx, l.n)
		l.pick(s.labels, s.idx)
		d.labels.put(l.at, s.idx)
	})
}

// fill gives all voxels of a part one label.
func (d *decoder) fill(p part, s *scratch, label uint16) {
	if label != 0 {
		d.pick.each(p, &s.line, func(l *line) { d.labels.fill(l.at, l.n, label) })
	}
}

// argmax interpolates channels and picks the largest. Where all the voxels of a part have one label, so does every
// weighted mean of them: w·p(label) >= w·p(other) voxel by voxel. For the same reason a channel that is nowhere
// above one that is the largest somewhere can be left out.
func (d *decoder) argmax(c *patch.Cell, picked []uint16, p part, s *scratch) {
	n := p.volume()
	s.labels = grown(s.labels, n)
	if gatherLabels(c, picked, d.pick, p, s.labels) {
		d.fill(p, s, s.labels[0])
		return
	}
	fields := s.blocks(d.channels, n)
	for ch := range fields {
		gather(c, ch, d.pick, p, fields[ch])
	}
	rivals := d.rivals(fields, s)
	if d.before == Softmax {
		softmax(fields, s.high, s.sum)
	}
	for _, k := range rivals {
		d.before.block(fields[d.picks[k].channel], s.high, s.sum)
	}
	d.pick.each(p, &s.line, func(l *line) {
		s.idx, s.best, s.row = grown(s.idx, l.n), grown(s.best, l.n), grown(s.row, l.n)
		for i, k := range rivals {
			if f := fields[d.picks[k].channel]; i == 0 {
				l.sample(f, s.best)
				for j := range s.idx {
					s.idx[j] = uint16(k + 1)
				}
				continue
			} else {
				l.sample(f, s.row)
			}
			for j, v := range s.row {
				if v > s.best[j] {
					s.best[j], s.idx[j] = v, uint16(k+1)
				}
			}
		}
		d.labels.put(l.at, s.idx)
	})
}

// rivals returns the picks, in order, that may be the largest somewhere in a part.
func (d *decoder) rivals(fields [][]float32, s *scratch) []int {
	count := make([]int, len(d.picks))
	for _, v := range s.labels {
		count[v-1]++
	}
	var found, rivals []int
	for k, n := range count {
		if n > 0 {
			found = append(found, k)
		}
	}
	slices.SortStableFunc(found, func(a, b int) int { return count[b] - count[a] })
	found = found[:min(len(found), 6)]
	for k := range d.picks {
		f := fields[d.picks[k].channel]
		if count[k] > 0 || !slices.ContainsFunc(found, func(j int) bool { return dominates(fields[d.picks[j].channel], f, j < k) }) {
			rivals = append(rivals, k)
		}
	}
	return rivals
}

// dominates reports whether a is above b everywhere, or as high where it comes first.
func dominates(a, b []float32, first bool) bool {
	b = b[:len(a)]
	for i, v := range a {
		if !(v > b[i] || first && v == b[i]) {
			return false
		}
	}
	return true
}

// threshold interpolates the channels that are neither above the limit nor below it all over a part.
func (d *decoder) threshold(c *patch.Cell, p part, s *scratch) {
	n := p.volume()
	limit, before, after := d.spec.Decode.threshold(), d.before, d.after
	if before == Softmax || after == Softmax {
		d.thresholdAll(c, p, s)
		return
	}
	fields := s.blocks(len(d.picks), n)
	s.state = grown(s.state, len(d.picks))
	base, mixed := 0, false
	for k, pick := range d.picks {
		if !gather(c, pick.channel, d.pick, p, fields[k]) {
			d.bad.Store(true)
		}
		low, high := slices.Min(fields[k]), slices.Max(fields[k])
		s.state[k] = 0
		switch {
		case !(after.apply(before.apply(high)) > limit):
			s.state[k] = -1
		case after.apply(before.apply(low)) > limit:
			s.state[k], base, mixed = 1, k+1, false
		default:
			mixed = true
			for i, v := range fields[k] {
				fields[k][i] = before.apply(v)
			}
		}
	}
	if !mixed {
		d.fill(p, s, uint16(base))
		return
	}
	d.pick.each(p, &s.line, func(l *line) {
		s.idx, s.row = grown(s.idx, l.n), grown(s.row, l.n)
		for j := range s.idx {
			s.idx[j] = uint16(base)
		}
		for k := base; k < len(d.picks); k++ {
			if s.state[k] != 0 {
				continue
			}
			l.sample(fields[k], s.row)
			for j, v := range s.row {
				if after.apply(v) > limit {
					s.idx[j] = uint16(k + 1)
				}
			}
		}
		d.labels.put(l.at, s.idx)
	})
}

// thresholdAll is threshold where every channel depends on all.
func (d *decoder) thresholdAll(c *patch.Cell, p part, s *scratch) {
	fields := d.fields(c, d.pick, p, s)
	limit := d.spec.Decode.threshold()
	d.pick.each(p, &s.line, func(l *line) {
		rows := d.sampled(fields, l, s)
		s.idx = grown(s.idx, l.n)
		clear(s.idx)
		for k, pick := range d.picks {
			for j, v := range rows[pick.channel] {
				if v > limit {
					s.idx[j] = uint16(k + 1)
				}
			}
		}
		d.labels.put(l.at, s.idx)
	})
}

// fields gathers all channels of a part and applies the first activation.
func (d *decoder) fields(c *patch.Cell, w *way, p part, s *scratch) [][]float32 {
	fields := s.blocks(d.channels, p.volume())
	for ch := range fields {
		if ok := gather(c, ch, w, p, fields[ch]); !ok && !d.adjust {
			d.bad.Store(true)
		}
	}
	activateBlocks(d.before, fields, s.high, s.sum)
	return fields
}

// sampled interpolates all channels along a line and applies the second activation.
func (d *decoder) sampled(fields [][]float32, l *line, s *scratch) [][]float32 {
	s.row = grown(s.row, d.channels*l.n)
	s.rows = grown(s.rows, d.channels)
	for ch := range fields {
		s.rows[ch] = s.row[ch*l.n : (ch+1)*l.n]
		l.sample(fields[ch], s.rows[ch])
	}
	s.best, s.sum = grown(s.best, l.n), grown(s.sum, l.n)
	activateBlocks(d.after, s.rows, s.best, s.sum)
	return s.rows
}

// numbers interpolates all channels and keeps them, or their entropy.
func (d *decoder) numbers(c *patch.Cell, p part, s *scratch) {
	fields := d.fields(c, d.value, p, s)
	if d.adjust {
		for ch := range fields {
			if _, ok := d.spec.Decode.samples(fields[ch], ch); !ok {
				d.bad.Store(true)
			}
		}
	}
	d.value.each(p, &s.line, func(l *line) {
		rows := d.sampled(fields, l, s)
		if d.all != nil {
			for ch, row := range rows {
				copy(d.all.Channel(ch)[l.at:], row)
			}
		}
		if d.entropy != nil {
			d.entropyOf(rows, d.entropy.Data[l.at:l.at+l.n])
		}
	})
}

// entropyOf is the entropy in nats of probabilities that exclude each other, or the mean over the channels of that of
// each against its opposite.
func (d *decoder) entropyOf(rows [][]float32, out []float32) {
	each := d.spec.Decode.Pick == Threshold && d.spec.Decode.Activation != Softmax
	for i := range out {
		var sum float64
		for _, row := range rows {
			p := float64(row[i])
			sum += nats(p)
			if each {
				sum += nats(1 - p)
			}
		}
		if each {
			sum /= float64(len(rows))
		}
		out[i] = float32(sum)
	}
}

func nats(p float64) float64 {
	if p <= 0 {
		return 0
	}
	return -p * math.Log(p)
}

// pickCell picks a label for each voxel of a cell, halo and all: its place among the picks plus one. The largest raw value is also the
// largest probability, so that argmax needs no activation.
func (d *decoder) pickCell(c *patch.Cell) []uint16 {
	n := c.Len()
	labels := make([]uint16, n)
	const piece = 4096
	tasks.Run(d.threads, (n+piece-1)/piece, func(k int) {
		lo, hi := k*piece, min((k+1)*piece, n)
		if d.spec.Decode.Pick == Argmax {
			d.pickLargest(c, labels, lo, hi)
		} else {
			d.pickAbove(c, labels, lo, hi)
		}
	})
	return labels
}

func (d *decoder) pickLargest(c *patch.Cell, labels []uint16, lo, hi int) {
	n := c.Len()
	var room [4096]float32
	best, out := room[:hi-lo], labels[lo:hi]
	for k, pick := range d.picks {
		row := c.Parts[0][pick.channel*n+lo : pick.channel*n+hi]
		if k == 0 {
			for i, v := range row {
				if v != v {
					d.bad.Store(true)
				}
				best[i], out[i] = v, 1
			}
			continue
		}
		best := best[:len(row)]
		for i, v := range row {
			if v <= best[i] {
				continue
			}
			if v != v {
				d.bad.Store(true)
			}
			best[i], out[i] = v, uint16(k+1)
		}
	}
}

func (d *decoder) pickAbove(c *patch.Cell, labels []uint16, lo, hi int) {
	n := c.Len()
	blocks := make([][]float32, d.channels)
	for ch := range blocks {
		blocks[ch] = make([]float32, hi-lo)
		for i, v := range c.Parts[0][ch*n+lo : ch*n+hi] {
			if blocks[ch][i] = v / c.Total[lo+i]; v != v {
				d.bad.Store(true)
			}
		}
	}
	activateBlocks(d.activation, blocks, make([]float32, hi-lo), make([]float32, hi-lo))
	limit := d.spec.Decode.threshold()
	for k, pick := range d.picks {
		for i, v := range blocks[pick.channel] {
			if v > limit {
				labels[lo+i] = uint16(k + 1)
			}
		}
	}
}

// values returns the label value of each pick, after that of none.
func (d *decoder) values() []float32 {
	v := []float32{0}
	for _, k := range d.picks {
		v = append(v, float32(k.value))
	}
	return v
}

// finish makes images of what was collected.
func (d *decoder) finish(out *Prediction) error {
	if d.labels == nil {
		return nil
	}
	out.Labels = d.labels.image(d.grid, d.values(), d.threads)
	d.labels = nil
	for _, rule := range d.spec.Decode.Keep {
		var err error
		if out.Labels, err = rule.Apply(out.Labels); err != nil {
			return fmt.Errorf("predict: keep: %w", err)
		}
	}
	out.Labels.Kind = imageio.Label
	return nil
}
