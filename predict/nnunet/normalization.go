package nnunet

import (
	"reflect"
	"strconv"

	"github.com/nitrain/nitrain/imageio/transform"
)

// normalization returns the intensity steps. Those within the mask of nonzero voxels come first, since the mask is
// made from the channels as they were.
func (b *builder) normalization() transform.Pipeline {
	n := len(b.data.channels)
	if len(b.conf.Schemes) != n || len(b.conf.Masked) != n && b.conf.Masked != nil {
		b.refuse("normalization_schemes and use_mask_for_norm: want one for each of %d channels, got %d and %d", n, len(b.conf.Schemes), len(b.conf.Masked))
		return nil
	}
	var p transform.Pipeline
	var masked []int
	var plain []channelSteps
	for c, scheme := range b.conf.Schemes {
		if scheme == zScore && b.conf.Masked != nil && b.conf.Masked[c] {
			masked = append(masked, c)
			continue
		}
		if step := b.scheme(c, scheme); step != nil {
			plain = gather(plain, c, step)
		}
	}
	if len(masked) > 0 {
		step := transform.ZScore{Mask: "nonzero", PerChannel: true}
		if len(masked) < n {
			step.Of = masked
		}
		p = append(p, step)
	}
	for _, g := range plain {
		if len(g.channels) == n {
			p = append(p, g.step)
		} else {
			p = append(p, transform.Channels{Of: g.channels, Steps: transform.IntensitySteps{g.step}})
		}
	}
	return p
}

const zScore = "ZScoreNormalization"

// scheme returns the step for one channel alone or, since it treats each by itself, for several; nil for none.
func (b *builder) scheme(channel int, name string) transform.Transform {
	switch name {
	case zScore:
		return transform.ZScore{PerChannel: true}
	case "CTNormalization":
		return b.ct(channel)
	case "RescaleTo01Normalization":
		return transform.Scale{PerChannel: true}
	case "RGBTo01Normalization":
		return transform.Range{From: transform.Pair{0, 255}}
	case "NoNormalization":
	default:
		b.refuse("normalization_schemes: %q: want CTNormalization, ZScoreNormalization, RescaleTo01Normalization, RGBTo01Normalization or NoNormalization", name)
	}
	return nil
}

// channelSteps is a step and the channels that it is for.
type channelSteps struct {
	step     transform.Transform
	channels []int
}

// gather adds a channel to the group of its step.
func gather(groups []channelSteps, channel int, step transform.Transform) []channelSteps {
	for i := range groups {
		if reflect.DeepEqual(groups[i].step, step) {
			groups[i].channels = append(groups[i].channels, channel)
			return groups
		}
	}
	return append(groups, channelSteps{step, []int{channel}})
}

// ct returns the CT's normalization, whose numbers are in the plan.
func (b *builder) ct(channel int) transform.Transform {
	in := b.plan.Intensities[strconv.Itoa(channel)]
	if in.Mean == nil || in.Std == nil || in.Lower == nil || in.Upper == nil {
		b.refuse("foreground_intensity_properties_per_channel: channel %d: want mean, std, percentile_00_5 and percentile_99_5 for CTNormalization", channel)
		return nil
	}
	if !(*in.Std > 0) || !(*in.Lower < *in.Upper) {
		b.refuse("foreground_intensity_properties_per_channel: channel %d: want a std above 0 and percentiles in order, got %v and %v to %v", channel, *in.Std, *in.Lower, *in.Upper)
		return nil
	}
	return transform.CTNormalize{Mean: *in.Mean, Std: *in.Std, Lower: *in.Lower, Upper: *in.Upper}
}
