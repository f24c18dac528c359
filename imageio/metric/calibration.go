package metric

import "math"

// calibrationBins is how many bins of probability calibration has, MONAI's default.
const calibrationBins = 20

// Bin is what is known about the cases whose probability lies in one part of 0 to 1.
type Bin struct {
	Cases       int
	Probability float64 // mean
	Frequency   float64 // part of the cases that are positive
}

// Reliability sorts cases into 20 equal bins of probability (above the lower end, up to the upper one), as
// MONAI's calibration_binning does, in single precision.
func Reliability(probabilities []float64, positive []bool) []Bin {
	bins := make([]Bin, calibrationBins)
	for i, p := range probabilities {
		k := 0
		for k < calibrationBins-1 && float32(p) > binEnd(k) {
			k++
		}
		b := &bins[k]
		b.Cases++
		b.Probability += p
		if positive[i] {
			b.Frequency++
		}
	}
	for k := range bins {
		if n := float64(bins[k].Cases); n > 0 {
			bins[k].Probability /= n
			bins[k].Frequency /= n
		}
	}
	return bins
}

// binEnd is the upper end of a bin, as torch.linspace computes it.
func binEnd(k int) float32 {
	const end = float32(1) + 0x1p-23
	step := end / calibrationBins
	if i := k + 1; i < (calibrationBins+1)/2 {
		return step * float32(i)
	}
	return end - step*float32(calibrationBins-1-k)
}

// CalibrationError returns the expected calibration error: the mean over cases of the distance between the
// mean probability and the frequency in the case's bin. NaN without cases.
func CalibrationError(probabilities []float64, positive []bool) float64 {
	if len(probabilities) == 0 {
		return math.NaN()
	}
	total := 0.0
	for _, b := range Reliability(probabilities, positive) {
		total += float64(b.Cases) * math.Abs(b.Probability-b.Frequency)
	}
	return total / float64(len(probabilities))
}

// Brier returns the mean squared distance between the probabilities and what came true (1 or 0). NaN
// without cases.
func Brier(probabilities []float64, positive []bool) float64 {
	total := 0.0
	for i, p := range probabilities {
		if positive[i] {
			p = 1 - p
		}
		total += p * p
	}
	return total / float64(len(probabilities))
}
