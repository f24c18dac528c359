package metric

import (
	"fmt"
	"math"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/internal/tasks"
)

// Similarity is how alike two images of intensities are, all channels together.
type Similarity struct {
	MAE  Number `json:"mae"`
	RMSE Number `json:"rmse"`
	PSNR Number `json:"psnr"` // dB; +Inf for equal images
	SSIM Number `json:"ssim"` // NaN where the window does not fit into the image
	// Range is the data range that PSNR and SSIM are relative to.
	Range Number `json:"range"`
}

// CompareImages compares two images on one grid. dataRange is the distance between the largest and the
// smallest possible intensity; 0 takes it from the truth. PSNR is MONAI's PSNRMetric. SSIM is MONAI's
// SSIMMetric with its defaults: a Gaussian window of 11 voxels along each axis with a deviation of 1.5, k1
// 0.01, k2 0.03, windows inside the image only, mean over all of them and over channels.
func CompareImages(prediction, truth *imageio.Image, dataRange float64) (Similarity, error) {
	if err := prediction.Validate(); err != nil {
		return Similarity{}, err
	}
	if err := truth.Validate(); err != nil {
		return Similarity{}, err
	}
	if prediction.Channels != truth.Channels {
		return Similarity{}, fmt.Errorf("metric: prediction has %d channels, truth %d", prediction.Channels, truth.Channels)
	}
	if err := samePlace(prediction.Grid, truth.Grid); err != nil {
		return Similarity{}, err
	}
	if dataRange == 0 {
		dataRange = spread(truth.Data)
	}
	var absolute, squared float64
	for i, t := range truth.Data {
		d := float64(prediction.Data[i]) - float64(t)
		absolute += math.Abs(d)
		squared += d * d
	}
	n := float64(len(truth.Data))
	s := Similarity{MAE: Number(absolute / n), RMSE: Number(math.Sqrt(squared / n)), Range: Number(dataRange)}
	s.PSNR = Number(20*math.Log10(dataRange) - 10*math.Log10(squared/n))
	total := 0.0
	for c := range truth.Channels {
		total += structural(prediction.Channel(c), truth.Channel(c), truth.Grid.Size, dataRange)
	}
	s.SSIM = Number(total / float64(truth.Channels))
	return s, nil
}

func spread(data []float32) float64 {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range data {
		low, high = min(low, float64(v)), max(high, float64(v))
	}
	return high - low
}

// window is the width of SSIM's Gaussian.
const window = 11

func gaussian() [window]float64 {
	var w [window]float64
	total := 0.0
	for i := range w {
		d := float64(i-window/2) / 1.5
		w[i] = math.Exp(-d * d / 2)
		total += w[i]
	}
	for i := range w {
		w[i] /= total
	}
	return w
}

// moments are the local means of x, y, xx, yy and xy.
type moments [5]float64

// structural returns the mean structural similarity of one channel. A 2-D image has a window of two axes.
func structural(x, y []float32, size [3]int, dataRange float64) float64 {
	if size[0] < window || size[1] < window || size[2] > 1 && size[2] < window {
		return math.NaN()
	}
	weights, deep := gaussian(), []float64{1}
	if size[2] > 1 {
		deep = weights[:]
	}
	out := [2]int{size[0] - window + 1, size[1] - window + 1}
	layers := size[2] - len(deep) + 1
	const chunks = 8
	sums := make([]float64, chunks)
	tasks.Run(0, chunks, func(k int) {
		first, last := k*layers/chunks, (k+1)*layers/chunks
		if first == last {
			return
		}
		blur := newBlur(size, weights)
		ring := make([][]moments, len(deep))
		for z := first; z < last+len(deep)-1; z++ {
			at := z % len(deep)
			ring[at] = blur.plane(x, y, z, ring[at])
			if z < first+len(deep)-1 {
				continue
			}
			for i := range out[0] * out[1] {
				var m moments
				for d, w := range deep {
					from := &ring[(z-len(deep)+1+d)%len(deep)][i]
					for j := range m {
						m[j] += w * from[j]
					}
				}
				sums[k] += m.similarity(dataRange)
			}
		}
	})
	return sum(sums) / float64(out[0]*out[1]*layers)
}

func (m moments) similarity(dataRange float64) float64 {
	c1, c2 := 1e-4*dataRange*dataRange, 9e-4*dataRange*dataRange
	xx, yy, xy := m[2]-m[0]*m[0], m[3]-m[1]*m[1], m[4]-m[0]*m[1]
	return (2*m[0]*m[1] + c1) / (m[0]*m[0] + m[1]*m[1] + c1) * (2*xy + c2) / (xx + yy + c2)
}

// blur averages the moments of one slice.
type blur struct {
	size    [3]int
	weights [window]float64
	rows    []moments
}

func newBlur(size [3]int, weights [window]float64) *blur {
	return &blur{size: size, weights: weights, rows: make([]moments, (size[0]-window+1)*size[1])}
}

func (b *blur) plane(x, y []float32, z int, out []moments) []moments {
	nx, ny := b.size[0], b.size[1]
	wide := nx - window + 1
	line := make([]moments, nx)
	for row := range ny {
		at := (z*ny + row) * nx
		for i := range line {
			u, v := float64(x[at+i]), float64(y[at+i])
			line[i] = moments{u, v, u * u, v * v, u * v}
		}
		for i := range wide {
			b.rows[row*wide+i] = b.mean(line[i:], 1)
		}
	}
	out = out[:0]
	for row := range ny - window + 1 {
		for i := range wide {
			out = append(out, b.mean(b.rows[row*wide+i:], wide))
		}
	}
	return out
}

func (b *blur) mean(from []moments, stride int) moments {
	var m moments
	for k, w := range b.weights {
		f := &from[k*stride]
		for j := range m {
			m[j] += w * f[j]
		}
	}
	return m
}
