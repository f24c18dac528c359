package patch

import "math"

// Weights returns how much each voxel of a window over an image counts, x fastest.
func (t Tiling) Weights(image [3]int) []float32 {
	window := t.Window(image)
	w := make([]float32, window[0]*window[1]*window[2])
	if t.Blend != Gaussian {
		fill(w, 1)
		return w
	}
	sigma := t.Sigma
	if sigma == 0 {
		sigma = 0.125
	}
	var axis [3][]float64
	for a := range 3 {
		if t.Rule == NNUNet {
			axis[a] = filteredDelta(window[a], sigma)
		} else {
			axis[a] = bell(window[a], sigma)
		}
	}
	product(w, axis)
	if t.Rule == NNUNet {
		scaleToTen(w)
	} else {
		raise(w)
	}
	return w
}

// bell is MONAI's Gaussian over n voxels, highest in the middle.
func bell(n int, sigma float64) []float64 {
	w := make([]float64, n)
	s := sigma * float64(n)
	for i := range w {
		x := float64(i) - float64(n-1)/2
		w[i] = math.Exp(-x * x / (2 * s * s))
	}
	return w
}

// filteredDelta is what scipy's gaussian_filter with its truncation at 4 standard deviations makes of a
// one at voxel n/2 and zeros elsewhere, up to a factor.
func filteredDelta(n int, sigma float64) []float64 {
	w := make([]float64, n)
	s := sigma * float64(n)
	radius := int(4*s + 0.5)
	for i := range w {
		if x := i - n/2; x >= -radius && x <= radius {
			w[i] = math.Exp(-0.5 / (s * s) * float64(x*x))
		}
	}
	return w
}

func product(w []float32, axis [3][]float64) {
	at := 0
	for _, z := range axis[2] {
		for _, y := range axis[1] {
			for _, x := range axis[0] {
				w[at] = float32(x * y * z)
				at++
			}
		}
	}
}

// raise lifts weights to the smallest of them or 0.001, whichever is more, as MONAI does.
func raise(w []float32) {
	low := float32(math.Inf(1))
	for _, v := range w {
		low = min(low, v)
	}
	low = max(low, 1e-3)
	for i, v := range w {
		w[i] = max(v, low)
	}
}

// scaleToTen makes the largest weight 10 and replaces zeros by the smallest other one, as nnU-Net does.
func scaleToTen(w []float32) {
	var high float32
	for _, v := range w {
		high = max(high, v)
	}
	low := float32(math.Inf(1))
	for i, v := range w {
		w[i] = v * (10 / high)
		if w[i] > 0 {
			low = min(low, w[i])
		}
	}
	for i, v := range w {
		if v == 0 {
			w[i] = low
		}
	}
}
