package dicom

import "github.com/nitrain/nitrain/imageio/internal/volume"

// Stored decodes all planes as they are stored. As a file: frames, rows, columns, samples; as a volume: x, y, z,
// time, samples; the first axis runs fastest in both.
func (v *Volume) Stored(asFile bool, limit int64) (shape []int, t volume.Type, data []byte, err error) {
	l := v.Layout
	t = l.Type()
	size := t.Size()
	n := len(v.Planes)
	index := make([]int, n) // of the planes in the file's order
	for i := range index {
		index[i] = i
	}
	var strides [4]int // frame, row, column, sample
	if asFile {
		if n > 1 {
			shape = append(shape, n)
		}
		shape = append(shape, l.Rows, l.Columns)
		strides = [4]int{1, n, n * l.Rows, n * l.Rows * l.Columns}
		for i := range v.Planes {
			index[i] = v.Planes[i].Frame
		}
	} else {
		s := v.Size()
		shape = append(shape, s[0], s[1], v.Slices)
		if v.Times > 1 {
			shape = append(shape, v.Times)
		}
		strides = [4]int{l.Columns * l.Rows, l.Columns, 1, n * l.Columns * l.Rows}
	}
	if l.Samples > 1 {
		shape = append(shape, l.Samples)
	}
	data = make([]byte, n*l.FrameBytes())
	err = v.Each(limit, func(i int, p *Pixels, frame []byte) error {
		if !asFile && v.Mosaic.Images > 0 {
			v.tiles(data[i*l.FrameBytes():], frame, size)
			return nil
		}
		reorder(data[index[i]*strides[0]*size:], frame, l, strides, size)
		return nil
	})
	return shape, t, data, err
}

// reorder spreads the samples of a frame over their places.
func reorder(dst, frame []byte, l Layout, strides [4]int, size int) {
	if l.Samples == 1 && strides[2] == 1 {
		copy(dst, frame)
		return
	}
	at := 0
	for y := range l.Rows {
		for x := range l.Columns {
			for c := range l.Samples {
				to := (y*strides[1] + x*strides[2] + c*strides[3]) * size
				copy(dst[to:to+size], frame[at:at+size])
				at += size
			}
		}
	}
}

func (v *Volume) tiles(dst, frame []byte, size int) {
	m := v.Mosaic
	for z := range m.Images {
		x0, y0 := z%m.Side*m.Width, z/m.Side*m.Height
		for y := range m.Height {
			from := ((y0+y)*v.Layout.Columns + x0) * size
			copy(dst[(z*m.Height+y)*m.Width*size:][:m.Width*size], frame[from:])
		}
	}
}
