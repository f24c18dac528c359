package predict

import (
	"math/bits"
	"slices"
)

// flipsOf returns every subset of axes as bits, none of them first.
func flipsOf(axes []int) []uint {
	flips := []uint{0}
	for _, a := range axes {
		for _, f := range slices.Clip(flips) {
			flips = append(flips, f|1<<a)
		}
	}
	return flips
}

// mirror turns a block, x fastest, around along the axes whose bits are set, in place.
func mirror(block []float32, size [3]int, flip uint) {
	stride := [3]int{1, size[0], size[0] * size[1]}
	for ; flip != 0; flip &= flip - 1 {
		a := bits.TrailingZeros(flip)
		step, length := stride[a], size[a]
		for base := 0; base < len(block); base += step * length {
			for i := range length / 2 {
				lo, hi := block[base+i*step:][:step], block[base+(length-1-i)*step:][:step]
				for k := range lo {
					lo[k], hi[k] = hi[k], lo[k]
				}
			}
		}
	}
}
