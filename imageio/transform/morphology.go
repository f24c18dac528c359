package transform

import (
	"fmt"

	"github.com/nitrain/nitrain/imageio"
)

// Erode sets to zero every voxel that is within Radius of a zero: voxel centres at most Radius voxels apart.
// What lies outside the image does not erode. Each channel is handled alone.
type Erode struct {
	Radius float64 `json:"radius"` // voxels
}

// Dilate gives every zero within Radius of a label the label of the nearest such voxel.
type Dilate struct {
	Radius float64 `json:"radius"` // voxels
}

// Open erodes and then dilates what is left, within the original labels: thin bridges and specks go.
type Open struct {
	Radius float64 `json:"radius"` // voxels
}

// Close dilates and then erodes, without losing an original label: gaps and small holes close.
type Close struct {
	Radius float64 `json:"radius"` // voxels
}

// FillHoles fills every region of zeros that no path by faces joins to the image's border, with the label
// that most of the faces around it carry.
type FillHoles struct{}

func (Erode) op() string     { return "erode" }
func (Dilate) op() string    { return "dilate" }
func (Open) op() string      { return "open" }
func (Close) op() string     { return "close" }
func (FillHoles) op() string { return "fill_holes" }

func (e Erode) check() error   { return checkRadius(e.Radius) }
func (d Dilate) check() error  { return checkRadius(d.Radius) }
func (o Open) check() error    { return checkRadius(o.Radius) }
func (c Close) check() error   { return checkRadius(c.Radius) }
func (FillHoles) check() error { return nil }

// Apply erodes the labels.
func (e Erode) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(e, im) }

// Apply dilates the labels.
func (d Dilate) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(d, im) }

// Apply opens the labels.
func (o Open) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(o, im) }

// Apply closes the labels.
func (c Close) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(c, im) }

// Apply fills the holes.
func (f FillHoles) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(f, im) }

func checkRadius(r float64) error {
	if !(r >= 1 && r <= 1000) {
		return fmt.Errorf("radius: want 1 to 1000 voxels, got %v", r)
	}
	return nil
}

func (e Erode) run(im *imageio.Image) (*imageio.Image, error) {
	return eachChannel(im, func(v []float32) { erode(v, im.Grid.Size, e.Radius) })
}

func (d Dilate) run(im *imageio.Image) (*imageio.Image, error) {
	return eachChannel(im, func(v []float32) { dilate(v, im.Grid.Size, d.Radius) })
}

func (o Open) run(im *imageio.Image) (*imageio.Image, error) {
	return eachChannel(im, func(v []float32) {
		before := append([]float32(nil), v...)
		erode(v, im.Grid.Size, o.Radius)
		dilate(v, im.Grid.Size, o.Radius)
		for i, k := range before {
			if k == 0 || v[i] != 0 {
				v[i] = k
			}
		}
	})
}

func (c Close) run(im *imageio.Image) (*imageio.Image, error) {
	return eachChannel(im, func(v []float32) {
		before := append([]float32(nil), v...)
		dilate(v, im.Grid.Size, c.Radius)
		erode(v, im.Grid.Size, c.Radius)
		for i, k := range before {
			if k != 0 {
				v[i] = k
			}
		}
	})
}

func (FillHoles) run(im *imageio.Image) (*imageio.Image, error) {
	return eachChannel(im, func(v []float32) { fillHoles(v, im.Grid.Size) })
}

// eachChannel returns the image with a function applied to a copy of each channel.
func eachChannel(im *imageio.Image, f func(samples []float32)) (*imageio.Image, error) {
	out, err := newImage(im, im.Grid, im.Channels, true)
	if err != nil {
		return nil, err
	}
	copy(out.Data, im.Data)
	for c := range im.Channels {
		f(out.Channel(c))
	}
	return out, nil
}

func erode(samples []float32, size [3]int, radius float64) {
	near := nearestSeeds(size, [3]float64{1, 1, 1}, radius, func(i int) bool { return samples[i] == 0 })
	for i, seed := range near {
		if seed >= 0 {
			samples[i] = 0
		}
	}
}

func dilate(samples []float32, size [3]int, radius float64) {
	near := nearestSeeds(size, [3]float64{1, 1, 1}, radius, func(i int) bool { return samples[i] != 0 })
	for i, seed := range near {
		if seed >= 0 && samples[i] == 0 {
			samples[i] = samples[seed]
		}
	}
}

// fillHoles finds the regions of zeros and, for those off the border, counts the labels on their faces.
func fillHoles(samples []float32, size [3]int) {
	runs := findRuns(size, 6, func(i int) bool { return samples[i] == 0 })
	open := map[int32]bool{}
	votes := map[int32]map[float32]int{}
	slice := size[0] * size[1]
	runs.each(func(root int32, lo, hi int) {
		x, y, z := lo%size[0], lo/size[0]%size[1], lo/slice
		if x == 0 || x+hi-lo == size[0] || y == 0 || y == size[1]-1 || z == 0 || z == size[2]-1 {
			open[root] = true
			return
		}
		if votes[root] == nil {
			votes[root] = map[float32]int{}
		}
		votes[root][samples[lo-1]]++
		votes[root][samples[hi]]++
		for i := lo; i < hi; i++ {
			for _, step := range [4]int{-size[0], size[0], -slice, slice} {
				if v := samples[i+step]; v != 0 {
					votes[root][v]++
				}
			}
		}
	})
	runs.each(func(root int32, lo, hi int) {
		if !open[root] {
			setAll(samples[lo:hi], winner(votes[root]))
		}
	})
}

// winner returns the label with most votes, of equal ones the smallest.
func winner(votes map[float32]int) float32 {
	best, most := float32(0), 0
	for v, n := range votes {
		if n > most || n == most && v < best {
			best, most = v, n
		}
	}
	return best
}
