package predict

// spread gathers how much the probabilities of several runs over the same windows differ.
type spread struct {
	runs     int
	channels int
	sum      [][]float32 // of each window: channel after channel
	square   [][]float32 // of each window: the squares, summed over channels
}

func newSpread(windows int) *spread {
	return &spread{sum: make([][]float32, windows), square: make([][]float32, windows)}
}

// add takes in the raw output of a run over window k, mirrored along the axes whose bits are set.
func (s *spread) add(k int, said []float32, channels int, size [3]int, flip uint, kind Activation) {
	n := len(said) / channels
	if s.sum[k] == nil {
		s.sum[k], s.square[k] = make([]float32, len(said)), make([]float32, n)
		s.channels = channels
	}
	if k == 0 {
		s.runs++
	}
	const piece = 4096
	rows, high, sum := make([][]float32, channels), make([]float32, piece), make([]float32, piece)
	room := make([]float32, channels*piece)
	for lo := 0; lo < n; lo += piece {
		hi := min(lo+piece, n)
		for c := range rows {
			rows[c] = room[c*piece:][:hi-lo]
			copy(rows[c], said[c*n+lo:c*n+hi])
		}
		activateBlocks(kind, rows, high, sum)
		for c, row := range rows {
			for i, v := range row {
				at := turned(lo+i, size, flip)
				s.sum[k][c*n+at] += v
				s.square[k][at] += v * v
			}
		}
	}
}

// turned returns where a voxel of a mirrored block belongs.
func turned(i int, size [3]int, flip uint) int {
	if flip == 0 {
		return i
	}
	at := [3]int{i % size[0], i / size[0] % size[1], i / (size[0] * size[1])}
	for a := range at {
		if flip>>a&1 == 1 {
			at[a] = size[a] - 1 - at[a]
		}
	}
	return at[0] + size[0]*(at[1]+size[1]*at[2])
}

// variance returns the variance over the runs for each voxel of window k, the mean over channels.
func (s *spread) variance(k int) []float32 {
	n := len(s.square[k])
	out := make([]float32, n)
	runs := float32(s.runs)
	for i, v := range s.square[k] {
		out[i] = v / runs
	}
	for c := range s.channels {
		for i, v := range s.sum[k][c*n : (c+1)*n] {
			v /= runs
			out[i] -= v * v
		}
	}
	for i, v := range out {
		out[i] = max(v, 0) / float32(s.channels)
	}
	return out
}
