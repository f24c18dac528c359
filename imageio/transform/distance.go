package transform

import "math"

// nearestSeeds returns for every voxel the index of the nearest seed, if its centre is at most radius away,
// else -1; neighbours along an axis are step[axis] apart; of equally near ones, any but always the same. It is the exact distance transform of Felzenszwalb and
// Huttenlocher (Theory of Computing 8, 2012): axis after axis, the lower envelope of parabolas.
func nearestSeeds(size [3]int, step [3]float64, radius float64, seed func(i int) bool) []int32 {
	n := size[0] * size[1] * size[2]
	limit := float32(radius * radius)
	near := make([]int32, n)
	dist := make([]float32, n) // squared; with steps of 1 whole numbers, exact in float32 up to 2^24
	for i := range near {
		near[i] = -1
		if seed(i) {
			near[i] = int32(i)
		}
	}
	for axis := range 3 {
		envelopes(near, dist, size, axis, step[axis]*step[axis], limit)
	}
	return near
}

// envelopes widens the seeds along one axis, sixteen lines at a time, so that memory is read in whole cache lines.
func envelopes(near []int32, dist []float32, size [3]int, axis int, step2 float64, limit float32) {
	const together = 16
	across, other := 0, 3-axis
	if axis == 0 {
		across, other = 1, 2
	}
	n := size[axis]
	groups := (size[across] + together - 1) / together
	parallelChunks(groups*size[other], n*together, func(lo, hi int) {
		var lines [together]envelope
		for i := range lines {
			lines[i] = newEnvelope(n)
		}
		for g := lo; g < hi; g++ {
			var at [3]int
			at[across], at[other] = g%groups*together, g/groups
			width := min(together, size[across]-at[across])
			w := walk(size, at, axis, across)
			for i := range n {
				for k := range width {
					p := w.start + i*w.step + k*w.across
					lines[k].dist[i], lines[k].near[i] = dist[p], near[p]
				}
			}
			for k := range width {
				lines[k].widen(step2, limit)
			}
			for i := range n {
				for k := range width {
					p := w.start + i*w.step + k*w.across
					dist[p], near[p] = lines[k].dist[i], lines[k].near[i]
				}
			}
		}
	})
}

// envelope is the lower envelope of the parabolas dist[q] + step²·(i-q)² over a line.
type envelope struct {
	dist []float32
	near []int32
	// the parabolas of the envelope: where each stands, how high and for which seed, and where it starts to be lowest
	at     []int
	height []float32
	seed   []int32
	from   []float64
}

func newEnvelope(n int) envelope {
	return envelope{dist: make([]float32, n), near: make([]int32, n)}
}

// widen replaces each place by the nearest seed within the limit.
func (e *envelope) widen(step2 float64, limit float32) {
	e.build(step2)
	k := 0
	for i := range e.dist {
		e.near[i] = -1
		if len(e.at) == 0 {
			continue
		}
		for k+1 < len(e.at) && e.from[k+1] < float64(i) {
			k++
		}
		away := i - e.at[k]
		if d := e.height[k] + float32(step2*float64(away*away)); d <= limit {
			e.dist[i], e.near[i] = d, e.seed[k]
		}
	}
}

func (e *envelope) build(step2 float64) {
	e.at, e.height, e.seed, e.from = e.at[:0], e.height[:0], e.seed[:0], e.from[:0]
	for q, seed := range e.near {
		if seed < 0 {
			continue
		}
		start := math.Inf(-1)
		for n := len(e.at); n > 0; n = len(e.at) {
			p := e.at[n-1]
			start = ((float64(e.dist[q])-float64(e.height[n-1]))/step2 + float64(q*q-p*p)) / float64(2*(q-p))
			if start > e.from[n-1] {
				break
			}
			e.at, e.height, e.seed, e.from = e.at[:n-1], e.height[:n-1], e.seed[:n-1], e.from[:n-1]
			start = math.Inf(-1)
		}
		e.at, e.height = append(e.at, q), append(e.height, e.dist[q])
		e.seed, e.from = append(e.seed, seed), append(e.from, start)
	}
}
