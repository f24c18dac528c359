package transform

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/nitrain/nitrain/imageio"
)

// HistogramRule says how MatchHistogram finds its map.
type HistogramRule string

// The histogram rules.
const (
	// HistogramExact maps every value to the reference's value of the same cumulative frequency:
	// scikit-image's match_histograms.
	HistogramExact HistogramRule = "exact"
	// HistogramITK maps linearly between a few quantiles of the values above the mean:
	// ITK's HistogramMatchingImageFilter.
	HistogramITK HistogramRule = "itk"
)

// MatchHistogram changes the values monotonically so that their histogram becomes the reference's. The reference may
// lie on any grid; channel by channel, a reference of one channel serves all. Nonzero (rule exact) leaves out samples
// that are zero, in both. Levels and Points belong to rule itk.
type MatchHistogram struct {
	Reference Other         `json:"reference"`
	Rule      HistogramRule `json:"rule,omitzero"`    // default exact
	Nonzero   bool          `json:"nonzero,omitzero"` // rule exact
	Levels    int           `json:"levels,omitzero"`  // rule itk: bins of the histograms, default 256
	Points    int           `json:"points,omitzero"`  // rule itk: quantiles that are matched, default 1
}

func (MatchHistogram) op() string    { return "match_histogram" }
func (MatchHistogram) leavesLabels() {}

func (m MatchHistogram) check() error {
	switch {
	case m.Reference.IsZero():
		return errors.New("reference: missing")
	case m.Rule == HistogramITK && m.Nonzero:
		return errors.New("nonzero belongs to rule exact")
	case m.Rule != HistogramITK && (m.Levels != 0 || m.Points != 0):
		return errors.New("levels and points belong to rule itk")
	case m.Levels < 0 || m.Levels > 1<<20 || m.Points < 0 || m.Points > 1<<16:
		return fmt.Errorf("levels and points: want 1 to %d and 1 to %d, got %d and %d", 1<<20, 1<<16, m.Levels, m.Points)
	}
	return oneOf("rule", m.Rule, HistogramExact, HistogramITK)
}

// Apply changes the values.
func (m MatchHistogram) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(m, im) }

func (m MatchHistogram) run(im *imageio.Image) (*imageio.Image, error) {
	ref, err := m.Reference.load()
	if err != nil {
		return nil, fmt.Errorf("reference: %w", err)
	}
	if ref.Channels != 1 && ref.Channels != im.Channels {
		return nil, fmt.Errorf("reference: want 1 or %d channels, got %d", im.Channels, ref.Channels)
	}
	out, err := newImage(im, im.Grid, im.Channels, false)
	if err != nil {
		return nil, err
	}
	for c := range im.Channels {
		f, err := m.curve(im.Channel(c), channelOf(ref, c))
		if err != nil {
			return nil, fmt.Errorf("channel %d: %w", c, err)
		}
		in, res := im.Channel(c), out.Channel(c)
		parallelChunks(len(res), 4, func(lo, hi int) {
			for i := lo; i < hi; i++ {
				res[i] = f(in[i])
			}
		})
	}
	return out, nil
}

func (m MatchHistogram) curve(source, reference []float32) (func(float32) float32, error) {
	if m.Rule == HistogramITK {
		return itkCurve(source, reference, or(m.Levels, 256), or(m.Points, 1))
	}
	a, b := ecdf(source, m.Nonzero), ecdf(reference, m.Nonzero)
	if len(a.value) == 0 || len(b.value) == 0 {
		return nil, errors.New("no sample to count")
	}
	to := make([]float32, len(a.value))
	k := 0
	for i, q := range a.below {
		for k < len(b.below) && b.below[k] < q {
			k++
		}
		to[i] = b.at(k, q)
	}
	return func(v float32) float32 {
		if m.Nonzero && v == 0 || v != v {
			return v
		}
		i, _ := slices.BinarySearch(a.value, v)
		return to[i]
	}, nil
}

// cumulative is the different values of some samples, ascending, and the part of the samples that is not above each.
type cumulative struct {
	value []float32
	below []float64
}

func ecdf(samples []float32, nonzero bool) cumulative {
	sorted := make([]float32, 0, len(samples))
	for _, v := range samples {
		if v == v && !(nonzero && v == 0) {
			sorted = append(sorted, v)
		}
	}
	slices.Sort(sorted)
	var c cumulative
	for i, v := range sorted {
		if i+1 < len(sorted) && sorted[i+1] == v {
			continue
		}
		c.value = append(c.value, v)
		c.below = append(c.below, float64(i+1)/float64(len(sorted)))
	}
	return c
}

// at returns the value of cumulative frequency q, where k is the first value not below q, linear between values.
func (c cumulative) at(k int, q float64) float32 {
	switch {
	case k == 0:
		return c.value[0]
	case k == len(c.value):
		return c.value[k-1]
	}
	lo, hi := float64(c.value[k-1]), float64(c.value[k])
	return float32(lo + (hi-lo)*(q-c.below[k-1])/(c.below[k]-c.below[k-1]))
}

// itkCurve is ITK 5's HistogramMatchingImageFilter with ThresholdAtMeanIntensity.
func itkCurve(source, reference []float32, levels, points int) (func(float32) float32, error) {
	a, err := landmarks(source, levels, points)
	if err != nil {
		return nil, err
	}
	b, err := landmarks(reference, levels, points)
	if err != nil {
		return nil, fmt.Errorf("reference: %w", err)
	}
	return func(x float32) float32 {
		v := float64(x)
		i, _ := slices.BinarySearchFunc(a, v, func(mark, v float64) int { // the first mark above v
			if mark <= v {
				return -1
			}
			return 1
		})
		switch i {
		case 0:
			return float32(b[0] + (v-a[0])*slope(a, b, 0))
		case len(a):
			return float32(b[len(b)-1])
		}
		return float32(b[i-1] + (v-a[i-1])*slope(a, b, i-1))
	}, nil
}

func slope(a, b []float64, i int) float64 {
	if a[i+1] == a[i] {
		return 0
	}
	return (b[i+1] - b[i]) / (a[i+1] - a[i])
}

// landmarks returns the smallest sample, the mean, the quantiles of what is not below the mean, and the largest sample.
func landmarks(samples []float32, levels, points int) ([]float64, error) {
	lo, hi := extremes(samples)
	sum := 0.0
	for _, v := range samples {
		sum += float64(v)
	}
	mean := sum / float64(len(samples))
	if math.IsNaN(mean) || math.IsInf(mean, 0) {
		return nil, errors.New("a sample is not a finite number")
	}
	marks := []float64{float64(lo), mean}
	count := make([]float64, levels)
	total := 0.0
	width := (float64(hi) - mean) / float64(levels)
	for _, v := range samples {
		if float64(v) < mean || width <= 0 {
			continue
		}
		count[min(int((float64(v)-mean)/width), levels-1)]++
		total++
	}
	if total == 0 {
		return nil, errors.New("every sample is the same")
	}
	for j := 1; j <= points; j++ {
		marks = append(marks, mean+width*binQuantile(count, total, float64(j)/float64(points+1)))
	}
	return append(marks, float64(hi)), nil
}

// binQuantile returns where, in bins, a part p of the counts lies below: from 0.5 on counted from above, as ITK
// does, which matters where empty bins leave a choice.
func binQuantile(count []float64, total, p float64) float64 {
	if p >= 0.5 {
		flipped := slices.Clone(count)
		slices.Reverse(flipped)
		return float64(len(count)) - fromBelow(flipped, func(counted float64) bool { return 1-counted/total <= p }, (1-p)*total)
	}
	return fromBelow(count, func(counted float64) bool { return counted/total >= p }, p*total)
}

func fromBelow(count []float64, enough func(counted float64) bool, want float64) float64 {
	below := 0.0
	for i, n := range count {
		if n > 0 && enough(below+n) {
			return float64(i) + (want-below)/n
		}
		below += n
	}
	return float64(len(count))
}
