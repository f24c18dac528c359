package transform

import "encoding/json"

// entry is one op: its name and how its keys are read.
type entry struct {
	op   string
	read func(keys map[string]json.RawMessage) (Transform, []*FormatError)
}

// op returns the entry of a step type.
func op[S step]() entry {
	var zero S
	return entry{zero.op(), func(keys map[string]json.RawMessage) (Transform, []*FormatError) {
		var s S
		if faults := readFields(&s, keys); len(faults) > 0 {
			return nil, faults
		}
		if err := s.check(); err != nil {
			return nil, []*FormatError{{Err: err}}
		}
		return s, nil
	}}
}

// prepareOps is the closed table of the steps that a Spec may hold.
func prepareOps() []entry {
	return []entry{
		op[Orient](),
		op[Conform](),
		op[Spacing](),
		op[Resize](),
		op[Zoom](),
		op[CropForeground](),
		op[CropNonzero](),
		op[CenterCrop](),
		op[Pad](),
		op[PadMultiple](),
		op[Range](),
		op[Percentiles](),
		op[Scale](),
		op[ZScore](),
		op[Clip](),
		op[CTNormalize](),
		op[Channels](),
		op[SelectChannels](),
		op[ConcatChannels](),
	}
}

// intensityOps is the closed table of the steps that the step channels may hold.
func intensityOps() []entry {
	return []entry{op[Range](), op[Percentiles](), op[Scale](), op[ZScore](), op[Clip](), op[CTNormalize]()}
}

// extraOps is the closed table of the steps for files only.
func extraOps() []entry {
	return []entry{
		op[Smooth](),
		op[Threshold](),
		op[Erode](),
		op[Dilate](),
		op[Open](),
		op[Close](),
		op[FillHoles](),
		op[Keep](),
		op[Remap](),
		op[OneHot](),
		op[Affine](),
		op[Lazy](),
		op[Distance](),
		op[MatchHistogram](),
		op[N4](),
		op[Add](),
		op[Subtract](),
		op[Multiply](),
		op[Divide](),
		op[Mask](),
	}
}
