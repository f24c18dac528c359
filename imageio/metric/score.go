package metric

import (
	"encoding/json"
	"math"

	"github.com/nitrain/nitrain/imageio"
)

// Number is a float64 whose JSON form is null where it is NaN or infinite.
type Number float64

// MarshalJSON writes the number or null.
func (n Number) MarshalJSON() ([]byte, error) {
	if v := float64(n); math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON reads a number, null as NaN.
func (n *Number) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*n = Number(math.NaN())
		return nil
	}
	return json.Unmarshal(data, (*float64)(n))
}

// Score is everything that is said about one label of one prediction.
type Score struct {
	Label       int    `json:"label"`
	Dice        Number `json:"dice"`
	IoU         Number `json:"iou"`
	Precision   Number `json:"precision"`
	Sensitivity Number `json:"sensitivity"`
	HD95        Number `json:"hd95_mm"` // NaN where surfaces were not measured
	ASSD        Number `json:"assd_mm"` // NaN where surfaces were not measured
	ML          Number `json:"ml"`
	TruthML     Number `json:"truth_ml"`
	// VolumeError is predicted minus true volume, as a part of the true one; NaN where the truth is empty.
	VolumeError Number `json:"volume_error"`
	Counts      Counts `json:"-"`
}

// Absent reports whether the label is in neither mask, so that there is nothing to score.
func (s Score) Absent() bool { return s.Counts.Predicted() == 0 && s.Counts.Truth() == 0 }

// Missed reports whether the label is in exactly one of the masks, so that distances are infinite.
func (s Score) Missed() bool { return (s.Counts.Predicted() == 0) != (s.Counts.Truth() == 0) }

// Compare scores each of the labels. Surface distances cost much more than the rest: surfaces says whether
// they are wanted.
func Compare(prediction, truth *imageio.Image, labels []int, surfaces bool) ([]Score, error) {
	counts, err := Count(prediction, truth, labels)
	if err != nil {
		return nil, err
	}
	ml := truth.Grid.VoxelVolume() / 1000
	scores := make([]Score, len(labels))
	for i, c := range counts {
		scores[i] = Score{
			Label: labels[i], Counts: c,
			Dice: Number(c.Dice()), IoU: Number(c.IoU()),
			Precision: Number(c.Precision()), Sensitivity: Number(c.Sensitivity()),
			HD95: Number(math.NaN()), ASSD: Number(math.NaN()),
			ML: Number(float64(c.Predicted()) * ml), TruthML: Number(float64(c.Truth()) * ml),
			VolumeError: Number(ratio(c.Predicted()-c.Truth(), c.Truth())),
		}
		if !surfaces || scores[i].Absent() {
			continue
		}
		s, err := NewSurface(prediction, truth, labels[i])
		if err != nil {
			return nil, err
		}
		scores[i].HD95, scores[i].ASSD = Number(s.Hausdorff95()), Number(s.Average())
	}
	return scores, nil
}
