package batch

import (
	"strconv"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/predict"
)

// LabelStatistics are figures of one label in one scan.
type LabelStatistics struct {
	Value  int     `json:"value"`
	Name   string  `json:"name"`
	Voxels int     `json:"voxels"`
	ML     float64 `json:"ml"`
	// Box is the smallest box that holds the label; nil where it is empty, as are all figures below.
	Box *Box `json:"box,omitempty"`
	// Centroid is the mean place of the label's voxels in mm, RAS+.
	Centroid *[3]float64 `json:"centroid,omitempty"`
	// BorderVoxels counts the label's voxels in the outermost layer of the image: what touches it may go on outside.
	BorderVoxels int `json:"border_voxels"`
	// BorderSides are the letters of the sides that the label touches: "S" is the superior one.
	BorderSides string `json:"border_sides,omitempty"`
	// Entropy and Variance are the means of those maps over the label, where they were asked for.
	Entropy  *float64 `json:"entropy,omitempty"`
	Variance *float64 `json:"variance,omitempty"`
	// Intensity has the scan's samples in the label, channel by channel.
	Intensity []Intensity `json:"intensity,omitempty"`
}

// Box is a range of voxel indices, both ends within.
type Box struct {
	Low  [3]int `json:"low"`
	High [3]int `json:"high"`
}

// Intensity are figures of the samples of one channel in one label, in float64; Std is that of the population, Median of an even
// number of samples the mean of the middle two. Samples that are not finite are left out.
type Intensity struct {
	Channel string  `json:"channel"`
	Mean    float64 `json:"mean"`
	Std     float64 `json:"std"`
	Min     float64 `json:"min"`
	Max     float64 `json:"max"`
	Median  float64 `json:"median"`
}

// Maps are images on the grid of the labels, of which statistics hold the mean over each label; nil ones are left out.
type Maps struct{ Entropy, Variance *imageio.Image }

// Statistics returns figures of every label of a Spec but background, in the Spec's order. images are the scan's; they are
// put on the grid of the labels where they lie on another.
func Statistics(spec *predict.Spec, labels *imageio.Image, maps Maps, images ...*imageio.Image) ([]LabelStatistics, error) {
	s := slotsOf(spec)
	out := make([]LabelStatistics, len(s.labels))
	for i, shape := range s.shapes(labels) {
		out[i] = shape.figures(labels.Grid)
		out[i].Value, out[i].Name = s.labels[i].Value, s.labels[i].Name
	}
	s.means(labels, maps.Entropy, func(i int, mean float64) { out[i].Entropy = &mean })
	s.means(labels, maps.Variance, func(i int, mean float64) { out[i].Variance = &mean })
	names := channelNames(spec, images)
	at := 0
	for _, im := range images {
		im, err := transform.Onto{Grid: labels.Grid}.Apply(im)
		if err != nil {
			return nil, err
		}
		for c := range im.Channels {
			for i, figures := range s.intensities(labels.Data, im.Channel(c)) {
				if figures != nil {
					figures.Channel = names[at]
					out[i].Intensity = append(out[i].Intensity, *figures)
				}
			}
			at++
		}
	}
	return out, nil
}

// channelNames are those of the Spec where it has one for each channel of the images, else numbers from 1.
func channelNames(spec *predict.Spec, images []*imageio.Image) []string {
	var names []string
	for _, im := range images {
		for range im.Channels {
			names = append(names, strconv.Itoa(len(names)+1))
		}
	}
	if len(names) <= len(spec.Input.Channels) {
		for i := range names {
			names[i] = spec.Input.Channels[i].Name
		}
	}
	return names
}

// slots finds the place of a label's value among the labels that are not background.
type slots struct {
	labels []predict.Label
	table  []int32 // by value; -1: none
}

func slotsOf(spec *predict.Spec) slots {
	var s slots
	for _, l := range spec.Labels {
		if l.Value == 0 {
			continue
		}
		for len(s.table) <= l.Value {
			s.table = append(s.table, -1)
		}
		s.table[l.Value] = int32(len(s.labels))
		s.labels = append(s.labels, l)
	}
	return s
}

func (s slots) of(v float32) int32 {
	if i := int(v); i > 0 && i < len(s.table) {
		return s.table[i]
	}
	return -1
}

// means calls set with the mean of a map over each label that is there.
func (s slots) means(labels, of *imageio.Image, set func(slot int, mean float64)) {
	if of == nil {
		return
	}
	sum, n := make([]float64, len(s.labels)), make([]int, len(s.labels))
	for i, v := range labels.Data {
		if slot := s.of(v); slot >= 0 {
			sum[slot] += float64(of.Data[i])
			n[slot]++
		}
	}
	for slot := range sum {
		if n[slot] > 0 {
			set(slot, sum[slot]/float64(n[slot]))
		}
	}
}
