package transform

import (
	"slices"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

func TestChannels(t *testing.T) {
	im := imageio.New(imageio.Grid{Size: [3]int{4, 3, 2}, Affine: imageio.Identity()}, 3, imageio.Intensity)
	for i := range im.Data {
		im.Data[i] = float32(i * i % 31)
	}
	before := slices.Clone(im.Data)
	got, err := Channels{Of: []int{2, 0}, Steps: IntensitySteps{Clip{Lower: 2, Upper: 25}, ZScore{PerChannel: true}}}.Apply(im)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []int{0, 2} { // each is what a scan of it alone becomes
		one, err := SelectChannels{List: []int{c}}.Apply(im)
		if err != nil {
			t.Fatal(err)
		}
		want, err := Pipeline{Clip{Lower: 2, Upper: 25}, ZScore{}}.Apply(one)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Channel(c), want.Data) {
			t.Errorf("channel %d: %v, want %v", c, got.Channel(c), want.Data)
		}
	}
	if !slices.Equal(got.Channel(1), im.Channel(1)) || !slices.Equal(im.Data, before) {
		t.Error("a channel that was not named has changed, or the image itself")
	}
	if _, err := (Channels{Of: []int{3}, Steps: IntensitySteps{Scale{}}}).Apply(im); err == nil {
		t.Error("a channel that is not there: no error")
	}
	if _, err := (Channels{Of: []int{0}, Steps: IntensitySteps{Orient{Axes: "RAS"}}}).Apply(im); err == nil {
		t.Error("a spatial step: no error")
	}
	im.Kind = imageio.Label
	if same, err := (Channels{Of: []int{0}, Steps: IntensitySteps{Scale{}}}).Apply(im); err != nil || same != im {
		t.Error("a label image has changed: ", err)
	}
}
