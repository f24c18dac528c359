// Package metric compares a prediction with the truth, label by label.
//
// Values that do not exist are NaN, and null in JSON: an overlap of two empty masks, a ratio with nothing
// to divide by, a surface distance where both masks are empty. Where one mask is empty and the other is
// not, overlaps are 0 and surface distances +Inf (null in JSON too, where the volumes tell the two apart).
// These are the conventions of MONAI 1.6.1 with ignore_empty for the truth and of nnU-Net for both.
package metric

import (
	"errors"
	"fmt"
	"math"

	"github.com/nitrain/nitrain/imageio"
)

// gridTolerance is how far in mm two images' voxels may lie apart and be compared: header rounding.
const gridTolerance = 1e-2

// Counts are the numbers of voxels in which a prediction and the truth agree and differ about one label.
type Counts struct {
	TruePositive  int
	FalsePositive int
	FalseNegative int
	TrueNegative  int
}

// Predicted returns the voxels of the prediction.
func (c Counts) Predicted() int { return c.TruePositive + c.FalsePositive }

// Truth returns the voxels of the truth.
func (c Counts) Truth() int { return c.TruePositive + c.FalseNegative }

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

func ratio(a, b int) float64 {
	if b == 0 {
		return math.NaN()
	}
	return float64(a) / float64(b)
}

// Count compares two label images for each of the given labels, in one pass.
func Count(prediction, truth *imageio.Image, labels []int) ([]Counts, error) {
	if err := oneGrid(prediction, truth); err != nil {
		return nil, err
	}
	at := make(map[float32]int, len(labels))
	for i, l := range labels {
		at[float32(l)] = i
	}
	counts := make([]Counts, len(labels))
	index := func(v float32) int {
		if i, ok := at[v]; ok {
			return i
		}
		return -1
	}
	lastP, lastT := prediction.Data[0], truth.Data[0]
	p, t := index(lastP), index(lastT)
	for i, v := range prediction.Data {
		if v != lastP {
			lastP, p = v, index(v)
		}
		if w := truth.Data[i]; w != lastT {
			lastT, t = w, index(w)
		}
		if p >= 0 && lastP == lastT {
			counts[p].TruePositive++
			continue
		}
		if p >= 0 {
			counts[p].FalsePositive++
		}
		if t >= 0 {
			counts[t].FalseNegative++
		}
	}
	for i := range counts {
		c := &counts[i]
		c.TrueNegative = len(truth.Data) - c.TruePositive - c.FalsePositive - c.FalseNegative
	}
	return counts, nil
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
	if prediction.Grid.Size != truth.Grid.Size {
		return fmt.Errorf("metric: prediction has %v voxels, truth %v", prediction.Grid.Size, truth.Grid.Size)
	}
	if !prediction.Grid.Same(truth.Grid, gridTolerance) {
		return errors.New("metric: prediction and truth have the same size but lie in different places")
	}
	return nil
}
