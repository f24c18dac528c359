package batch

import "github.com/nitrain/nitrain/imageio"

// shape gathers where a label's voxels are.
type shape struct {
	n, border int
	low, high [3]int
	sum       [3]int // of indices; of x twice that
	sides     [6]bool
}

// shapes walks over the runs of equal labels along x.
func (s slots) shapes(im *imageio.Image) []shape {
	out := make([]shape, len(s.labels))
	size := im.Grid.Size
	for z := range size[2] {
		for y := range size[1] {
			row := im.Data[im.Grid.Index(0, y, z):][:size[0]]
			for x := 0; x < len(row); {
				end := x + 1
				for end < len(row) && row[end] == row[x] {
					end++
				}
				if slot := s.of(row[x]); slot >= 0 {
					out[slot].add(size, x, end, y, z)
				}
				x = end
			}
		}
	}
	return out
}

// add takes the voxels from x up to end in.
func (s *shape) add(size [3]int, x, end, y, z int) {
	n := end - x
	low, high := [3]int{x, y, z}, [3]int{end - 1, y, z}
	if s.n == 0 {
		s.low, s.high = low, high
	}
	across := false // the whole run lies in an outer layer
	for a := range 3 {
		s.low[a], s.high[a] = min(s.low[a], low[a]), max(s.high[a], high[a])
		if size[a] == 1 {
			continue // a slice has no border across
		}
		first, last := low[a] == 0, high[a] == size[a]-1
		s.sides[2*a] = s.sides[2*a] || first
		s.sides[2*a+1] = s.sides[2*a+1] || last
		across = across || a > 0 && (first || last)
	}
	switch {
	case across:
		s.border += n
	case size[0] > 1:
		if x == 0 {
			s.border++
		}
		if end == size[0] {
			s.border++
		}
	}
	s.n += n
	s.sum[0] += n * (x + end - 1)
	s.sum[1] += n * y
	s.sum[2] += n * z
}

// figures returns the shape in the units of the statistics.
func (s *shape) figures(g imageio.Grid) LabelStatistics {
	out := LabelStatistics{Voxels: s.n, ML: float64(s.n) * g.VoxelVolume() / 1000, BorderVoxels: s.border}
	if s.n == 0 {
		return out
	}
	n := float64(s.n)
	centre := g.World(float64(s.sum[0])/2/n, float64(s.sum[1])/n, float64(s.sum[2])/n)
	out.Box, out.Centroid = &Box{s.low, s.high}, &centre
	codes := g.AxisCodes()
	for a := range min(3, len(codes)) {
		if s.sides[2*a] {
			out.BorderSides += string(rune(imageio.Opposite(codes[a])))
		}
		if s.sides[2*a+1] {
			out.BorderSides += codes[a : a+1]
		}
	}
	return out
}
