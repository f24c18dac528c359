package metric

import (
	"math"
	"runtime"

	"github.com/nitrain/nitrain/internal/tasks"
)

// sweep lowers the squared distances of points by the distance transforms of the shell's planes.
func (s *shell) sweep(points []point, best []float64, spacing [3]float64) {
	if len(points) == 0 {
		return
	}
	planes := make([]*plane, 2*runtime.GOMAXPROCS(0))
	for i := range planes {
		planes[i] = newPlane(s.size, spacing)
	}
	for first := 0; first < s.size[2]; first += len(planes) {
		batch := planes[:min(len(planes), s.size[2]-first)]
		tasks.Run(0, len(batch), func(k int) { batch[k].transform(s, first+k) })
		const chunks = 16
		tasks.Run(0, chunks, func(k int) {
			for _, p := range points[k*len(points)/chunks : (k+1)*len(points)/chunks] {
				at := int(p.x) + int(p.y)*s.size[0]
				for b, pl := range batch {
					dz := float64(int(p.z)-first-b) * spacing[2]
					if dz *= dz; !pl.empty && dz < best[p.i] {
						best[p.i] = min(best[p.i], dz+pl.squared[at])
					}
				}
			}
		})
	}
}

// plane holds the squared distance in mm of each point of a plane to the nearest marked one in it: the
// distance transform of Felzenszwalb and Huttenlocher (Theory of Computing 8, 2012).
type plane struct {
	nx, ny  int
	dx, dy  float64
	squared []float64
	empty   bool
	rows    []int     // with marked points
	along   []float64 // squared distance along x in each of these rows
	// the lower envelope of parabolas over one column
	centre []int
	from   []float64
}

func newPlane(size [3]int, spacing [3]float64) *plane {
	return &plane{
		nx: size[0], ny: size[1], dx: spacing[0], dy: spacing[1], squared: make([]float64, size[0]*size[1]),
		centre: make([]int, size[1]), from: make([]float64, size[1]),
	}
}

func (p *plane) transform(s *shell, z int) {
	p.rows, p.along = p.rows[:0], p.along[:0]
	for y := range p.ny {
		r := y + z*p.ny
		if xs := s.x[s.row[r]:s.row[r+1]]; len(xs) > 0 {
			p.rows = append(p.rows, y)
			p.line(xs)
		}
	}
	if p.empty = len(p.rows) == 0; p.empty {
		return
	}
	for x := range p.nx {
		p.column(x)
	}
}

// line appends the squared distances of a row to its marked points.
func (p *plane) line(xs []int32) {
	next := 0
	for x := range p.nx {
		for next+1 < len(xs) && abs(int(xs[next+1])-x) <= abs(int(xs[next])-x) {
			next++
		}
		d := float64(int(xs[next])-x) * p.dx
		p.along = append(p.along, d*d)
	}
}

func abs(n int) int { return max(n, -n) }

// column takes the lowest of all parabolas that stand on a column's rows.
func (p *plane) column(x int) {
	k := -1
	for q := range p.rows {
		start := math.Inf(-1)
		for k >= 0 {
			if start = p.crossing(x, p.centre[k], q); start > p.from[k] {
				break
			}
			k--
			start = math.Inf(-1)
		}
		k++
		p.centre[k], p.from[k] = q, start
	}
	at := 0
	for y := range p.ny {
		mm := float64(y) * p.dy
		for at < k && p.from[at+1] < mm {
			at++
		}
		q := p.centre[at]
		d := mm - float64(p.rows[q])*p.dy
		p.squared[x+y*p.nx] = d*d + p.along[x+q*p.nx]
	}
}

// crossing returns where the parabola on row q becomes lower than the one on an earlier row.
func (p *plane) crossing(x, earlier, q int) float64 {
	a, b := float64(p.rows[earlier])*p.dy, float64(p.rows[q])*p.dy
	return ((p.along[x+q*p.nx] + b*b) - (p.along[x+earlier*p.nx] + a*a)) / (2 * (b - a))
}
