package patch

import "fmt"

// Stitcher averages what a model says about overlapping windows, weighted as a Tiling says. It holds
// (classes + 1) float32 a voxel and is for one goroutine at a time.
type Stitcher struct {
	image   [3]int
	window  [3]int
	classes int
	weight  []float32   // of a window
	sum     [][]float32 // per class, over the image
	total   []float32   // of the weights, over the image
}

// NewStitcher returns a Stitcher for an image of the given sizes.
func NewStitcher(t Tiling, image [3]int, classes int) (*Stitcher, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	if classes < 1 {
		return nil, fmt.Errorf("patch: stitcher: want at least 1 class, got %d", classes)
	}
	if tooLarge(image, classes+1) || tooLarge(t.Window(image), 1) {
		return nil, fmt.Errorf("patch: stitcher: %d classes of %v voxels in tiles of %v are too large", classes, image, t.Window(image))
	}
	n := image[0] * image[1] * image[2]
	s := &Stitcher{
		image: image, window: t.Window(image), classes: classes,
		weight: t.Weights(image), sum: make([][]float32, classes), total: make([]float32, n),
	}
	for c := range s.sum {
		s.sum[c] = make([]float32, n)
	}
	return s, nil
}

// Add takes in one window: scores has one block of the window's voxels for each class, x fastest within a
// block. What lies outside the image is left out.
func (s *Stitcher) Add(b Box, scores []float32) error {
	n := b.Len()
	if b.Size != s.window || len(scores) != n*s.classes {
		return fmt.Errorf("patch: stitcher: want %d classes of %v voxels, got %d scores for a box of %v",
			s.classes, s.window, len(scores), b.Size)
	}
	for c := range s.classes {
		s.addRows(s.sum[c], b, scores[c*n:(c+1)*n])
	}
	s.addRows(s.total, b, nil)
	return nil
}

// addRows adds weight times value, or the weight alone where there are no values.
func (s *Stitcher) addRows(dst []float32, b Box, values []float32) {
	x0, x1 := max(b.Start[0], 0), min(b.Start[0]+b.Size[0], s.image[0])
	if x1 <= x0 {
		return
	}
	for z := max(b.Start[2], 0); z < min(b.Start[2]+b.Size[2], s.image[2]); z++ {
		for y := max(b.Start[1], 0); y < min(b.Start[1]+b.Size[1], s.image[1]); y++ {
			from := x0 - b.Start[0] + b.Size[0]*(y-b.Start[1]+b.Size[1]*(z-b.Start[2]))
			row := dst[x0+s.image[0]*(y+s.image[1]*z):][:x1-x0]
			w := s.weight[from:][:len(row)]
			if values == nil {
				for i := range row {
					row[i] += w[i]
				}
				continue
			}
			v := values[from:][:len(row)]
			for i := range row {
				row[i] += w[i] * v[i]
			}
		}
	}
}

// Result divides the sums by the weights and returns one block of the image's voxels for each class, x
// fastest; voxels that no window covered are 0. The Stitcher is used up.
func (s *Stitcher) Result() [][]float32 {
	for _, sum := range s.sum {
		for i, w := range s.total {
			if w > 0 {
				sum[i] /= w
			}
		}
	}
	return s.sum
}
