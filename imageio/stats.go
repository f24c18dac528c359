package imageio

import (
	"crypto/sha1"
	"encoding/hex"
	"math"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// Stats are figures of samples in float64. Of complex samples they are of the magnitude. Samples that are
// not finite are left out of them and counted.
type Stats struct {
	Shape     []int   `json:"shape"`
	DType     string  `json:"dtype"`
	Min       float64 `json:"min"`
	Max       float64 `json:"max"`
	Mean      float64 `json:"mean"`
	Std       float64 `json:"std"`    // of the population
	SHA1F     string  `json:"sha1_F"` // of the samples' bytes in the type's byte order, first axis fastest
	NotFinite int     `json:"not_finite,omitempty"`
}

// Stats computes the figures. Without a finite sample all are zero.
func (s *Samples) Stats() Stats {
	sum := sha1.Sum(s.Bytes)
	st := Stats{Shape: s.Shape, DType: s.DType, SHA1F: hex.EncodeToString(sum[:]), Min: math.Inf(1), Max: math.Inf(-1)}
	n, total := 0, 0.0
	s.blocks(func(block []float64) {
		part := 0.0 // sums of blocks keep the error small
		for _, v := range block {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				st.NotFinite++
				continue
			}
			n++
			part += v
			st.Min, st.Max = min(st.Min, v), max(st.Max, v)
		}
		total += part
	})
	if n == 0 {
		st.Min, st.Max = 0, 0
		return st
	}
	st.Mean = finite(total / float64(n))
	total = 0
	s.blocks(func(block []float64) {
		part := 0.0
		for _, v := range block {
			if d := v - st.Mean; !math.IsNaN(d) && !math.IsInf(d, 0) {
				part += d * d
			}
		}
		total += part
	})
	st.Std = finite(math.Sqrt(total / float64(n)))
	return st
}

// finite keeps sums that overflow within what JSON can say.
func finite(v float64) float64 {
	return min(max(v, -math.MaxFloat64), math.MaxFloat64)
}

// blocks visits the samples as float64, complex ones as their magnitude.
func (s *Samples) blocks(visit func([]float64)) {
	var block, mag [2048]float64
	size, parts := s.kind.Size(), 1
	if s.kind.Complex() {
		parts = 2
	}
	for b := s.Bytes; len(b) > 0; {
		n := min(len(b)/size, len(block)/parts)
		volume.Float64s(block[:n*parts], b, s.kind, s.big)
		b = b[n*size:]
		if parts == 1 {
			visit(block[:n])
			continue
		}
		for i := range n {
			mag[i] = math.Hypot(block[2*i], block[2*i+1])
		}
		visit(mag[:n])
	}
}
