package transform

import (
	"fmt"
	"strings"

	"github.com/nitrain/nitrain/imageio"
)

// Orient turns an image by whole axes so that its voxel axes run as nearly as possible in the directions that
// Axes names: three of the letters R or L, A or P, S or I, each the direction towards which an axis grows.
// Nothing is resampled; the affine moves exactly. It is MONAI's Orientation and nibabel's as_closest_canonical.
type Orient struct {
	Axes string `json:"axes"`
}

func (Orient) op() string { return "orient" }

func (o Orient) check() error {
	_, err := parseAxes(o.Axes)
	return err
}

// Apply turns the image.
func (o Orient) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(o, im) }

func (o Orient) run(im *imageio.Image) (*imageio.Image, error) {
	want, err := parseAxes(o.Axes)
	if err != nil {
		return nil, err
	}
	return turn(im, turnTo(im.Grid.Affine, want))
}

// turning says for each axis of the result which axis of the source it is and whether it is reversed.
type turning [3]struct {
	source  int
	reverse bool
}

func parseAxes(axes string) ([3]imageio.AxisFlip, error) {
	var dirs [3]imageio.AxisFlip
	used := [3]bool{}
	bad := fmt.Errorf("axes: want three letters, one each of RL, AP and SI, like RAS, got %q", shorten(axes))
	if len(axes) != 3 {
		return dirs, bad
	}
	for i := range 3 {
		k := strings.IndexByte("RLAPSI", axes[i])
		if k < 0 || used[k/2] {
			return dirs, bad
		}
		used[k/2] = true
		dirs[i] = imageio.AxisFlip{World: k / 2, Flip: k%2 == 1}
	}
	return dirs, nil
}

// turnTo returns the turning that brings the axes of an affine into the wanted directions.
func turnTo(a imageio.Affine, want [3]imageio.AxisFlip) turning {
	var t turning
	for source, have := range a.Orientation() {
		for i, w := range want {
			if w.World == have.World {
				t[i].source, t[i].reverse = source, w.Flip != have.Flip
			}
		}
	}
	return t
}

// turnedGrid returns the grid of a turned image.
func turnedGrid(g imageio.Grid, t turning) imageio.Grid {
	out := imageio.Grid{Affine: g.Affine}
	for i, ax := range t {
		out.Size[i] = g.Size[ax.source]
		for row := range 3 {
			v := g.Affine[row][ax.source]
			if ax.reverse {
				out.Affine[row][3] += v * float64(g.Size[ax.source]-1)
				v = -v
			}
			out.Affine[row][i] = v
		}
	}
	return out
}

// turn returns the image with its axes exchanged and reversed, or the image itself when nothing changes.
func turn(im *imageio.Image, t turning) (*imageio.Image, error) {
	if t == still() {
		return im, nil
	}
	out, err := newImage(im, turnedGrid(im.Grid, t), im.Channels, true)
	if err != nil {
		return nil, err
	}
	for c := range im.Channels {
		turnChannel(out.Channel(c), im.Channel(c), im.Grid.Size, t)
	}
	return out, nil
}

func still() turning {
	var t turning
	for i := range t {
		t[i].source = i
	}
	return t
}
