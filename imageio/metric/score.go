package metric

import (
	"encoding/json"
	"fmt"
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

// Score is everything that is said about one label of one prediction. What was not measured is NaN.
type Score struct {
	Label       int    `json:"label"`
	Dice        Number `json:"dice"`
	IoU         Number `json:"iou"`
	Precision   Number `json:"precision"`
	Sensitivity Number `json:"sensitivity"`
	Specificity Number `json:"specificity"`
	HD          Number `json:"hd_mm"`
	HD95        Number `json:"hd95_mm"`
	ASSD        Number `json:"assd_mm"` // both directions together
	ASD         Number `json:"asd_mm"`  // from the prediction to the truth
	// SurfaceDice counts surface voxels, NSD the surface's area; both within the label's tolerance.
	SurfaceDice Number `json:"surface_dice"`
	NSD         Number `json:"nsd"`
	ML          Number `json:"ml"`
	TruthML     Number `json:"truth_ml"`
	// VolumeError is predicted minus true volume, as a part of the true one; NaN where the truth is empty.
	VolumeError Number `json:"volume_error"`
	Counts
	Predicted int `json:"n_pred"` // voxels
	Truth     int `json:"n_ref"`  // voxels
}

// Absent reports whether the label is in neither mask, so that there is nothing to score.
func (s Score) Absent() bool { return s.Predicted == 0 && s.Truth == 0 }

// Missed reports whether the label is in exactly one of the masks, so that distances are infinite.
func (s Score) Missed() bool { return (s.Predicted == 0) != (s.Truth == 0) }

// Empty says what an overlap is where the truth has no voxel of a label.
type Empty string

// The rules.
const (
	// EmptyNNUNet is nnU-Net's: 0 where something was predicted, NaN where nothing was.
	EmptyNNUNet Empty = "nnunet"
	// EmptyIgnore is MONAI's default (ignore_empty): NaN whatever was predicted.
	EmptyIgnore Empty = "ignore"
	// EmptyOne is MONAI's ignore_empty=False: 0 where something was predicted, 1 where nothing was.
	EmptyOne Empty = "one"
)

// ParseEmpty returns the rule of a name.
func ParseEmpty(name string) (Empty, error) {
	switch e := Empty(name); e {
	case EmptyNNUNet, EmptyIgnore, EmptyOne:
		return e, nil
	}
	return "", fmt.Errorf("metric: empty truth: want nnunet, ignore or one, got %q", name)
}

func (e Empty) overlap(v float64, c Counts) Number {
	switch {
	case c.Truth() > 0 || e == EmptyNNUNet || e == "":
		return Number(v)
	case e == EmptyIgnore:
		return Number(math.NaN())
	case c.Predicted() == 0:
		return 1
	}
	return 0
}

// Comparison says what is measured of two segmentations. The zero value measures nothing: it has no
// regions.
type Comparison struct {
	Regions  []Region
	Surfaces bool // surface distances and surface Dice, which cost more than the rest
	// Tolerance of surface Dice in mm, for each region; a missing one is 0.
	Tolerance []float64
	Empty     Empty
	Ignore    *int // voxels whose truth has this value do not count
}

// Compare scores each of the labels with the zero rule for empty masks and no tolerance.
func Compare(prediction, truth *imageio.Image, labels []int, surfaces bool) ([]Score, error) {
	return Comparison{Regions: RegionsOf(labels), Surfaces: surfaces}.Scores(prediction, truth)
}

// Scores compares two label images on one grid.
func (c Comparison) Scores(prediction, truth *imageio.Image) ([]Score, error) {
	j, err := joinImages(prediction, truth, c.Ignore)
	if err != nil {
		return nil, err
	}
	scores := make([]Score, len(c.Regions))
	for i, r := range c.Regions {
		scores[i] = c.overlaps(r.Label, j.counts(r), truth.Grid.VoxelVolume()/1000)
		m, ok := masks{}, false
		if c.Surfaces {
			m, ok = j.masks(r)
		}
		if !ok {
			continue
		}
		tolerance := 0.0
		if i < len(c.Tolerance) {
			tolerance = c.Tolerance[i]
		}
		scores[i].surfaces(m, tolerance)
	}
	return scores, nil
}

// Absent returns the score of a label that is in neither of two images of so many voxels.
func (c Comparison) Absent(label, voxels int) Score {
	return c.overlaps(label, Counts{TrueNegative: voxels}, 0)
}

func (c Comparison) overlaps(label int, n Counts, ml float64) Score {
	nan := Number(math.NaN())
	return Score{
		Label: label, Counts: n, Predicted: n.Predicted(), Truth: n.Truth(),
		Dice: c.Empty.overlap(n.Dice(), n), IoU: c.Empty.overlap(n.IoU(), n),
		Precision: Number(n.Precision()), Sensitivity: Number(n.Sensitivity()), Specificity: Number(n.Specificity()),
		HD: nan, HD95: nan, ASSD: nan, ASD: nan, SurfaceDice: nan, NSD: nan,
		ML: Number(float64(n.Predicted()) * ml), TruthML: Number(float64(n.Truth()) * ml),
		VolumeError: Number(ratio(n.Predicted()-n.Truth(), n.Truth())),
	}
}

func (s *Score) surfaces(m masks, tolerance float64) {
	f := m.surface()
	s.HD, s.HD95 = Number(f.Hausdorff()), Number(f.Hausdorff95())
	s.ASSD, s.ASD = Number(f.Average()), Number(f.AverageToTruth())
	s.SurfaceDice = Number(f.Dice(tolerance))
	s.NSD = Number(m.elements().Dice(tolerance))
}
