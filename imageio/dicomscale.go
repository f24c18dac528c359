package imageio

import (
	"encoding/binary"
	"math"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// scale applies slopes, which may differ between planes, and tables to stored samples.
func (s *series) scale(raw *Samples) (*Samples, error) {
	planes := len(s.Planes)
	n := len(raw.Bytes) / raw.kind.Size()
	out := &Samples{DType: "float64", Shape: raw.Shape, Warnings: raw.Warnings, kind: volume.Float64, Bytes: make([]byte, 8*n)}
	lookup, err := s.Lookup()
	if err != nil {
		return nil, err
	}
	each := n / planes
	var block [1024]float64
	for at := 0; at < n; at += len(block) {
		m := min(len(block), n-at)
		volume.Float64s(block[:m], raw.Bytes[at*raw.kind.Size():], raw.kind, raw.big)
		for i, v := range block[:m] {
			k := (at + i) / each
			if s.single { // frames run fastest
				k = (at + i) % planes
			}
			if lookup != nil {
				v = lookup(int(v))
			} else {
				p := s.PlaneOf(k, s.single)
				v = volume.Scale(v, p.Slope, p.Inter)
			}
			binary.LittleEndian.PutUint64(out.Bytes[8*(at+i):], math.Float64bits(v))
		}
	}
	return out, nil
}
