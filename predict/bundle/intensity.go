package bundle

import (
	"math"

	"github.com/nitrain/nitrain/imageio/transform"
)

// intensitySteps are the transforms that change samples.
func intensitySteps() []step {
	return []step{
		{"ScaleIntensity", "`scale`", (*translator).scale},
		{"ScaleIntensityRange", "`range`", (*translator).scaleRange},
		{"ScaleIntensityRangePercentiles", "`percentiles`", (*translator).percentiles},
		{"NormalizeIntensity", "`zscore`; with numbers of its own `range`", (*translator).normalize},
		{"ThresholdIntensity", "`clip`, where cval is the threshold", (*translator).thresholdIntensity},
		{"ShiftIntensity", "`range`", (*translator).shift},
	}
}

// rounded refuses results that are not float32.
func (a *args) rounded() {
	a.only("dtype", "samples are float32 here, and this type would round or cut them", floats()...)
}

func (t *translator) scale(a *args, s *stream) {
	a.rounded()
	lo, hi := a.floatOr("minv", 0), a.floatOr("maxv", 1)
	if v, ok := a.args.get("minv"); ok && v == nil {
		if _, ok := a.get("factor"); ok {
			a.fault("factor", "a scale by a factor is not what a Spec says")
		}
	} else {
		a.understood("factor") // has no effect beside minv and maxv
	}
	a.add(s, transform.Scale{To: transform.Pair{lo, hi}, PerChannel: a.bool("channel_wise")})
}

func (t *translator) scaleRange(a *args, s *stream) {
	a.rounded()
	from := transform.Pair{a.need("a_min"), a.need("a_max")}
	clip := a.bool("clip")
	a.add(s, transform.Range{From: from, To: a.target(clip), Clip: clip})
}

// target reads b_min and b_max; without both the result is that of 0 and 1.
func (a *args) target(clip bool) transform.Pair {
	lo, one := a.float("b_min")
	hi, two := a.float("b_max")
	switch {
	case one && two:
		if lo == 0 && hi == 0 {
			a.fault("b_max", "a range of no width")
		}
		return transform.Pair{lo, hi}
	case one != two || clip:
		a.fault("b_min", "one end of the range alone is not understood")
	}
	return transform.Pair{0, 1}
}

func (t *translator) percentiles(a *args, s *stream) {
	a.rounded()
	lower, upper, clip := a.need("lower"), a.need("upper"), a.bool("clip")
	to := a.target(clip)
	if a.bool("relative") {
		width := to[1] - to[0]
		to = transform.Pair{width*lower/100 + to[0], width*upper/100 + to[0]}
	}
	a.add(s, transform.Percentiles{Lower: lower, Upper: upper, To: to, Clip: clip, PerChannel: a.bool("channel_wise")})
}

func (t *translator) normalize(a *args, s *stream) {
	a.rounded()
	sub, div := a.floats("subtrahend"), a.floats("divisor")
	nonzero, each := a.bool("nonzero"), a.bool("channel_wise")
	switch {
	case len(sub) == 0 && len(div) == 0:
		a.add(s, transform.ZScore{Nonzero: nonzero, PerChannel: each})
	case len(sub) == 0 || len(div) == 0:
		a.refuse(a.item, a.where, "subtrahend and divisor: one of them alone is not what a Spec says")
	case nonzero:
		a.fault("nonzero", "with subtrahend and divisor it is not what a Spec says")
	case len(sub) == 1 && len(div) == 1:
		a.add(s, standard(sub[0], div[0]))
	case len(sub) == len(div) && each:
		for c := range sub {
			a.add(s, transform.Channels{Of: []int{c}, Steps: transform.IntensitySteps{standard(sub[c], div[c])}})
		}
	default:
		a.refuse(a.item, a.where, "subtrahend and divisor: want a number each, or one for each channel with channel_wise")
	}
}

// standard subtracts and divides by known numbers; a divisor of 0 counts as 1.
func standard(sub, div float64) transform.Range {
	if div == 0 {
		div = 1
	}
	return transform.Range{From: transform.Pair{sub, sub + div}, To: transform.Pair{0, 1}}
}

func (t *translator) thresholdIntensity(a *args, s *stream) {
	limit, cval := a.need("threshold"), a.floatOr("cval", 0)
	above := a.boolOrTrue("above")
	if cval != limit {
		a.fault("cval", "only the threshold itself may stand for what is beyond it")
		return
	}
	if above {
		a.add(s, transform.Clip{Lower: limit, Upper: math.MaxFloat32})
	} else {
		a.add(s, transform.Clip{Lower: -math.MaxFloat32, Upper: limit})
	}
}

func (t *translator) shift(a *args, s *stream) {
	a.off("depends on another value of the data", "factor_key")
	a.understood("safe")
	offset := a.need("offset")
	a.add(s, transform.Range{From: transform.Pair{-offset, 1 - offset}, To: transform.Pair{0, 1}})
}
