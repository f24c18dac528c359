package patch

import (
	"fmt"

	"github.com/nitrain/nitrain/internal/tasks"
)

// Frontier averages what models say about overlapping windows, as [Stitcher] does, and gives each cell of the image
// away as soon as no later window touches it. It holds the cells that are begun and not final, and of final ones one
// layer of voxels until the neighbour above has it: about channels × (what windows overlap) × (the image's smallest
// cross-section), not channels × the image. It is for one goroutine at a time.
type Frontier struct {
	o       FrontierOptions
	course  *Course
	weights []float32 // of a window; nil: 1
	cells   map[[3]int]*Cell
	faces   map[facePlace][]float32
	skipped map[[3]int]bool
	pool    pool
}

// FrontierOptions say what a Frontier is to do.
type FrontierOptions struct {
	Tiling   Tiling
	Image    [3]int
	Channels int
	Parts    int // sums that are kept apart until a cell is final; 0: 1
	Copies   int // how often every window is added to each part: the sums are divided by it too; 0: 1
	Threads  int // 0: GOMAXPROCS
	// Empty has the values of voxels that no window was run over, one a channel; nil: zeros.
	Empty []float32
	// Merge makes one part of several: it leaves the result in part 0 of a final cell, and in Total what it has to be
	// divided by. Only voxels outside of Halo count. It must be given with more than one part.
	Merge func(c *Cell)
}

// facePlace names the highest layer of a cell along an axis.
type facePlace struct {
	cell [3]int
	axis int
}

// NewFrontier returns a Frontier over a course of the options' tiling.
func NewFrontier(c *Course, o FrontierOptions) (*Frontier, error) {
	o.Parts, o.Copies = max(o.Parts, 1), max(o.Copies, 1)
	if o.Channels < 1 || o.Parts > 1 && o.Merge == nil || o.Empty != nil && len(o.Empty) != o.Channels {
		return nil, fmt.Errorf("patch: frontier: want channels, and a merge of %d parts, got %d channels", o.Parts, o.Channels)
	}
	if tooLarge([3]int{longestCell + 1, longestCell + 1, longestCell + 1}, o.Channels) {
		return nil, fmt.Errorf("patch: frontier: %d channels are too many", o.Channels)
	}
	f := &Frontier{o: o, course: c, cells: map[[3]int]*Cell{}, faces: map[facePlace][]float32{}, skipped: map[[3]int]bool{}}
	if o.Tiling.Blend == Gaussian {
		f.weights = o.Tiling.Weights(o.Image)
	}
	return f, nil
}

// Skip notes that a window is not run: it counts nowhere. Call it before Finish.
func (f *Frontier) Skip(s Step) { f.skipped[s.at] = true }

// Add takes in one window: values has one block of the window's voxels for each channel, x fastest, mirrored along the
// axes whose bits are set in flip. What lies outside of the image or of the brick is left out.
func (f *Frontier) Add(s Step, b Brick, part int, values []float32, flip uint) error {
	n := s.Box.Len()
	if len(values) != n*f.o.Channels || part < 0 || part >= f.o.Parts {
		return fmt.Errorf("patch: frontier: want %d channels of %v voxels, got %d values for part %d", f.o.Channels, s.Box.Size, len(values), part)
	}
	var cells []*Cell
	low, high := f.course.cells(s, b)
	f.course.each(low, high, func(at [3]int) { cells = append(cells, f.cell(at)) })
	tasks.Run(f.o.Threads, len(cells)*f.o.Channels, func(k int) {
		c, ch := cells[k/f.o.Channels], k%f.o.Channels
		f.add(c, s.Box, c.Parts[part][ch*c.Len():(ch+1)*c.Len()], values[ch*n:(ch+1)*n], flip, c.runs[part] == 0)
	})
	for _, c := range cells {
		c.runs[part]++
	}
	return nil
}

// cell returns a cell, begun if need be.
func (f *Frontier) cell(at [3]int) *Cell {
	if c := f.cells[at]; c != nil {
		return c
	}
	c := &Cell{at: at, runs: make([]int, f.o.Parts), Covered: true, Parts: make([][]float32, f.o.Parts)}
	c.Box, c.Halo = f.course.box(at)
	for i := range c.Parts {
		c.Parts[i] = f.pool.get(c.Len() * f.o.Channels)
	}
	f.cells[at] = c
	return c
}

// add adds one channel of a window to a cell; the first window is written over whatever was there.
func (f *Frontier) add(c *Cell, window Box, sums, values []float32, flip uint, first bool) {
	n := c.Size[0] - c.Halo[0]
	var turned []float32
	if flip&1 != 0 {
		turned = make([]float32, n)
	}
	x0 := c.Start[0] + c.Halo[0] - window.Start[0]
	c.interior(func(at, y, z int) {
		y, z = y-window.Start[1], z-window.Start[2]
		row := sums[at : at+n]
		var w []float32
		if f.weights != nil {
			w = f.weights[x0+window.Size[0]*(y+window.Size[1]*z):][:n]
		}
		if flip&2 != 0 {
			y = window.Size[1] - 1 - y
		}
		if flip&4 != 0 {
			z = window.Size[2] - 1 - z
		}
		line := values[window.Size[0]*(y+window.Size[1]*z):][:window.Size[0]]
		if turned != nil {
			from := line[window.Size[0]-x0-n:][:n]
			for i, v := range from {
				turned[n-1-i] = v
			}
			line = turned
		} else {
			line = line[x0 : x0+n]
		}
		accumulate(row, line, w, first)
	})
}

// accumulate adds values times weights, or writes them.
func accumulate(row, values, weights []float32, first bool) {
	values = values[:len(row)]
	switch {
	case weights == nil && first:
		copy(row, values)
	case weights == nil:
		for i := range row {
			row[i] += values[i]
		}
	case first:
		weights = weights[:len(row)]
		for i := range row {
			row[i] = weights[i] * values[i]
		}
	default:
		weights = weights[:len(row)]
		for i := range row {
			row[i] += weights[i] * values[i]
		}
	}
}

// Finish says that all of a window of a brick has been added. It calls emit for each cell that is final with it, in the
// course's order; the cell's memory is taken back afterwards. Windows have to be finished in the order of
// [Course.Steps], brick after brick.
func (f *Frontier) Finish(s Step, b Brick, emit func(c *Cell) error) error {
	low, high := f.course.cells(s, b)
	var err error
	f.course.each(low, high, func(at [3]int) {
		if err == nil && f.course.final(s, at) {
			err = f.finish(f.cell(at), emit)
		}
	})
	return err
}

func (f *Frontier) finish(c *Cell, emit func(c *Cell) error) error {
	c.Covered = c.runs[0] > 0
	c.Total = f.pool.get(c.Len())
	if c.Covered {
		f.total(c)
		if f.o.Merge != nil && f.o.Parts > 1 {
			f.o.Merge(c)
		}
	} else {
		fill(c.Total, 1)
		for ch := range f.o.Channels {
			v := float32(0)
			if f.o.Empty != nil {
				v = f.o.Empty[ch]
			}
			fill(c.Parts[0][ch*c.Len():(ch+1)*c.Len()], v)
		}
	}
	for a := range 3 {
		if c.Halo[a] == 1 {
			below := c.at
			below[a]--
			place := facePlace{below, a}
			face := f.faces[place]
			c.putFace(a, face)
			delete(f.faces, place)
			f.pool.put(face)
		}
	}
	for a, n := range f.course.Cells() {
		if c.at[a] < n-1 {
			face := f.pool.get(c.Len() / c.Size[a] * f.o.Channels)
			c.face(a, face)
			f.faces[facePlace{c.at, a}] = face
		}
	}
	err := emit(c)
	delete(f.cells, c.at)
	for _, p := range c.Parts {
		f.pool.put(p)
	}
	f.pool.put(c.Total)
	return err
}

// total sums the weights of the windows that were run over a cell, in the order in which they were added.
func (f *Frontier) total(c *Cell) {
	var from, to [3]int
	for a := range 3 {
		from[a], to[a] = f.course.axes[a].first[c.at[a]], f.course.axes[a].last[c.at[a]]+1
	}
	fill(c.Total, 0)
	n := c.Size[0] - c.Halo[0]
	f.course.each(from, to, func(at [3]int) {
		if f.skipped[at] {
			return
		}
		var start [3]int
		for a := range 3 {
			start[a] = f.course.axes[a].starts[at[a]]
		}
		x0 := c.Start[0] + c.Halo[0] - start[0]
		c.interior(func(at, y, z int) {
			row := c.Total[at : at+n]
			if f.weights == nil {
				for i := range row {
					row[i]++
				}
				return
			}
			w := f.weights[x0+f.course.window[0]*(y-start[1]+f.course.window[1]*(z-start[2])):][:n]
			for i := range row {
				row[i] += w[i]
			}
		})
	})
	if f.o.Copies > 1 {
		copies := float32(f.o.Copies)
		c.interior(func(at, _, _ int) {
			for i := range c.Total[at : at+n] {
				c.Total[at+i] *= copies
			}
		})
	}
}

// Held returns the number of values that cells, faces and idle blocks take.
func (f *Frontier) Held() int {
	n := 0
	for _, c := range f.cells {
		n += c.Len() * f.o.Channels * f.o.Parts
	}
	for _, face := range f.faces {
		n += cap(face)
	}
	for _, b := range f.pool.free {
		n += cap(b)
	}
	return n
}
