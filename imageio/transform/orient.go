package transform

import (
	"cmp"
	"fmt"
	"math"
	"slices"
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

// axisDirection is one voxel axis: the world axis that it follows and whether it runs against it.
type axisDirection struct {
	world int
	minus bool
}

// turning says for each axis of the result which axis of the source it is and whether it is reversed.
type turning [3]struct {
	source  int
	reverse bool
}

func parseAxes(axes string) ([3]axisDirection, error) {
	var dirs [3]axisDirection
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
		dirs[i] = axisDirection{k / 2, k%2 == 1}
	}
	return dirs, nil
}

// closestAxes says which world axis each voxel axis follows, as nibabel 5.3's io_orientation: from the polar
// part of the matrix, the most decided column first, the largest coefficient among the world axes that are left.
func closestAxes(a imageio.Affine) [3]axisDirection {
	r := polar(a)
	order := []int{0, 1, 2}
	strength := func(col int) float64 {
		return max(math.Abs(r[0][col]), math.Abs(r[1][col]), math.Abs(r[2][col]))
	}
	before := [3]float64{strength(0), strength(1), strength(2)}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(before[j], before[i]) })
	var dirs [3]axisDirection
	for _, col := range order {
		best := 0
		for row := 1; row < 3; row++ {
			if math.Abs(r[row][col]) > math.Abs(r[best][col]) {
				best = row
			}
		}
		dirs[col] = axisDirection{best, r[best][col] < 0}
		r[best] = [3]float64{}
	}
	return dirs
}

// polar returns the orthogonal factor of the matrix with columns of length one, by Newton's iteration
// (Higham, SIAM J. Sci. Stat. Comput. 7, 1986).
func polar(a imageio.Affine) [3][3]float64 {
	x := imageio.Identity()
	spacing := imageio.Grid{Affine: a}.Spacing()
	for i := range 3 {
		for j := range 3 {
			x[i][j] = a[i][j] / spacing[j]
		}
	}
	for range 60 {
		inv, err := x.Inverse()
		if err != nil {
			break
		}
		change := 0.0
		next := x
		for i := range 3 {
			for j := range 3 {
				next[i][j] = (x[i][j] + inv[j][i]) / 2
				change = max(change, math.Abs(next[i][j]-x[i][j]))
			}
		}
		x = next
		if change < 1e-15 {
			break
		}
	}
	var r [3][3]float64
	for i := range 3 {
		copy(r[i][:], x[i][:3])
	}
	return r
}

// turnTo returns the turning that brings the axes of an affine into the wanted directions.
func turnTo(a imageio.Affine, want [3]axisDirection) turning {
	var t turning
	for source, have := range closestAxes(a) {
		for i, w := range want {
			if w.world == have.world {
				t[i].source, t[i].reverse = source, w.minus != have.minus
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
