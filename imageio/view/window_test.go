package view

import (
	"image"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

func TestWindow(t *testing.T) {
	if w, err := Window("Brain"); err != nil || w != [2]float64{0, 80} {
		t.Errorf("brain: %v, %v", w, err)
	}
	if _, err := Window("nothing"); err == nil {
		t.Error("no error for an unknown window")
	}
}

// TestHistogramPanel: the panel adds its height and draws bars, also where there is one intensity.
func TestHistogramPanel(t *testing.T) {
	im := imageio.New(imageio.Grid{Size: [3]int{30, 30, 10}, Affine: imageio.Identity()}, 1, imageio.Intensity)
	for _, flat := range []bool{true, false} {
		if !flat {
			for i := range im.Data {
				im.Data[i] = float32(i % 97)
			}
		}
		plain, err := Montage(im, Options{})
		if err != nil {
			t.Fatal(err)
		}
		with, err := Montage(im, Options{Histogram: true})
		if err != nil {
			t.Fatal(err)
		}
		if extra := with.Bounds().Dy() - plain.Bounds().Dy(); extra != histogramHeight {
			t.Errorf("the panel adds %d pixels, want %d", extra, histogramHeight)
		}
		light := 0
		below := image.Rect(0, plain.Bounds().Dy()-margin, with.Bounds().Dx(), with.Bounds().Dy())
		for y := below.Min.Y; y < below.Max.Y; y++ {
			for x := below.Min.X; x < below.Max.X; x++ {
				if r, _, _, _ := with.At(x, y).RGBA(); r > 120<<8 {
					light++
				}
			}
		}
		if light < 50 {
			t.Errorf("only %d light pixels in the panel", light)
		}
	}
}
