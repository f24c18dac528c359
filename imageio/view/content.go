package view

import (
	"math"
	"slices"

	"github.com/nitrain/nitrain/imageio"
)

// sample returns at most a million finite values, evenly taken, sorted.
func sample(data []float32) []float32 {
	stride := max(1, len(data)/1_000_000)
	if stride > 1 {
		stride |= 1 // an odd stride does not fall in step with even row lengths
	}
	values := make([]float32, 0, len(data)/stride+1)
	for i := 0; i < len(data); i += stride {
		if v := float64(data[i]); !math.IsNaN(v) && !math.IsInf(v, 0) {
			values = append(values, data[i])
		}
	}
	slices.Sort(values)
	return values
}

func quantile(sorted []float32, q float64) float64 {
	return float64(sorted[int(math.Round(q*float64(len(sorted)-1)))])
}

// robustWindow returns 1 and 99 % of the values that are not background: the smallest value, where a
// twentieth of the image or more has it.
func robustWindow(data []float32) [2]float64 {
	values := sample(data)
	if len(values) == 0 {
		return [2]float64{0, 1}
	}
	rest, _ := slices.BinarySearch(values, math.Nextafter32(values[0], float32(math.Inf(1))))
	if rest*20 >= len(values) && rest < len(values) {
		values = values[rest:]
	}
	low, high := quantile(values, 0.01), quantile(values, 0.99)
	if low == high {
		low, high = min(quantile(values, 0), float64(values[0])), quantile(values, 1)
	}
	if low == high {
		low = high - 1
	}
	return [2]float64{low, high}
}

// contentBox returns the voxels worth showing: those brighter than a tenth of the window and those that
// are labelled. A 2-D scan and one in colours are shown whole.
func (s *scene) contentBox() [3][2]int {
	size := s.scan.Grid.Size
	whole := [3][2]int{{0, size[0] - 1}, {0, size[1] - 1}, {0, size[2] - 1}}
	if s.depth() == 1 || s.colour {
		return whole
	}
	threshold := float32(s.window[0] + 0.1*(s.window[1]-s.window[0]))
	profiles := profile(s.scan.Grid, s.scan.Channel(s.o.Channel), func(v float32) float64 {
		if v > threshold {
			return 1
		}
		return 0
	})
	box := whole
	for axis, sums := range profiles {
		most := slices.Max(sums)
		if most == 0 {
			return whole
		}
		first, last := span(sums, 0.01*most)
		box[axis] = [2]int{first, last}
	}
	if s.seg != nil {
		for axis, sums := range s.labelProfiles() {
			if slices.Max(sums) > 0 {
				first, last := span(sums, 0)
				box[axis] = [2]int{min(box[axis][0], first), max(box[axis][1], last)}
			}
		}
	}
	return box
}

// withMargin widens a box by 4 % and a voxel, within the scan.
func (s *scene) withMargin(box [3][2]int) [3][2]int {
	size := s.scan.Grid.Size
	for axis := range box {
		extra := int(math.Ceil(0.04*float64(box[axis][1]-box[axis][0]+1))) + 1
		box[axis] = [2]int{max(0, box[axis][0]-extra), min(size[axis]-1, box[axis][1]+extra)}
	}
	return box
}

// span returns the first and last place with more than least.
func span(sums []float64, least float64) (int, int) {
	first, last := len(sums)-1, 0
	for i, v := range sums {
		if v > least {
			first, last = min(first, i), max(last, i)
		}
	}
	return first, last
}

// profile sums weights of samples over the slices across each axis.
func profile(g imageio.Grid, data []float32, weight func(float32) float64) [3][]float64 {
	var sums [3][]float64
	for axis, n := range g.Size {
		sums[axis] = make([]float64, n)
	}
	i := 0
	for z := range g.Size[2] {
		for y := range g.Size[1] {
			line := 0.0
			for x := range g.Size[0] {
				if w := weight(data[i]); w > 0 {
					sums[0][x] += w
					line += w
				}
				i++
			}
			sums[1][y] += line
			sums[2][z] += line
		}
	}
	return sums
}

// labelProfiles returns, for the slices across each of the scan's axes, how much of each label they show:
// a label counts the same whether it is large or small.
func (s *scene) labelProfiles() [3][]float64 {
	counts := s.seg.counts()
	if s.seg.same(s.scan.Grid) {
		var last float32
		var w float64
		return profile(s.scan.Grid, s.seg.im.Channel(0), func(v float32) float64 {
			if v == 0 {
				return 0
			}
			if v != last {
				last, w = v, 1/float64(counts[int(v)])
			}
			return w
		})
	}
	var sums [3][]float64 // another grid: its labelled voxels, wherever they lie in the scan
	size := s.scan.Grid.Size
	for axis, n := range size {
		sums[axis] = make([]float64, n)
	}
	s.seg.each(func(label int, at [3]float64) {
		w := 1 / float64(counts[label])
		for axis := range 3 {
			if i := int(math.Round(at[axis])); i >= 0 && i < size[axis] {
				sums[axis][i] += w
			}
		}
	})
	return sums
}

// middle returns the voxel through which the three planes go.
func (s *scene) middle() [3]int {
	if s.o.Through != nil {
		return *s.o.Through
	}
	var at [3]int
	for axis := range at {
		at[axis] = (s.box[axis][0] + s.box[axis][1]) / 2
	}
	if s.seg != nil {
		if counts := s.seg.counts(); len(counts) > 0 {
			return best(s.labelProfiles(), at)
		}
	}
	if s.heat != nil && s.heat.same(s.scan.Grid) {
		return best(profile(s.scan.Grid, s.heat.im.Channel(0), func(v float32) float64 { return math.Abs(float64(v)) }), at)
	}
	return at
}

// best returns the slices with the largest sums, smoothed over a few neighbours.
func best(sums [3][]float64, at [3]int) [3]int {
	for axis, profile := range sums {
		reach := len(profile) / 64
		most := 0.0
		for i := range profile {
			total := 0.0
			for j := max(0, i-reach); j <= min(len(profile)-1, i+reach); j++ {
				total += profile[j]
			}
			if total > most*(1+1e-9) {
				most, at[axis] = total, i
			}
		}
	}
	return at
}
