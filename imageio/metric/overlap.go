// Package metric compares predictions with the truth: segmentations label by label, classes, numbers and
// images, with bootstrap intervals over cases.
//
// Values that do not exist are NaN, and null in JSON: an overlap of two empty masks, a ratio with nothing
// to divide by, a surface distance where both masks are empty. Where one mask is empty and the other is
// not, overlaps are 0 and surface distances +Inf (null in JSON too, where the volumes tell the two apart).
// These are nnU-Net's conventions; [Empty] has MONAI's.
package metric

import (
	"fmt"
	"math"

	"github.com/nitrain/nitrain/imageio"
)

// gridTolerance is how far two images' voxels may lie apart and be compared, as a part of the smallest side
// of a voxel: headers are rounded.
const gridTolerance = 0.05

// Counts are the numbers of voxels in which a prediction and the truth agree and differ about one label.
type Counts struct {
	TruePositive  int `json:"tp"`
	FalsePositive int `json:"fp"`
	FalseNegative int `json:"fn"`
	TrueNegative  int `json:"tn"`
}

// Predicted returns the voxels of the prediction.
func (c Counts) Predicted() int { return c.TruePositive + c.FalsePositive }

// Truth returns the voxels of the truth.
func (c Counts) Truth() int { return c.TruePositive + c.FalseNegative }

// Total returns all voxels.
func (c Counts) Total() int {
	return c.TruePositive + c.FalsePositive + c.FalseNegative + c.TrueNegative
}

// Dice returns 2TP / (2TP + FP + FN): 1 is perfect. NaN when both masks are empty.
func (c Counts) Dice() float64 {
	return ratio(2*c.TruePositive, 2*c.TruePositive+c.FalsePositive+c.FalseNegative)
}

// IoU returns TP / (TP + FP + FN), also called Jaccard index. NaN when both masks are empty.
func (c Counts) IoU() float64 {
	return ratio(c.TruePositive, c.TruePositive+c.FalsePositive+c.FalseNegative)
}

// Precision returns TP / (TP + FP). NaN when nothing was predicted.
func (c Counts) Precision() float64 { return ratio(c.TruePositive, c.Predicted()) }

// Sensitivity returns TP / (TP + FN), also called recall. NaN when the truth is empty.
func (c Counts) Sensitivity() float64 { return ratio(c.TruePositive, c.Truth()) }

// Specificity returns TN / (TN + FP). NaN when the truth fills the image.
func (c Counts) Specificity() float64 { return ratio(c.TrueNegative, c.TrueNegative+c.FalsePositive) }

// Accuracy returns (TP + TN) / all.
func (c Counts) Accuracy() float64 { return ratio(c.TruePositive+c.TrueNegative, c.Total()) }

func ratio(a, b int) float64 {
	if b == 0 {
		return math.NaN()
	}
	return float64(a) / float64(b)
}

// Region is what one score is about: the voxels of a label image that have one of some values.
type Region struct {
	Label  int   // names the region
	Values []int // the values that make it up; nil: Label alone
}

// values returns the values as samples.
func (r Region) values() []float32 {
	if r.Values == nil {
		return []float32{float32(r.Label)}
	}
	out := make([]float32, len(r.Values))
	for i, v := range r.Values {
		out[i] = float32(v)
	}
	return out
}

// RegionsOf returns a region for each label value.
func RegionsOf(labels []int) []Region {
	out := make([]Region, len(labels))
	for i, l := range labels {
		out[i] = Region{Label: l}
	}
	return out
}

// Count compares two label images for each of the given labels, in one pass.
func Count(prediction, truth *imageio.Image, labels []int) ([]Counts, error) {
	j, err := joinImages(prediction, truth, nil)
	if err != nil {
		return nil, err
	}
	counts := make([]Counts, len(labels))
	for i, l := range labels {
		counts[i] = j.counts(Region{Label: l})
	}
	return counts, nil
}

// Values returns the values other than 0 that occur in either of two label images, ascending.
func Values(prediction, truth *imageio.Image) ([]int, error) {
	j, err := joinImages(prediction, truth, nil)
	if err != nil {
		return nil, err
	}
	return j.labels(), nil
}

// oneGrid reports images that are not two label maps on one grid.
func oneGrid(prediction, truth *imageio.Image) error {
	if err := prediction.Validate(); err != nil {
		return err
	}
	if err := truth.Validate(); err != nil {
		return err
	}
	if prediction.Channels != 1 || truth.Channels != 1 {
		return fmt.Errorf("metric: want label images of 1 channel, got %d and %d", prediction.Channels, truth.Channels)
	}
	return samePlace(prediction.Grid, truth.Grid)
}

// samePlace reports grids that differ.
func samePlace(prediction, truth imageio.Grid) error {
	if prediction.Size != truth.Size {
		return fmt.Errorf("metric: prediction has %v voxels, truth %v", prediction.Size, truth.Size)
	}
	s := truth.Spacing()
	if !prediction.Same(truth, gridTolerance*min(s[0], s[1], s[2])) {
		return fmt.Errorf("metric: prediction and truth have the same size but lie in different places: the same voxel is up to %.3g mm away", apart(prediction, truth))
	}
	return nil
}

// apart returns how far the farthest corner of one grid is from that of another of the same size.
func apart(a, b imageio.Grid) float64 {
	worst := 0.0
	for corner := range 8 {
		var v [3]float64
		for i := range 3 {
			v[i] = float64(corner>>i&1) * float64(a.Size[i]-1)
		}
		p, q := a.Affine.Apply(v), b.Affine.Apply(v)
		worst = max(worst, math.Hypot(math.Hypot(p[0]-q[0], p[1]-q[1]), p[2]-q[2]))
	}
	return worst
}
