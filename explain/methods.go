package explain

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/patch"
)

// Saliency is the signed gradient of the score with respect to the image (Simonyan et al. 2013).
type Saliency struct{}

// Name returns "saliency".
func (Saliency) Name() string { return "saliency" }

// Attribute returns the gradient.
func (Saliency) Attribute(ctx context.Context, p *Problem) (*Attribution, error) {
	_, g, err := p.Gradient(ctx, p.Image)
	if err != nil {
		return nil, err
	}
	return &Attribution{Image: g}, nil
}

// IntegratedGradients is the image's difference from a baseline times the mean gradient on the straight way between both
// (Sundararajan et al. 2017), sampled at the middles of equal steps.
type IntegratedGradients struct {
	Steps    int     // 0: 32
	Baseline float32 // intensity of the prepared image
}

// Name returns "ig".
func (IntegratedGradients) Name() string { return "ig" }

// Attribute returns the integrated gradients and how far they are from complete.
func (m IntegratedGradients) Attribute(ctx context.Context, p *Problem) (*Attribution, error) {
	if m.Steps < 0 {
		return nil, fmt.Errorf("want at least 1 step, got %d", m.Steps)
	}
	if m.Steps == 0 {
		m.Steps = 32
	}
	p.expect(m.Steps * len(p.jobs(true)))
	sum := make([]float64, len(p.Image.Data))
	at := p.image(p.Image.Channels)
	for i := range m.Steps {
		alpha := (float32(i) + 0.5) / float32(m.Steps)
		for k, v := range p.Image.Data {
			at.Data[k] = m.Baseline + alpha*(v-m.Baseline)
		}
		_, g, err := p.Gradient(ctx, at)
		if err != nil {
			return nil, err
		}
		for k, v := range g.Data {
			sum[k] += float64(v)
		}
	}
	out := p.image(p.Image.Channels)
	c := &Completeness{}
	for k, v := range sum {
		out.Data[k] = float32(v / float64(m.Steps) * float64(p.Image.Data[k]-m.Baseline))
		c.Sum += float64(out.Data[k])
		at.Data[k] = m.Baseline
	}
	full, err := p.Score(ctx, p.Image)
	if err != nil {
		return nil, err
	}
	base, err := p.Score(ctx, at)
	if err != nil {
		return nil, err
	}
	c.Rise = full - base
	c.Error = math.Abs(c.Sum-c.Rise) / max(math.Abs(c.Rise), 1e-12)
	return &Attribution{Image: out, Completeness: c}, nil
}

// SmoothGrad is the mean gradient of noisy copies of the image (Smilkov et al. 2017).
type SmoothGrad struct {
	Samples int     // 0: 25
	Noise   float64 // standard deviation as a part of the image's range; 0: 0.15
	Seed    uint64
}

// Name returns "smoothgrad".
func (SmoothGrad) Name() string { return "smoothgrad" }

// Attribute returns the mean gradient.
func (m SmoothGrad) Attribute(ctx context.Context, p *Problem) (*Attribution, error) {
	if m.Samples < 0 || m.Noise < 0 {
		return nil, fmt.Errorf("want samples and noise of 0 or more, got %d and %g", m.Samples, m.Noise)
	}
	if m.Samples == 0 {
		m.Samples = 25
	}
	if m.Noise == 0 {
		m.Noise = 0.15
	}
	p.expect(m.Samples * len(p.jobs(true)))
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range p.Image.Data {
		low, high = min(low, float64(v)), max(high, float64(v))
	}
	sigma := m.Noise * (high - low)
	rng := rand.New(rand.NewPCG(m.Seed, 0x736d6f6f7468))
	at, out := p.image(p.Image.Channels), p.image(p.Image.Channels)
	for range m.Samples {
		for k, v := range p.Image.Data {
			at.Data[k] = v + float32(sigma*rng.NormFloat64())
		}
		_, g, err := p.Gradient(ctx, at)
		if err != nil {
			return nil, err
		}
		for k, v := range g.Data {
			out.Data[k] += v / float32(m.Samples)
		}
	}
	return &Attribution{Image: out}, nil
}

// GradCAM weights the channels of a layer by their mean gradient (Selvaraju et al. 2017). In a sliding window each
// window has a map of its own; maps are blended like predictions.
type GradCAM struct {
	// Layer is a name as convert.GradientOptions has it; "" is the last feature map with spatial extent before the head.
	Layer  string
	Signed bool // keep negative values
}

// Name returns "gradcam".
func (GradCAM) Name() string { return "gradcam" }

// Attribute returns the map, upsampled linearly.
func (m GradCAM) Attribute(ctx context.Context, p *Problem) (*Attribution, error) {
	out := p.image(1)
	o := convert.GradientOptions{Layer: m.Layer, Signed: m.Signed}
	jobs := p.jobs(false)
	p.expect(len(jobs))
	err := p.gradientRuns(ctx, p.Image, jobs, convert.GradCAM, o, func(j job, _, attribution []float32) error {
		if j.tile {
			eachInside(j.box, p.Image.Grid.Size, func(in, at int) { attribution[in] *= p.share(in, at) })
		}
		part := imageio.New(imageio.Grid{Size: j.box.Size, Affine: p.Image.Grid.Affine}, 1, imageio.Intensity)
		copy(part.Data, attribution)
		return patch.AddBack(out, j.box, patch.Constant, part)
	})
	if err != nil {
		return nil, err
	}
	return &Attribution{Image: out}, nil
}
