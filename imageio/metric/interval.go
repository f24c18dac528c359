package metric

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/nitrain/nitrain/internal/tasks"
)

// Interval is a confidence interval; both ends are NaN where there is none.
type Interval struct {
	Low  Number `json:"low"`
	High Number `json:"high"`
}

// Method says how a bootstrap's replicates become an interval.
type Method string

// The methods.
const (
	// Percentile takes the quantiles of the replicates.
	Percentile Method = "percentile"
	// BCa corrects them for bias and skewness: Efron, "Better bootstrap confidence intervals" (JASA 82, 1987),
	// as scipy.stats.bootstrap does. Where the correction does not exist it is the percentile interval.
	BCa Method = "bca"
)

// ParseMethod returns the method of a name.
func ParseMethod(name string) (Method, error) {
	switch m := Method(name); m {
	case Percentile, BCa:
		return m, nil
	}
	return "", fmt.Errorf("metric: interval: want percentile or bca, got %q", name)
}

// Bootstrap draws cases with replacement. Equal values give equal intervals on every machine.
type Bootstrap struct {
	Resamples  int     // 0: no intervals
	Confidence float64 // 0: 0.95
	Method     Method  // "": BCa
	Seed       uint64
}

func (b Bootstrap) confidence() float64 {
	if b.Confidence == 0 {
		return 0.95
	}
	return b.Confidence
}

// Intervals returns an interval for each of count statistics of so many cases. statistics writes the
// statistics of the cases that it is given by number; it is called from several goroutines. A replicate
// that is NaN, such as the AUC of cases that are all alike, is left out.
func (b Bootstrap) Intervals(cases, count int, statistics func(cases []int, out []float64)) []Interval {
	out := make([]Interval, count)
	for i := range out {
		out[i] = Interval{Number(math.NaN()), Number(math.NaN())}
	}
	if cases < 2 || b.Resamples <= 0 || count == 0 {
		return out
	}
	value := func(members []int) []float64 {
		v := make([]float64, count)
		statistics(members, v)
		return v
	}
	all := make([]int, cases)
	for i := range all {
		all[i] = i
	}
	estimate := value(all)
	replicates, knife := make([][]float64, b.Resamples), make([][]float64, 0)
	tasks.Run(0, b.Resamples, func(k int) {
		rng := rand.New(rand.NewPCG(b.Seed, uint64(k)))
		drawn := make([]int, cases)
		for i := range drawn {
			drawn[i] = rng.IntN(cases)
		}
		replicates[k] = value(drawn)
	})
	if b.Method != Percentile {
		knife = make([][]float64, cases)
		tasks.Run(0, cases, func(k int) { knife[k] = value(slices.Concat(all[:k], all[k+1:])) })
	}
	tasks.Run(0, count, func(i int) {
		out[i] = b.interval(estimate[i], finiteColumn(replicates, i), finiteColumn(knife, i))
	})
	return out
}

// Means returns the intervals of means over cases: a column has a value for each case, and what is not
// finite does not count, as in [Mean].
func (b Bootstrap) Means(columns [][]float64) []Interval {
	if len(columns) == 0 {
		return nil
	}
	return b.Intervals(len(columns[0]), len(columns), func(cases []int, out []float64) {
		for i, column := range columns {
			out[i] = meanOf(column, cases)
		}
	})
}

// Mean averages what is finite; NaN where nothing is.
func Mean(values []float64) float64 {
	return finiteMean(len(values), func(i int) float64 { return values[i] })
}

func meanOf(column []float64, cases []int) float64 {
	return finiteMean(len(cases), func(i int) float64 { return column[cases[i]] })
}

func finiteMean(n int, value func(i int) float64) float64 {
	total, finite := 0.0, 0
	for i := range n {
		if v := value(i); v-v == 0 {
			total += v
			finite++
		}
	}
	if finite == 0 {
		return math.NaN()
	}
	return total / float64(finite)
}

func finiteColumn(rows [][]float64, i int) []float64 {
	out := make([]float64, 0, len(rows))
	for _, r := range rows {
		if v := r[i]; v-v == 0 {
			out = append(out, v)
		}
	}
	return out
}

func (b Bootstrap) interval(estimate float64, replicates, knife []float64) Interval {
	if len(replicates) < 2 || estimate-estimate != 0 {
		return Interval{Number(math.NaN()), Number(math.NaN())}
	}
	slices.Sort(replicates)
	tail := (1 - b.confidence()) / 2
	low, high := tail, 1-tail
	if b.Method != Percentile {
		low, high = corrected(low, high, estimate, replicates, knife)
	}
	return Interval{Number(Quantile(replicates, low)), Number(Quantile(replicates, high))}
}

// corrected moves the tails for bias and skewness.
func corrected(low, high, estimate float64, sorted, knife []float64) (float64, float64) {
	below, _ := slices.BinarySearch(sorted, estimate)
	upTo, _ := slices.BinarySearch(sorted, math.Nextafter(estimate, math.Inf(1)))
	bias := normalQuantile(float64(below+upTo) / 2 / float64(len(sorted)))
	mean := Mean(knife)
	var squares, cubes float64
	for _, v := range knife {
		d := mean - v
		squares += d * d
		cubes += d * d * d
	}
	skew := cubes / (6 * math.Pow(squares, 1.5))
	move := func(tail float64) float64 {
		z := bias + normalQuantile(tail)
		return normal(bias + z/(1-skew*z))
	}
	if a, b := move(low), move(high); a < b { // false where one of them is NaN
		return a, b
	}
	return low, high
}

// normal is the standard normal distribution function, normalQuantile its inverse.
func normal(z float64) float64         { return 0.5 * math.Erfc(-z/math.Sqrt2) }
func normalQuantile(p float64) float64 { return -math.Sqrt2 * math.Erfcinv(2*p) }
