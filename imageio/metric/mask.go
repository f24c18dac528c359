package metric

import (
	"slices"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/internal/tasks"
)

// mask is a region's voxels within a box, with a rim of zeros around it. An axis of one voxel has no rim:
// the image has no surface across it.
type mask struct {
	size [3]int // with the rim
	on   []uint8
}

// mask cuts a region out of an image.
func (j *joint) mask(im *imageio.Image, r Region, b box) *mask {
	in := r.values()
	var rim [3]int
	m := &mask{}
	for a := range 3 {
		if im.Grid.Size[a] > 1 {
			rim[a] = 1
		}
		m.size[a] = b.high[a] - b.low[a] + 2*rim[a]
	}
	m.on = make([]uint8, m.size[0]*m.size[1]*m.size[2])
	width := b.high[0] - b.low[0]
	tasks.Run(0, b.high[2]-b.low[2], func(z int) {
		for y := range b.high[1] - b.low[1] {
			from := im.Grid.Index(b.low[0], b.low[1]+y, b.low[2]+z)
			row := m.on[((z+rim[2])*m.size[1]+y+rim[1])*m.size[0]+rim[0]:]
			fill(row[:width], im.Data[from:from+width], in)
			if j.ignore == nil {
				continue
			}
			for x, t := range j.truth.Data[from : from+width] {
				if t == *j.ignore {
					row[x] = 0
				}
			}
		}
	})
	return m
}

func fill(row []uint8, data, in []float32) {
	if len(in) == 1 {
		want := in[0]
		for x, v := range data {
			if v == want {
				row[x] = 1
			}
		}
		return
	}
	for x, v := range data {
		if v != 0 && slices.Contains(in, v) {
			row[x] = 1
		}
	}
}

// shell is a set of points of a lattice by rows along x: row r = y + z*size[1] has the points
// x[row[r]:row[r+1]], ascending. A point may have an area.
type shell struct {
	size [3]int
	row  []int32
	x    []int32
	area []float64
}

// edges returns the voxels with a neighbour across a face that is not in the mask.
func (m *mask) edges() *shell {
	stride := [3]int{1, m.size[0], m.size[0] * m.size[1]}
	var steps []int
	for a, n := range m.size {
		if n > 1 {
			steps = append(steps, -stride[a], stride[a])
		}
	}
	return gather(m.size, false, func(z int, add func(y, x int, area float64)) {
		for y := range m.size[1] {
			at := (z*m.size[1] + y) * m.size[0]
			for x, v := range m.on[at : at+m.size[0]] {
				if v != 0 && m.exposed(at+x, steps) {
					add(y, x, 0)
				}
			}
		}
	})
}

func (m *mask) exposed(i int, steps []int) bool {
	for _, s := range steps {
		if m.on[i+s] == 0 {
			return true
		}
	}
	return len(steps) == 0
}

// gather collects the points of a lattice slice by slice.
func gather(size [3]int, areas bool, slice func(z int, add func(y, x int, area float64))) *shell {
	type layer struct {
		count []int32
		x     []int32
		area  []float64
	}
	layers := make([]layer, size[2])
	tasks.Run(0, size[2], func(z int) {
		l := &layers[z]
		l.count = make([]int32, size[1])
		slice(z, func(y, x int, area float64) {
			l.count[y]++
			l.x = append(l.x, int32(x))
			if areas {
				l.area = append(l.area, area)
			}
		})
	})
	s := &shell{size: size, row: make([]int32, 1, size[1]*size[2]+1)}
	for _, l := range layers {
		for _, n := range l.count {
			s.row = append(s.row, s.row[len(s.row)-1]+n)
		}
		s.x, s.area = append(s.x, l.x...), append(s.area, l.area...)
	}
	return s
}
