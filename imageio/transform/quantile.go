package transform

import (
	"errors"
	"math"
)

// quantiles returns two percentiles of the samples. A sample that is not a number is an error, since it has no rank.
func quantiles(samples []float32, lower, upper float64, method PercentileMethod) (lo, hi float64, err error) {
	r, ok := newRanking(samples)
	if !ok {
		return 0, 0, errors.New("a sample is not a number, so percentiles are not defined")
	}
	n := len(samples)
	if method == PercentileIndex {
		first, last := int(math.Floor(float64(n)*(lower/100))), int(math.Ceil(float64(n)*(upper/100)))-1
		return r.sorted(first), r.sorted(last), nil
	}
	between := func(percent float64) float64 {
		place := float64(n-1) * (percent / 100)
		i := int(math.Floor(place))
		return lerp(r.sorted(i), r.sorted(i+1), place-float64(i))
	}
	return between(lower), between(upper), nil
}

// lerp interpolates as NumPy does: from the nearer end.
func lerp(a, b, t float64) float64 {
	if t >= 0.5 {
		return b - (b-a)*(1-t)
	}
	return a + (b-a)*t
}

// ranking answers which sample would stand at a place of the sorted samples, without sorting them: it counts by
// the upper half of the sort key, then within the one group that matters by the lower half.
type ranking struct {
	samples []float32
	groups  []int // how many samples have each upper half
	lower   []int // how many of the group at have each lower half
	at      int   // the group of lower, or -1
}

// newRanking counts; ok is false if a sample is not a number.
func newRanking(samples []float32) (r *ranking, ok bool) {
	r = &ranking{samples: samples, groups: make([]int, 1<<16), at: -1}
	for _, v := range samples {
		if v != v {
			return nil, false
		}
		r.groups[sortKey(v)>>16]++
	}
	return r, true
}

// sorted returns the sample at a place counted from 0, the nearest end beyond the ends.
func (r *ranking) sorted(place int) float64 {
	place = min(max(place, 0), len(r.samples)-1)
	group, left := find(r.groups, place)
	if group != r.at {
		r.at, r.lower = group, make([]int, 1<<16)
		for _, v := range r.samples {
			if k := sortKey(v); int(k>>16) == group {
				r.lower[k&0xffff]++
			}
		}
	}
	low, _ := find(r.lower, left)
	return float64(keyValue(uint32(group)<<16 | uint32(low)))
}

// find returns the bin of a place and the place within the bin.
func find(bins []int, place int) (bin, left int) {
	for bin, n := range bins {
		if place < n {
			return bin, place
		}
		place -= n
	}
	return len(bins) - 1, 0
}

// sortKey maps a float to an unsigned number of the same order.
func sortKey(v float32) uint32 {
	b := math.Float32bits(v)
	if b>>31 == 1 {
		return ^b
	}
	return b | 1<<31
}

func keyValue(k uint32) float32 {
	if k>>31 == 1 {
		return math.Float32frombits(k &^ (1 << 31))
	}
	return math.Float32frombits(^k)
}
