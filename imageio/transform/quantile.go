package transform

import (
	"errors"
	"math"
	"slices"
)

// quantiles returns two percentiles of the samples. A sample that is not a number is an error, since it has no rank.
func quantiles(samples []float32, lower, upper float64, method PercentileMethod) (lo, hi float64, err error) {
	keys := make([]uint32, len(samples))
	for i, v := range samples {
		if v != v {
			return 0, 0, errors.New("a sample is not a number, so percentiles are not defined")
		}
		keys[i] = sortKey(v)
	}
	radixSort(keys)
	n := len(keys)
	at := func(i int) float64 { return float64(keyValue(keys[min(max(i, 0), n-1)])) }
	if method == PercentileIndex {
		return at(int(math.Floor(float64(n) * (lower / 100)))), at(int(math.Ceil(float64(n)*(upper/100))) - 1), nil
	}
	between := func(percent float64) float64 {
		place := float64(n-1) * (percent / 100)
		i := int(math.Floor(place))
		return lerp(at(i), at(i+1), place-float64(i))
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

// radixSort sorts large slices in three passes of 11 bits.
func radixSort(keys []uint32) {
	if len(keys) < 1<<12 {
		slices.Sort(keys)
		return
	}
	const bits = 11
	from, to := keys, make([]uint32, len(keys))
	for shift := 0; shift < 32; shift += bits {
		var start [1<<bits + 1]int
		for _, k := range from {
			start[k>>shift&(1<<bits-1)+1]++
		}
		for i := range 1 << bits {
			start[i+1] += start[i]
		}
		for _, k := range from {
			d := k >> shift & (1<<bits - 1)
			to[start[d]] = k
			start[d]++
		}
		from, to = to, from
	}
	copy(keys, from)
}
