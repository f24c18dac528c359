package transform

import "math"

// aboveThreshold returns whether a sample lies above Otsu's threshold (IEEE Trans. Systems, Man and Cybernetics 9, 1979),
// on ITK's 200 bins between the smallest and the largest sample.
func aboveThreshold(samples []float32) func(i int) bool {
	const bins = 200
	lo, hi := extremes(samples)
	if !(hi > lo) {
		return func(int) bool { return true }
	}
	width := (float64(hi) - float64(lo)) / bins
	var count, sum [bins]float64
	total, all := 0.0, 0.0
	for _, v := range samples {
		if v != v {
			continue
		}
		k := min(int((float64(v)-float64(lo))/width), bins-1)
		count[k]++
		sum[k] += float64(k)
		total++
		all += float64(k)
	}
	best, at, n, s := -1.0, 0, 0.0, 0.0
	for k := range bins - 1 {
		n += count[k]
		s += sum[k]
		if n == 0 || n == total {
			continue
		}
		d := s/n - (all-s)/(total-n)
		if between := n * (total - n) * d * d; between > best {
			best, at = between, k
		}
	}
	limit := float32(float64(lo) + width*float64(at+1))
	return func(i int) bool { return samples[i] > limit }
}

func exp32(v float32) float32 { return float32(math.Exp(float64(v))) }
