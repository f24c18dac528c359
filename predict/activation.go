package predict

import "math"

// exp is e to the power of a float32, to 2 units in the last place (S. Moshier's expf of Cephes: Cody and Waite's
// reduction, a polynomial of degree 5). Below -87.3 it is 0, above 88.7 infinite.
func exp(x float32) float32 {
	const (
		log2e  = 1.44269504088896341
		ln2Top = 0.693359375
		ln2Low = -2.12194440e-4
	)
	switch {
	case x != x:
		return x
	case x < -87.3:
		return 0
	case x > 88.7:
		return float32(math.Inf(1))
	}
	k := int32(x*log2e + 128.5) // rounded, as all sums here are positive
	k -= 128
	f := float32(k)
	x = float32(x-float32(f*ln2Top)) - float32(f*ln2Low)
	y := float32(1.9875691500e-4)
	y = y*x + 1.3981999507e-3
	y = y*x + 8.3334519073e-3
	y = y*x + 4.1665795894e-2
	y = y*x + 1.6666665459e-1
	y = y*x + 5.0000001201e-1
	y = y*(x*x) + x + 1
	if k > 127 {
		return y * 2 * math.Float32frombits(uint32(k-1+127)<<23)
	}
	return y * math.Float32frombits(uint32(k+127)<<23)
}

func sigmoid(v float32) float32 { return 1 / (1 + exp(-v)) }

// apply turns one value into a probability; softmax needs all channels, and is left alone.
func (a Activation) apply(v float32) float32 {
	if a == Sigmoid {
		return sigmoid(v)
	}
	return v
}

// activateBlocks turns channels, one block each, into probabilities in place. high and sum are as long as a block.
func activateBlocks(kind Activation, channels [][]float32, high, sum []float32) {
	if kind == Softmax {
		softmax(channels, high, sum)
	}
	for _, block := range channels {
		kind.block(block, high, sum)
	}
}

// block turns one channel into probabilities in place; for Softmax high and inverse are what [softmax] made of all.
func (a Activation) block(block, high, inverse []float32) {
	switch a {
	case Sigmoid:
		for i, v := range block {
			block[i] = sigmoid(v)
		}
	case Softmax:
		for i, v := range block {
			block[i] = exp(v-high[i]) * inverse[i]
		}
	}
}

// softmax fills high with the largest value of each place and inverse with one over the sum of exp(value - high).
func softmax(channels [][]float32, high, inverse []float32) {
	copy(high, channels[0])
	for _, block := range channels[1:] {
		for i, v := range block {
			if v > high[i] {
				high[i] = v
			}
		}
	}
	clear(inverse[:len(channels[0])])
	for _, block := range channels {
		for i, v := range block {
			inverse[i] += exp(v - high[i])
		}
	}
	for i := range channels[0] {
		inverse[i] = 1 / inverse[i]
	}
}
