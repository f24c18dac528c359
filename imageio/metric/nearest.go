package metric

import (
	"cmp"
	"math"
	"slices"

	"github.com/nitrain/nitrain/internal/tasks"
)

// nearest returns the distance in mm from each point of one shell to the nearest of another on the same
// lattice, exactly. Points close by are found by looking through the rows around; those that are farther
// away by the distance transform of the planes of the other shell, one after the other, so that memory
// holds a few planes and the time never exceeds that of a whole transform by much.
func nearest(from, to *shell, spacing [3]float64) []float64 {
	best := make([]float64, len(from.x))
	if len(to.x) == 0 {
		for i := range best {
			best[i] = math.Inf(1)
		}
		return best
	}
	around := rowsAround(spacing, from.size)
	rows := len(from.row) - 1
	const chunks = 64
	far := make([][]point, chunks)
	tasks.Run(0, chunks, func(k int) {
		for r := k * rows / chunks; r < (k+1)*rows/chunks; r++ {
			for i := from.row[r]; i < from.row[r+1]; i++ {
				p := point{from.x[i], int32(r % from.size[1]), int32(r / from.size[1]), i}
				d, sure := to.search(p, around, spacing[0])
				if best[i] = d; !sure {
					far[k] = append(far[k], p)
				}
			}
		}
	})
	to.sweep(slices.Concat(far...), best, spacing)
	for i, d := range best {
		best[i] = math.Sqrt(d)
	}
	return best
}

// point is a point of a shell and its place in it.
type point struct{ x, y, z, i int32 }

// around is a row beside another one.
type around struct {
	dy, dz  int
	squared float64 // distance in mm
}

// mostAround is how many rows are looked through for one point.
const mostAround = 256

// rowsAround returns the nearest rows of a lattice, the nearest first.
func rowsAround(spacing [3]float64, size [3]int) []around {
	reach := func(a int) int { // a disc of mostAround rows, whatever the shape of a voxel
		mm := math.Sqrt(mostAround / math.Pi * spacing[1] * spacing[2])
		return min(int(mm/spacing[a])+1, size[a]-1)
	}
	var list []around
	for dz := -reach(2); dz <= reach(2); dz++ {
		for dy := -reach(1); dy <= reach(1); dy++ {
			y, z := float64(dy)*spacing[1], float64(dz)*spacing[2]
			list = append(list, around{dy, dz, y*y + z*z})
		}
	}
	slices.SortStableFunc(list, func(a, b around) int { return cmp.Compare(a.squared, b.squared) })
	// beyond the first circle that leaves the rectangle rows are missing
	whole := math.Inf(1)
	for a := 1; a < 3; a++ {
		if r := reach(a); r < size[a]-1 {
			mm := float64(r+1) * spacing[a]
			whole = min(whole, mm*mm)
		}
	}
	end, _ := slices.BinarySearchFunc(list, whole, func(a around, mm float64) int { return cmp.Compare(a.squared, mm) })
	list = list[:end]
	if math.IsInf(whole, 1) {
		return append(list, around{squared: whole}) // these are all rows there are
	}
	return append(list, around{squared: whole, dy: size[1]}) // nothing beyond is known
}

// search looks through the rows around a point. It returns the smallest squared distance found, and
// whether nothing else can be nearer.
func (s *shell) search(p point, rows []around, dx float64) (float64, bool) {
	best := math.Inf(1)
	for _, a := range rows {
		if a.squared >= best {
			return best, true
		}
		y, z := int(p.y)+a.dy, int(p.z)+a.dz
		if y < 0 || z < 0 || y >= s.size[1] || z >= s.size[2] {
			continue
		}
		r := y + z*s.size[1]
		if xs := s.x[s.row[r]:s.row[r+1]]; len(xs) > 0 {
			d := float64(closest(xs, p.x)) * dx
			best = min(best, a.squared+d*d)
		}
	}
	return best, math.IsInf(rows[len(rows)-1].squared, 1)
}

// closest returns how far the nearest of ascending numbers is.
func closest(xs []int32, x int32) int32 {
	low, high := 0, len(xs)
	for low < high {
		if mid := int(uint(low+high) >> 1); xs[mid] < x {
			low = mid + 1
		} else {
			high = mid
		}
	}
	switch {
	case low == len(xs):
		return x - xs[low-1]
	case low == 0:
		return xs[0] - x
	}
	return min(xs[low]-x, x-xs[low-1])
}
