package transform

import "math"

// nearestSeeds returns for every voxel the index of the nearest seed, if its centre is at most radius voxels away,
// else -1; of equally near ones, any but always the same. It is the exact distance transform of Felzenszwalb and
// Huttenlocher (Theory of Computing 8, 2012): axis after axis, the lower envelope of parabolas.
func nearestSeeds(size [3]int, radius float64, seed func(i int) bool) []int32 {
	n := size[0] * size[1] * size[2]
	near := make([]int32, n)
	dist := make([]float32, n) // squared; whole numbers, exact in float32 up to 2^24
	for i := range near {
		near[i], dist[i] = -1, math.MaxFloat32
		if seed(i) {
			near[i], dist[i] = int32(i), 0
		}
	}
	for axis := range 3 {
		envelopes(near, dist, size, axis)
	}
	limit := float32(radius * radius)
	for i := range near {
		if dist[i] > limit {
			near[i] = -1
		}
	}
	return near
}

func envelopes(near []int32, dist []float32, size [3]int, axis int) {
	across, other := 0, 3-axis
	if axis == 0 {
		across, other = 1, 2
	}
	n := size[axis]
	parallelChunks(size[across]*size[other], n, func(lo, hi int) {
		e := envelope{at: make([]int, n), from: make([]float64, n+1), dist: make([]float32, n), near: make([]int32, n)}
		for k := lo; k < hi; k++ {
			var at [3]int
			at[across], at[other] = k%size[across], k/size[across]
			w := walk(size, at, axis, across)
			for i := range n {
				e.dist[i], e.near[i] = dist[w.start+i*w.step], near[w.start+i*w.step]
			}
			e.build()
			e.read(func(i int, d float32, seed int32) {
				dist[w.start+i*w.step], near[w.start+i*w.step] = d, seed
			})
		}
	})
}

// envelope is the lower envelope of the parabolas dist[q] + (i-q)² over a line.
type envelope struct {
	dist []float32
	near []int32
	at   []int     // the parabolas of the envelope
	from []float64 // where each starts to be the lowest
	n    int
}

func (e *envelope) build() {
	e.n = 0
	for q := range e.dist {
		if e.near[q] < 0 {
			continue
		}
		start := math.Inf(-1)
		for e.n > 0 {
			p := e.at[e.n-1]
			start = (float64(e.dist[q]) + float64(q*q) - float64(e.dist[p]) - float64(p*p)) / float64(2*(q-p))
			if start > e.from[e.n-1] {
				break
			}
			e.n--
			start = math.Inf(-1)
		}
		e.at[e.n], e.from[e.n] = q, start
		e.n++
	}
}

func (e *envelope) read(store func(i int, dist float32, seed int32)) {
	if e.n == 0 {
		return
	}
	k := 0
	for i := range e.dist {
		for k+1 < e.n && e.from[k+1] < float64(i) {
			k++
		}
		q := e.at[k]
		store(i, e.dist[q]+float32((i-q)*(i-q)), e.near[q])
	}
}
