package imageio

import (
	"math"
	"slices"
)

// rectify makes an even volume with right angles of slices that are unevenly spaced or stacked off their normal:
// linear interpolation (nearest neighbour for labels) between the two slices beside a place, and along rows and
// columns against the tilt. What no slice covers gets the image's smallest value.
func (s *series) rectify(im *Image, limit int64) *Image {
	if s.Problem != nil {
		im = s.even(im, limit)
	}
	if s.Tilt > 0 {
		im = upright(im, limit)
	}
	return im
}

// even interpolates onto slices at the median distance.
func (s *series) even(im *Image, limit int64) *Image {
	z := s.Positions
	gaps := make([]float64, len(z)-1)
	for i := range gaps {
		gaps[i] = z[i+1] - z[i]
	}
	slices.Sort(gaps)
	total := z[len(z)-1] - z[0]
	count := math.Round(total/gaps[(len(gaps)-1)/2]) + 1
	nx, ny, nz := im.Grid.Size[0], im.Grid.Size[1], im.Grid.Size[2]
	if !(count >= 2) || count*4*float64(nx*ny*im.Channels) > float64(limit) {
		count = float64(nz)
	}
	grid := im.Grid
	grid.Size[2] = int(count)
	for r := range 3 {
		grid.Affine[r][2] *= float64(nz-1) / (count - 1)
	}
	out := New(grid, im.Channels, im.Kind)
	out.Source = im.Source
	out.Source.Warnings = append(out.Source.Warnings, "slices were interpolated onto even distances")
	plane := nx * ny
	below := 0
	for k := range grid.Size[2] {
		at := z[0] + total*float64(k)/(count-1)
		for below+2 < nz && z[below+1] <= at {
			below++
		}
		w := float32(min(max((at-z[below])/(z[below+1]-z[below]), 0), 1))
		if im.Kind == Label {
			w = float32(math.Round(float64(w)))
		}
		for c := range im.Channels {
			a := im.Data[(c*nz+below)*plane:][:2*plane]
			to := out.Data[(c*grid.Size[2]+k)*plane:][:plane]
			for i := range to {
				to[i] = a[i] + w*(a[i+plane]-a[i])
				if w == 1 {
					to[i] = a[i+plane] // exact
				}
			}
		}
	}
	return out
}

// upright shifts each slice back over the first one, so that the stack stands on the slices' normal.
func upright(im *Image, limit int64) *Image {
	a, size := im.Grid.Affine, im.Grid.Size
	spacing := im.Grid.Spacing()
	var u, v, step [3]float64
	for r := range 3 {
		u[r], v[r], step[r] = a[r][0]/spacing[0], a[r][1]/spacing[1], a[r][2]
	}
	n := [3]float64{u[1]*v[2] - u[2]*v[1], u[2]*v[0] - u[0]*v[2], u[0]*v[1] - u[1]*v[0]}
	along := step[0]*n[0] + step[1]*n[1] + step[2]*n[2]
	dx := (step[0]*u[0] + step[1]*u[1] + step[2]*u[2]) / spacing[0] // voxels that a slice is shifted
	dy := (step[0]*v[0] + step[1]*v[1] + step[2]*v[2]) / spacing[1]
	grid := im.Grid
	x0, wide := span(dx*float64(size[2]-1), size[0])
	y0, high := span(dy*float64(size[2]-1), size[1])
	grid.Size[0], grid.Size[1] = wide, high
	if int64(grid.Len())*int64(im.Channels)*4 > limit {
		return im
	}
	for r := range 3 {
		grid.Affine[r][2] = along * n[r]
		grid.Affine[r][3] += a[r][0]*float64(x0) + a[r][1]*float64(y0)
	}
	out := New(grid, im.Channels, im.Kind)
	out.Source = im.Source
	out.Source.Warnings = append(out.Source.Warnings, "the slices of a tilted gantry were shifted onto their normal")
	low := slices.Min(im.Data)
	for c := range im.Channels {
		for z := range size[2] {
			from := im.Data[(c*size[2]+z)*size[0]*size[1]:][:size[0]*size[1]]
			to := out.Data[(c*size[2]+z)*wide*high:][:wide*high]
			shifted(to, from, wide, size[0], float64(x0)-float64(z)*dx, float64(y0)-float64(z)*dy, low, im.Kind)
		}
	}
	return out
}

// span returns where an axis of n voxels starts and how long it is when its last slice is shifted by d.
func span(d float64, n int) (start, length int) {
	if math.Abs(d) < 1e-6 {
		return 0, n
	}
	return int(math.Floor(min(0, d))), n + int(math.Ceil(math.Abs(d)))
}

// shifted samples a slice at places moved by (x, y) voxels, bilinear, low outside.
func shifted(to, from []float32, wide, nx int, x, y float64, low float32, kind Kind) {
	ny := len(from) / nx
	if kind == Label {
		x, y = math.Round(x), math.Round(y)
	}
	fx, fy := math.Floor(x), math.Floor(y)
	wx, wy := float32(x-fx), float32(y-fy)
	at := func(i, j int) float32 {
		if i < 0 || i >= nx || j < 0 || j >= ny {
			return low
		}
		return from[j*nx+i]
	}
	for k := range to {
		i, j := k%wide+int(fx), k/wide+int(fy)
		top := at(i, j)
		if wx > 0 {
			top += wx * (at(i+1, j) - top)
		}
		if wy > 0 {
			bottom := at(i, j+1)
			if wx > 0 {
				bottom += wx * (at(i+1, j+1) - bottom)
			}
			top += wy * (bottom - top)
		}
		to[k] = top
	}
}
