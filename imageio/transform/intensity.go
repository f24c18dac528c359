package transform

import (
	"errors"
	"fmt"
	"math"

	"github.com/nitrain/nitrain/imageio"
)

// Range maps the values From linearly onto To (default 0 to 1), as MONAI's ScaleIntensityRange, in float32.
// With Clip the result is clipped to To. If both ends of From are equal, the result is the difference from
// it plus the lower end of To.
type Range struct {
	From Pair `json:"from"`
	To   Pair `json:"to,omitzero"`
	Clip bool `json:"clip,omitzero"`
}

func (Range) op() string    { return "range" }
func (Range) leavesLabels() {}

func (r Range) check() error {
	return errors.Join(finite("from", r.From[:]...), checkTarget(r.To))
}

// Apply maps the values.
func (r Range) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(r, im) }

func (r Range) run(im *imageio.Image) (*imageio.Image, error) {
	return mapSamples(im, ramp(r.From[0], r.From[1], target(r.To), r.Clip))
}

// PercentileMethod says which sample a percentile is.
type PercentileMethod string

// The percentile methods.
const (
	PercentileLinear PercentileMethod = "linear" // NumPy's quantile: between the two nearest sorted samples
	PercentileIndex  PercentileMethod = "index"  // brainchop's: sorted sample floor(n·lower) and ceil(n·upper)-1
)

// Percentiles maps the values between two percentiles of the image linearly onto To (default 0 to 1), as MONAI's
// ScaleIntensityRangePercentiles. The percentiles are of all samples, or of each channel if PerChannel.
// Lower and Upper are percent, 0 to 100. Without Clip, values beyond the percentiles go beyond To.
type Percentiles struct {
	Lower      float64          `json:"lower"`
	Upper      float64          `json:"upper"`
	To         Pair             `json:"to,omitzero"`
	Clip       bool             `json:"clip,omitzero"`
	Method     PercentileMethod `json:"method,omitzero"` // default linear
	PerChannel bool             `json:"per_channel,omitzero"`
}

func (Percentiles) op() string    { return "percentiles" }
func (Percentiles) leavesLabels() {}

func (p Percentiles) check() error {
	if !(0 <= p.Lower && p.Lower < p.Upper && p.Upper <= 100) {
		return fmt.Errorf("lower and upper: want 0 <= lower < upper <= 100, got %v and %v", p.Lower, p.Upper)
	}
	return errors.Join(checkTarget(p.To), oneOf("method", p.Method, PercentileLinear, PercentileIndex))
}

// Apply maps the values.
func (p Percentiles) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(p, im) }

func (p Percentiles) run(im *imageio.Image) (*imageio.Image, error) {
	return mapGroups(im, p.PerChannel, func(samples []float32) (func(float32) float32, error) {
		lo, hi, err := quantiles(samples, p.Lower, p.Upper, p.Method)
		if err != nil {
			return nil, err
		}
		return ramp(lo, hi, target(p.To), p.Clip), nil
	})
}

// Scale maps the smallest and largest value of the image, or of each channel if PerChannel, onto To (default
// 0 to 1), as MONAI's ScaleIntensity. A constant image becomes its value times the lower end of To.
type Scale struct {
	To         Pair `json:"to,omitzero"`
	PerChannel bool `json:"per_channel,omitzero"`
}

func (Scale) op() string     { return "scale" }
func (Scale) leavesLabels()  {}
func (s Scale) check() error { return checkTarget(s.To) }

// Apply maps the values.
func (s Scale) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(s, im) }

func (s Scale) run(im *imageio.Image) (*imageio.Image, error) {
	to := target(s.To)
	return mapGroups(im, s.PerChannel, func(samples []float32) (func(float32) float32, error) {
		lo, hi := extremes(samples)
		if lo == hi {
			return func(v float32) float32 { return v * float32(to[0]) }, nil
		}
		width, gain, offset := hi-lo, float32(to[1]-to[0]), float32(to[0])
		return func(v float32) float32 { return (v-lo)/width*gain + offset }, nil
	})
}

// Clip limits the values to Lower and Upper.
type Clip struct {
	Lower float64 `json:"lower"`
	Upper float64 `json:"upper"`
}

func (Clip) op() string    { return "clip" }
func (Clip) leavesLabels() {}

func (c Clip) check() error { return ordered(c.Lower, c.Upper) }

// Apply limits the values.
func (c Clip) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(c, im) }

func (c Clip) run(im *imageio.Image) (*imageio.Image, error) {
	lo, hi := float32(c.Lower), float32(c.Upper)
	return mapSamples(im, func(v float32) float32 { return clamp(v, lo, hi) })
}

// CTNormalize limits the values to Lower and Upper, subtracts Mean and divides by Std: nnU-Net's normalization of
// CT, whose numbers are the training data's 0.5 and 99.5 percentile, mean and standard deviation.
type CTNormalize struct {
	Mean  float64 `json:"mean"`
	Std   float64 `json:"std"`
	Lower float64 `json:"lower"`
	Upper float64 `json:"upper"`
}

func (CTNormalize) op() string    { return "ct_normalize" }
func (CTNormalize) leavesLabels() {}

func (c CTNormalize) check() error {
	if !(c.Std > 0) {
		return fmt.Errorf("std: want above 0, got %v", c.Std)
	}
	return errors.Join(finite("mean", c.Mean), finite("std", c.Std), ordered(c.Lower, c.Upper))
}

// Apply maps the values.
func (c CTNormalize) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(c, im) }

func (c CTNormalize) run(im *imageio.Image) (*imageio.Image, error) {
	lo, hi, mean, std := float32(c.Lower), float32(c.Upper), float32(c.Mean), float32(max(c.Std, 1e-8))
	return mapSamples(im, func(v float32) float32 { return (clamp(v, lo, hi) - mean) / std })
}

func target(to Pair) Pair { return or(to, Pair{0, 1}) }

// checkTarget refuses a range that is empty; the zero value stands for 0 to 1.
func checkTarget(to Pair) error {
	if err := finite("to", to[:]...); err != nil {
		return err
	}
	if t := target(to); t[0] >= t[1] {
		return fmt.Errorf("to: want the lower number first, got %v", t)
	}
	return nil
}

func ordered(lower, upper float64) error {
	if err := finite("lower and upper", lower, upper); err != nil {
		return err
	}
	if lower >= upper {
		return fmt.Errorf("lower and upper: want lower below upper, got %v and %v", lower, upper)
	}
	return nil
}

// ramp maps lo to to[0] and hi to to[1] in float32.
func ramp(lo, hi float64, to Pair, clip bool) func(float32) float32 {
	a, width := float32(lo), float32(hi-lo)
	gain, offset, top := float32(to[1]-to[0]), float32(to[0]), float32(to[1])
	if hi == lo {
		return func(v float32) float32 { return v - a + offset }
	}
	if clip {
		return func(v float32) float32 { return clamp((v-a)/width*gain+offset, offset, top) }
	}
	return func(v float32) float32 { return (v-a)/width*gain + offset }
}

// clamp keeps NaN.
func clamp(v, lo, hi float32) float32 {
	if v < lo {
		return lo
	}
	if v > hi {
		return hi
	}
	return v
}

// mapSamples returns the image with a function applied to every sample.
func mapSamples(im *imageio.Image, f func(float32) float32) (*imageio.Image, error) {
	return mapGroups(im, false, func([]float32) (func(float32) float32, error) { return f, nil })
}

// mapGroups applies to all samples, or to each channel's, the function that plan makes from them.
func mapGroups(im *imageio.Image, perChannel bool,
	plan func(samples []float32) (func(float32) float32, error),
) (*imageio.Image, error) {
	out, err := newImage(im, im.Grid, im.Channels, false)
	if err != nil {
		return nil, err
	}
	size := len(im.Data)
	if perChannel {
		size = im.Grid.Len()
	}
	for at := 0; at < len(im.Data); at += size {
		in, res := im.Data[at:at+size], out.Data[at:at+size]
		f, err := plan(in)
		if err != nil {
			return nil, err
		}
		parallelChunks(size, 1, func(lo, hi int) {
			for i := lo; i < hi; i++ {
				res[i] = f(in[i])
			}
		})
	}
	return out, nil
}

// extremes returns the smallest and largest sample; NaN does not count. Without samples both are 0.
func extremes(samples []float32) (lo, hi float32) {
	lo, hi = float32(math.Inf(1)), float32(math.Inf(-1))
	for _, v := range samples {
		if v < lo {
			lo = v
		}
		if v > hi {
			hi = v
		}
	}
	if lo > hi {
		return 0, 0
	}
	return lo, hi
}

// moments returns mean and population standard deviation in float64, of the samples that are not zero if asked.
func moments(samples []float32, nonzero bool) (mean, std float64, n int) {
	sum := 0.0
	for _, v := range samples {
		if v != 0 || !nonzero {
			sum += float64(v)
			n++
		}
	}
	if n == 0 {
		return 0, 0, 0
	}
	mean = sum / float64(n)
	squares := 0.0
	for _, v := range samples {
		if v != 0 || !nonzero {
			d := float64(v) - mean
			squares += d * d
		}
	}
	return mean, math.Sqrt(squares / float64(n)), n
}
