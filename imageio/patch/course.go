package patch

import (
	"slices"
)

// Course is the order in which windows go over an image, and the cells into which their faces cut it: a cell is
// covered by the same windows everywhere, so it is final after the last of them. The axis along which the image is
// longest is slowest, so that few cells are begun and not yet final at any time.
type Course struct {
	image, window [3]int
	order         [3]int // axes, slowest first
	axes          [3]courseAxis
}

// courseAxis is a course seen along one axis. Starts do not descend.
type courseAxis struct {
	starts      []int
	cuts        []int // cell i is [cuts[i], cuts[i+1])
	first, last []int // windows that cover cell i
	low, high   []int // cells that window i covers: [low, high)
}

// longestCell bounds a cell along an axis: longer ones are cut, so that what is done with a cell at a time takes
// little memory.
const longestCell = 64

// Course returns the way of a tiling's windows over an image.
func (t Tiling) Course(image [3]int) (*Course, error) {
	starts, err := t.positions(image)
	if err != nil {
		return nil, err
	}
	c := &Course{image: image, window: t.Window(image), order: [3]int{2, 1, 0}}
	slices.SortStableFunc(c.order[:], func(a, b int) int { return image[b] - image[a] })
	for a := range 3 {
		c.axes[a] = newCourseAxis(starts[a], c.window[a], image[a])
	}
	return c, nil
}

func newCourseAxis(starts []int, window, image int) courseAxis {
	x := courseAxis{starts: starts}
	faces := []int{0, image}
	for _, s := range starts {
		faces = append(faces, max(s, 0), min(s+window, image))
	}
	slices.Sort(faces)
	faces = slices.Compact(faces)
	for i, from := range faces[:len(faces)-1] {
		n := faces[i+1] - from
		pieces := (n + longestCell - 1) / longestCell
		for k := range pieces {
			x.cuts = append(x.cuts, from+k*n/pieces)
		}
	}
	x.low, x.high = make([]int, len(starts)), make([]int, len(starts))
	x.first, x.last = make([]int, len(x.cuts)), make([]int, len(x.cuts))
	for i := range x.first {
		x.first[i] = -1
	}
	x.cuts = append(x.cuts, image)
	for w, s := range starts {
		x.low[w], _ = slices.BinarySearch(x.cuts, max(s, 0))
		x.high[w], _ = slices.BinarySearch(x.cuts, min(s+window, image))
		for i := x.low[w]; i < x.high[w]; i++ {
			if x.last[i] = w; x.first[i] < 0 {
				x.first[i] = w
			}
		}
	}
	return x
}

// Brick is a block of cells that is gone through by itself: from cell Low to before cell High along each axis.
// Windows that reach into several bricks are run for each.
type Brick struct{ Low, High [3]int }

// Cells returns the number of cells along each axis.
func (c *Course) Cells() [3]int {
	var n [3]int
	for a := range 3 {
		n[a] = len(c.axes[a].first)
	}
	return n
}

// Windows returns the number of windows.
func (c *Course) Windows() int {
	return len(c.axes[0].starts) * len(c.axes[1].starts) * len(c.axes[2].starts)
}

// Order returns the axes, the slowest first.
func (c *Course) Order() [3]int { return c.order }

// Bricks cuts the cells into parts along each axis, as even as cells allow, in the order in which they have to be
// gone through. There are never more parts than cells.
func (c *Course) Bricks(parts [3]int) []Brick {
	var ranges [3][]int
	for a := range 3 {
		ranges[a] = c.axes[a].parts(parts[a])
	}
	var bricks []Brick
	s, m, f := c.order[0], c.order[1], c.order[2]
	for i := range len(ranges[s]) - 1 {
		for j := range len(ranges[m]) - 1 {
			for k := range len(ranges[f]) - 1 {
				var b Brick
				b.Low[s], b.High[s] = ranges[s][i], ranges[s][i+1]
				b.Low[m], b.High[m] = ranges[m][j], ranges[m][j+1]
				b.Low[f], b.High[f] = ranges[f][k], ranges[f][k+1]
				bricks = append(bricks, b)
			}
		}
	}
	return bricks
}

// parts returns the first cell of each part, and the number of cells.
func (x *courseAxis) parts(n int) []int {
	cells := len(x.first)
	length := x.cuts[cells]
	bounds := []int{0}
	for k := 1; k < n; k++ {
		want := length * k / n
		best := bounds[len(bounds)-1] + 1
		for i := best; i < cells; i++ {
			if distance(x.cuts[i], want) < distance(x.cuts[best], want) {
				best = i
			}
		}
		if best < cells {
			bounds = append(bounds, best)
		}
	}
	return append(bounds, cells)
}

func distance(a, b int) int { return max(a-b, b-a) }

// Step is one window of a course.
type Step struct {
	Box Box
	at  [3]int // of the window along each axis
}

// Steps returns the windows that reach into a brick, in order.
func (c *Course) Steps(b Brick) []Step {
	var from, to [3]int
	n := 1
	for a := range 3 {
		from[a], to[a] = c.axes[a].first[b.Low[a]], c.axes[a].last[b.High[a]-1]+1
		n *= to[a] - from[a]
	}
	steps := make([]Step, 0, n)
	var s Step
	s.Box.Size = c.window
	slow, mid, fast := c.order[0], c.order[1], c.order[2]
	for s.at[slow] = from[slow]; s.at[slow] < to[slow]; s.at[slow]++ {
		for s.at[mid] = from[mid]; s.at[mid] < to[mid]; s.at[mid]++ {
			for s.at[fast] = from[fast]; s.at[fast] < to[fast]; s.at[fast]++ {
				for a := range 3 {
					s.Box.Start[a] = c.axes[a].starts[s.at[a]]
				}
				steps = append(steps, s)
			}
		}
	}
	return steps
}

// cells returns the cells of a brick that a window covers.
func (c *Course) cells(s Step, b Brick) (low, high [3]int) {
	for a := range 3 {
		low[a] = max(c.axes[a].low[s.at[a]], b.Low[a])
		high[a] = min(c.axes[a].high[s.at[a]], b.High[a])
	}
	return low, high
}

// final reports whether a window is the last that covers a cell.
func (c *Course) final(s Step, cell [3]int) bool {
	for a := range 3 {
		if c.axes[a].last[cell[a]] != s.at[a] {
			return false
		}
	}
	return true
}

// each calls f for the cells from low to before high in the course's order.
func (c *Course) each(low, high [3]int, f func(cell [3]int)) {
	s, m, q := c.order[0], c.order[1], c.order[2]
	var at [3]int
	for at[s] = low[s]; at[s] < high[s]; at[s]++ {
		for at[m] = low[m]; at[m] < high[m]; at[m]++ {
			for at[q] = low[q]; at[q] < high[q]; at[q]++ {
				f(at)
			}
		}
	}
}

// box returns the voxels of a cell with one layer of its lower neighbours, where it has any, and the number of such
// layers along each axis.
func (c *Course) box(cell [3]int) (b Box, halo [3]int) {
	for a := range 3 {
		cuts := c.axes[a].cuts
		halo[a] = min(cell[a], 1)
		b.Start[a] = cuts[cell[a]] - halo[a]
		b.Size[a] = cuts[cell[a]+1] - b.Start[a]
	}
	return b, halo
}

// Held returns how many values a channel, at most, a [Frontier] holds at a time over bricks of the course.
func (c *Course) Held(bricks []Brick) int {
	begun, now, most := map[[3]int]bool{}, 0, 0
	cells := c.Cells()
	for _, b := range bricks {
		for _, s := range c.Steps(b) {
			low, high := c.cells(s, b)
			c.each(low, high, func(at [3]int) {
				if !begun[at] {
					begun[at] = true
					box, _ := c.box(at)
					now += box.Len()
				}
			})
			most = max(most, now)
			c.each(low, high, func(at [3]int) {
				if !c.final(s, at) {
					return
				}
				box, halo := c.box(at)
				for a := range 3 {
					if at[a] < cells[a]-1 {
						now += box.Len() / box.Size[a]
					}
				}
				most = max(most, now)
				now -= box.Len()
				for a := range 3 {
					now -= halo[a] * box.Len() / box.Size[a]
				}
			})
		}
	}
	return most
}

// Count returns the number of windows that reach into a brick.
func (c *Course) Count(b Brick) int {
	n := 1
	for a := range 3 {
		n *= c.axes[a].last[b.High[a]-1] + 1 - c.axes[a].first[b.Low[a]]
	}
	return n
}
