package transform

import (
	"errors"
	"math"

	"github.com/nitrain/nitrain/imageio"
)

// ConformRule says whose conform is reproduced.
type ConformRule string

// The conform rules. All give 256x256x256 voxels of 1 mm.
const (
	// NiiVue is brainchop's: axes LIA, the image's centre (its size/2, not (size-1)/2) at voxel 128, linear, zero
	// where a neighbour is missing, then whole numbers 0 to 255 by truncation. A file of uint8 keeps its
	// values less the smallest; any other is scaled so that the value below which 99.9 % of the non-zero voxels
	// lie becomes 255. A file of uint8 that is 256x256x256 and LIA already is taken as it is.
	NiiVue ConformRule = "niivue"
	// Nibabel is nibabel.processing.conform: axes RAS, cubic B-spline, zero outside, values as they come.
	Nibabel ConformRule = "nibabel"
	// FreeSurfer is mri_convert --conform: the grid of niivue, but the values are scaled and rounded to 0 to 255
	// first (a file of uint8 keeps them) and rounded again after linear interpolation.
	FreeSurfer ConformRule = "freesurfer"
)

// Conform brings a scan to the one grid that a family of brain models expects. Each channel is handled alone;
// labels are taken from the nearest voxel and keep their values.
type Conform struct {
	Rule ConformRule `json:"rule"`
}

func (Conform) op() string { return "conform" }

func (c Conform) check() error {
	if c.Rule == "" {
		return errors.New("rule: want niivue, nibabel, freesurfer")
	}
	return oneOf("rule", c.Rule, NiiVue, Nibabel, FreeSurfer)
}

// Apply conforms the scan.
func (c Conform) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(c, im) }

// conformSize is the number of voxels along each axis.
const conformSize = 256

func (c Conform) run(im *imageio.Image) (*imageio.Image, error) {
	if c.Rule == Nibabel {
		return conformNibabel(im)
	}
	if conformed(im) {
		return im, nil
	}
	grid := liaGrid(im.Grid)
	r, err := between(im.Grid, grid)
	if err != nil {
		return nil, err
	}
	r.edge = strict
	if im.Kind == imageio.Label {
		return r.image(im, grid, Nearest)
	}
	if c.Rule == FreeSurfer {
		return conformFreeSurfer(im, r, grid)
	}
	out, err := r.image(im, grid, Linear)
	if err != nil {
		return nil, err
	}
	for ch := range im.Channels {
		toBytes(out.Channel(ch), bytesOf(im, ch), func(v float32) float32 { return float32(math.Trunc(float64(v))) })
	}
	return storedAsBytes(out), nil
}

// conformed reports a file of uint8 on a grid of 256x256x256 voxels with axes LIA.
func conformed(im *imageio.Image) bool {
	return isUint8(im) && im.Grid.Size == [3]int{conformSize, conformSize, conformSize} && im.Grid.AxisCodes() == "LIA"
}

func isUint8(im *imageio.Image) bool { return im.Source != nil && im.Source.Stored == "uint8" }

func storedAsBytes(im *imageio.Image) *imageio.Image {
	if im.Source != nil {
		src := *im.Source
		src.Stored = "uint8"
		im.Source = &src
	}
	return im
}

// liaGrid puts the middle of a grid, its size/2, at voxel 128.
func liaGrid(g imageio.Grid) imageio.Grid {
	out := imageio.Grid{
		Size:   [3]int{conformSize, conformSize, conformSize},
		Affine: imageio.Affine{{-1, 0, 0, 0}, {0, 0, 1, 0}, {0, -1, 0, 0}, {0, 0, 0, 1}},
	}
	middle := g.World(float64(g.Size[0])/2, float64(g.Size[1])/2, float64(g.Size[2])/2)
	away := out.World(conformSize/2, conformSize/2, conformSize/2)
	for i := range 3 {
		out.Affine[i][3] = middle[i] - away[i]
	}
	return out
}

// byteScale is how samples become bytes: gain·(v - low).
type byteScale struct{ low, gain float32 }

// bytesOf returns the scale of a channel.
func bytesOf(im *imageio.Image, channel int) byteScale {
	lo, hi := extremes(im.Channel(channel))
	if isUint8(im) {
		return byteScale{lo, 1}
	}
	return robustScale(im.Channel(channel), lo, hi)
}

// robustScale maps the smallest sample to 0 and the value below which 99.9 % of the non-zero samples lie to 255, by a
// histogram of 1000 bins: FreeSurfer's and NiiVue's getScale.
func robustScale(samples []float32, lo, hi float32) byteScale {
	width := (float64(hi) - float64(lo)) / 1000
	if !(width > 0) {
		return byteScale{lo, 1}
	}
	var bins [1000]int
	nonzero := 0
	for _, v := range samples {
		if math.Abs(float64(v)) >= 1e-15 {
			nonzero++
		}
		if k := int((v - lo) / float32(width)); k >= 0 { // not a number falls below
			bins[min(k, 999)]++
		}
	}
	enough := len(samples) - int(math.Floor((1-0.999)*float64(nonzero)))
	below, bin := bins[0], 999
	for k := 1; k < len(bins); k++ {
		if below += bins[k]; below >= enough {
			bin = k - 1
			break
		}
	}
	if high := float64(bin) * width; high != 0 {
		return byteScale{lo, float32(255 / high)}
	}
	return byteScale{lo, 1}
}

func toBytes(samples []float32, s byteScale, round func(float32) float32) {
	parallelChunks(len(samples), 1, func(from, to int) {
		for i := from; i < to; i++ {
			v := s.gain * (samples[i] - s.low)
			if !(v > 0) {
				v = 0
			}
			samples[i] = round(min(v, 255))
		}
	})
}

func roundHalfUp(v float32) float32 { return float32(math.Floor(float64(v) + 0.5)) }

func conformFreeSurfer(im *imageio.Image, r resampling, grid imageio.Grid) (*imageio.Image, error) {
	source := im
	if !isUint8(im) {
		var err error
		if source, err = newImage(im, im.Grid, im.Channels, false); err != nil {
			return nil, err
		}
		copy(source.Data, im.Data)
		for ch := range im.Channels {
			toBytes(source.Channel(ch), bytesOf(im, ch), roundHalfUp)
		}
	}
	out, err := r.image(source, grid, Linear)
	if err != nil {
		return nil, err
	}
	toBytes(out.Data, byteScale{0, 1}, roundHalfUp)
	return storedAsBytes(out), nil
}

// conformNibabel is nibabel 5.3's processing.conform with its defaults.
func conformNibabel(im *imageio.Image) (*imageio.Image, error) {
	ras, err := parseAxes("RAS")
	if err != nil {
		return nil, err
	}
	turned := turnedGrid(im.Grid, turnTo(im.Grid.Affine, ras))
	grid := imageio.Grid{Size: [3]int{conformSize, conformSize, conformSize}, Affine: turned.Affine}
	mm := turned.Spacing()
	for i := range 3 {
		for row := range 3 {
			grid.Affine[row][i] /= mm[i]
		}
	}
	centre := turned.World(float64((turned.Size[0]-1)/2), float64((turned.Size[1]-1)/2), float64((turned.Size[2]-1)/2))
	const middle = (conformSize - 1) / 2
	away := grid.World(middle, middle, middle)
	for i := range 3 {
		grid.Affine[i][3] += centre[i] - away[i]
	}
	r, err := between(im.Grid, grid)
	if err != nil {
		return nil, err
	}
	r.edge = strict
	return r.image(im, grid, Cubic)
}
