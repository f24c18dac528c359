package register

import "github.com/nitrain/nitrain/imageio"

// surface is an image as a function of continuous coordinates.
type surface struct {
	im   *imageio.Image
	cuts [3][2]bool // whether the lower and upper face of an axis cut through content
}

// newSurface finds the faces of which more than a twentieth is content.
func newSurface(im *imageio.Image) surface {
	s := surface{im: im}
	lo, _ := limits(im.Data)
	limit := lo + (threshold(im.Data)-lo)/2
	var content [3][2]int
	each(im.Grid.Size, func(i int, v [3]float64) {
		if im.Data[i] <= limit {
			return
		}
		for a := range 3 {
			if v[a] == 0 {
				content[a][0]++
			}
			if int(v[a]) == im.Grid.Size[a]-1 {
				content[a][1]++
			}
		}
	})
	for a := range 3 {
		for side := range 2 {
			s.cuts[a][side] = content[a][side]*20*im.Grid.Size[a] > im.Grid.Len()
		}
	}
	return s
}

// visit is what a surface has at a point.
type visit struct {
	value    float32
	gradient [3]float32 // of value, by voxels
	weight   float32    // 1, less near a face that cuts through content, 0 beyond
	fading   [3]float32 // of weight, by voxels
}

// sample interpolates linearly. The weight falls from 1 to 0 from half a voxel inside to half a voxel outside the
// border voxels' centres of a face that cuts; beyond other faces the border voxels' values go on.
func (s surface) sample(at [3]float32) visit {
	v := visit{weight: 1}
	var index, step [3]int
	var f [3]float32
	var beyond [3]bool
	stride := 1
	for i, x := range at {
		n := s.im.Grid.Size[i]
		if last := float32(n - 1); x < 0.5 || x > last-0.5 {
			s.fade(&v, i, x, last)
			beyond[i] = x < 0 || x > last
			x = min(max(x, 0), last)
		}
		k := min(int(x), max(n-2, 0))
		index[i], f[i] = k*stride, x-float32(k)
		if n > 1 {
			step[i] = stride
		}
		stride *= n
	}
	if v.weight == 0 {
		return visit{}
	}
	dx, dy, dz := step[0], step[1], step[2]
	p := s.im.Data[index[0]+index[1]+index[2]:]
	a, b, c, d := p[0], p[dy], p[dz], p[dy+dz]
	ax, bx, cx, ex := p[dx]-a, p[dx+dy]-b, p[dx+dz]-c, p[dx+dy+dz]-d
	a, b, c, d = a+f[0]*ax, b+f[0]*bx, c+f[0]*cx, d+f[0]*ex
	ax, cx = ax+f[1]*(bx-ax), cx+f[1]*(ex-cx)
	ay, cy := b-a, d-c
	a, c = a+f[1]*ay, c+f[1]*cy
	v.value = a + f[2]*(c-a)
	v.gradient = [3]float32{ax + f[2]*(cx-ax), ay + f[2]*(cy-ay), c - a}
	for i := range 3 {
		if beyond[i] {
			v.gradient[i] = 0
		}
	}
	return v
}

// fade lowers the weight near the faces of axis i that cut through content.
func (s surface) fade(v *visit, i int, x, last float32) {
	for side, w := range [2]float32{x + 0.5, last + 0.5 - x} {
		if !s.cuts[i][side] || w >= 1 {
			continue
		}
		if w <= 0 {
			v.weight = 0
			return
		}
		for k := range 3 {
			v.fading[k] *= w
		}
		v.fading[i] = v.weight * float32(1-2*side)
		v.weight *= w
	}
}
