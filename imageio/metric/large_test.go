package metric_test

import (
	"math"
	"os"
	"testing"
	"time"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/metric"
)

// organ is a lobed body of about half of each axis.
func organ(size [3]int, shift float64) *imageio.Image {
	im := labelImage(size, [3]float64{0.8, 0.8, 1}, make([]float32, size[0]*size[1]*size[2]))
	for z := range size[2] {
		for y := range size[1] {
			for x := range size[0] {
				u := 2*float64(x)/float64(size[0]) - 1 + shift
				v := 2*float64(y)/float64(size[1]) - 1
				w := 2*float64(z)/float64(size[2]) - 1
				r := 0.8 + 0.1*math.Sin(9*u)*math.Cos(7*v+shift)
				if u*u+v*v+w*w < r*r {
					im.Data[im.Grid.Index(x, y, z)] = 1
				}
			}
		}
	}
	return im
}

// TestLargeLabel prints how long a label of 512 x 512 x 300 voxels takes, near to the truth and far from it.
func TestLargeLabel(t *testing.T) {
	if os.Getenv("NITRAIN_ACCEPTANCE") == "" {
		t.Skip("takes a minute and 1 GB: set NITRAIN_ACCEPTANCE=1")
	}
	size := [3]int{512, 512, 300}
	truth := organ(size, 0)
	for _, shift := range []float64{0.01, 0.4} {
		p := organ(size, shift)
		start := time.Now()
		if _, err := metric.Compare(p, truth, []int{1}, false); err != nil {
			t.Fatal(err)
		}
		counted := time.Since(start)
		start = time.Now()
		s, err := metric.NewSurface(p, truth, 1)
		if err != nil {
			t.Fatal(err)
		}
		surfaces := time.Since(start)
		start = time.Now()
		if _, err := metric.NewElements(p, truth, 1); err != nil {
			t.Fatal(err)
		}
		t.Logf("shift %g: overlaps %v, surface distances %v (HD95 %.6f mm, HD %.6f, %d and %d voxels), elements %v",
			shift, counted, surfaces, s.Hausdorff95(), s.Hausdorff(), len(s.ToTruth), len(s.ToPrediction), time.Since(start))
		if surfaces > time.Minute {
			t.Errorf("surface distances took %v", surfaces)
		}
	}
}
