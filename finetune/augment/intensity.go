package augment

import (
	"math"
	"math/rand/v2"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/transform"
)

// Scale multiplies all samples by a factor between 1-By and 1+By.
type Scale struct{ By float64 }

// Draw draws the factor.
func (s Scale) Draw(rng *rand.Rand) transform.Transform {
	f := float32(1 + s.By*(2*rng.Float64()-1))
	return jitter(func(v []float32) {
		for i := range v {
			v[i] *= f
		}
	})
}

// Shift adds up to By standard deviations of the channel, either way.
type Shift struct{ By float64 }

// Draw draws the amount.
func (s Shift) Draw(rng *rand.Rand) transform.Transform {
	by := s.By * (2*rng.Float64() - 1)
	return jitter(func(v []float32) {
		d := float32(by * deviation(v))
		for i := range v {
			v[i] += d
		}
	})
}

// Gamma raises samples, taken between the channel's extremes as 0 to 1, to a power between 1/(1+By) and
// 1+By, and keeps the extremes.
type Gamma struct{ By float64 }

// Draw draws the power, evenly in its logarithm.
func (g Gamma) Draw(rng *rand.Rand) transform.Transform {
	power := math.Exp(math.Log1p(g.By) * (2*rng.Float64() - 1))
	return jitter(func(v []float32) {
		lo, hi := v[0], v[0]
		for _, x := range v {
			lo, hi = min(lo, x), max(hi, x)
		}
		if !(hi > lo) {
			return
		}
		span := float64(hi - lo)
		for i, x := range v {
			v[i] = lo + float32(span*math.Pow(float64(x-lo)/span, power))
		}
	})
}

// Noise adds Gaussian noise of up to By standard deviations of the channel.
type Noise struct{ By float64 }

// Draw draws the strength and the noise's own seed.
func (n Noise) Draw(rng *rand.Rand) transform.Transform {
	by, a, b := n.By*rng.Float64(), rng.Uint64(), rng.Uint64()
	return jitter(func(v []float32) {
		sd := by * deviation(v)
		own := rand.New(rand.NewPCG(a, b))
		for i := range v {
			v[i] += float32(sd * own.NormFloat64())
		}
	})
}

// jitter changes the samples of one channel in place.
type jitter func(channel []float32)

// Apply changes a copy of an intensity image; a label image is returned as it is.
func (j jitter) Apply(im *imageio.Image) (*imageio.Image, error) {
	if im.Kind == imageio.Label || len(im.Data) == 0 {
		return im, nil
	}
	out := *im
	out.Data = append([]float32(nil), im.Data...)
	for c := range out.Channels {
		j(out.Channel(c))
	}
	return &out, nil
}

// deviation is the standard deviation of the samples.
func deviation(v []float32) float64 {
	var sum, squares float64
	for _, x := range v {
		sum += float64(x)
	}
	mean := sum / float64(len(v))
	for _, x := range v {
		squares += (float64(x) - mean) * (float64(x) - mean)
	}
	return math.Sqrt(squares / float64(len(v)))
}
