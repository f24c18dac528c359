package predict

import (
	"fmt"
	"slices"
	"strconv"
)

// NoLabel stands for a channel of the output that no label names.
const NoLabel = -1

// channelLabel is a channel of the output and the label value that it speaks for.
type channelLabel struct{ channel, value int }

// picks returns the channels that decide about labels in the order in which they are looked at. With the
// pick argmax that is the order of channels, and the first of equals wins; with threshold it is the order of
// labels, and the last one that is above wins.
func (s *Spec) picks() []channelLabel {
	var all []channelLabel
	for _, l := range s.Labels {
		if s.Decode.Pick == Threshold && l.Value == 0 {
			continue
		}
		c := len(all)
		if l.Channel != nil {
			c = *l.Channel
		}
		all = append(all, channelLabel{c, l.Value})
	}
	if s.Decode.Pick == Argmax {
		slices.SortFunc(all, func(a, b channelLabel) int { return a.channel - b.channel })
	}
	return all
}

// ChannelValues returns the label value of each channel of the output, [NoLabel] for one that no label names.
func (s *Spec) ChannelValues() []int {
	v := make([]int, s.outputs())
	for i := range v {
		v[i] = NoLabel
	}
	for _, p := range s.picks() {
		v[p.channel] = p.value
	}
	return v
}

// outputs returns how many channels the output must have; 0: any number.
func (s *Spec) outputs() int {
	if s.Task == Regression || s.Task == ImageToImage {
		return len(s.Labels)
	}
	n := 0
	for _, p := range s.picks() {
		n = max(n, p.channel+1)
	}
	return n
}

// spatial reports whether the output has a value for every voxel.
func (t Task) spatial() bool { return t == Segmentation || t == ImageToImage }

// stack returns how many slices make up the channels of a tensor for each channel of the image, the default
// filled in.
func (in Input) stack() int { return max(in.Stack, 1) }

// Images returns how many channels come from the scan's own files; those after them come from a label image.
func (in Input) Images() int {
	at := slices.IndexFunc(in.Channels, func(c Channel) bool { return c.Value != nil })
	if at < 0 {
		return len(in.Channels)
	}
	return at
}

// Cascade reports whether the last image given for a scan must be a label image: what a previous model said.
func (in Input) Cascade() bool { return in.Images() < len(in.Channels) }

// count says how many channels a tensor has: "4", "3 times 5 slices".
func (in Input) count() string {
	if in.stack() == 1 {
		return strconv.Itoa(len(in.Channels))
	}
	return fmt.Sprintf("%d times %d slices", len(in.Channels), in.stack())
}

// partial reports whether labels may name some channels only: where they name channels and each is a mask by itself.
func (s *Spec) partial() bool {
	return s.Decode.Pick == Threshold && slices.ContainsFunc(s.Labels, func(l Label) bool { return l.Channel != nil })
}
