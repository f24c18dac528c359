package view

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"slices"

	"github.com/nitrain/nitrain/imageio"
)

// The kinds of voxels of a difference.
const (
	agreed = 1 + iota
	added
	missed
	mixed
)

// Difference draws where a segmentation differs from the truth, both on one grid: first the outlines of
// both over the scan, the truth's in white and below the other, then a map of the errors. Options give the
// labels' names and colours and, in Through, where the planes lie. Without a scan the ground is black.
func Difference(scan, seg, truth *imageio.Image, o Options) (image.Image, error) {
	if seg == nil || truth == nil || seg.Grid.Size != truth.Grid.Size || len(seg.Data) != len(truth.Data) {
		return nil, errors.New("view: difference: want a segmentation and a truth of one size")
	}
	if scan == nil {
		scan = imageio.New(truth.Grid, 1, imageio.Intensity)
		scan.Source = truth.Source
		o.Window = [2]float64{0, 1}
	}
	names := o.Labels
	o.Seg, o.Heat, o.Labels = differing(seg, truth), nil, []Label{
		{Value: agreed, Name: "both agree", Color: color.RGBA{90, 160, 90, 255}},
		{Value: added, Name: "only predicted", Color: color.RGBA{255, 90, 60, 255}},
		{Value: missed, Name: "only in truth", Color: color.RGBA{70, 150, 255, 255}},
		{Value: mixed, Name: "other label", Color: color.RGBA{255, 220, 50, 255}},
	}
	s, err := newScene(scan, o)
	if err != nil {
		return nil, err
	}
	predicted, err := newOverlay("segmentation", seg, scan.Grid)
	if err != nil {
		return nil, err
	}
	reference, err := newOverlay("truth", truth, scan.Grid)
	if err != nil {
		return nil, err
	}
	labelled := *s
	labelled.names = map[int]Label{}
	for _, l := range names {
		labelled.names[l.Value] = l
	}
	s.more = append([]entry{{name: "outline: truth", color: truthColour(0)}}, labelled.outlined(predicted, reference)...)
	planes := s.planes()
	rows := []row{{planes: planes, lines: []line{{reference, truthColour}, {predicted, labelled.colourOf}}}, {planes: planes, seg: true}}
	if len(planes) == 1 {
		rows = sideBySide(rows)
	}
	return s.compose(rows, panelSize)
}

// differing maps what a segmentation and the truth have to the kinds of difference.
func differing(seg, truth *imageio.Image) *imageio.Image {
	d := imageio.New(truth.Grid, 1, imageio.Label)
	for i, t := range truth.Data {
		switch p := seg.Data[i]; {
		case p == t && t != 0:
			d.Data[i] = agreed
		case p == t:
		case t == 0:
			d.Data[i] = added
		case p == 0:
			d.Data[i] = missed
		default:
			d.Data[i] = mixed
		}
	}
	return d
}

// outlined lists the labels of two maps for the legend.
func (s *scene) outlined(maps ...*overlay) []entry {
	var values []int
	for _, m := range maps {
		for v := range m.counts() {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	values = slices.Compact(values)
	var list []entry
	for i, v := range values {
		if i == mostLabels {
			return append(list, entry{name: fmt.Sprintf("and %d more", len(values)-i)})
		}
		name := fmt.Sprintf("label %d", v)
		if l, ok := s.names[v]; ok && l.Name != "" {
			name = l.Name
		}
		list = append(list, entry{name: "outline: " + name, color: s.colourOf(v)})
	}
	return list
}
