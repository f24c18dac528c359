package metric

import (
	"math"
	"slices"

	"github.com/nitrain/nitrain/imageio"
)

// Surface holds the distances in mm from each surface voxel of one mask to the nearest surface voxel of
// the other, both ways, sorted. A surface voxel is one with a neighbour across a face outside the mask or
// outside the image; an axis of one voxel has no faces.
type Surface struct {
	ToTruth      []float64 // from the prediction's surface
	ToPrediction []float64 // from the truth's surface
}

// NewSurface measures one label. Distances are exact.
func NewSurface(prediction, truth *imageio.Image, label int) (Surface, error) {
	j, err := joinImages(prediction, truth, nil)
	if err != nil {
		return Surface{}, err
	}
	m, ok := j.masks(Region{Label: label})
	if !ok {
		return Surface{}, nil
	}
	return m.surface(), nil
}

// masks are a region in both images.
type masks struct {
	prediction, truth *mask
	spacing           [3]float64
}

func (j *joint) masks(r Region) (masks, bool) {
	b, ok := j.box(r)
	if !ok {
		return masks{}, false
	}
	return masks{j.mask(j.prediction, r, b), j.mask(j.truth, r, b), j.truth.Grid.Spacing()}, true
}

func (m masks) surface() Surface {
	p, t := m.prediction.edges(), m.truth.edges()
	s := Surface{ToTruth: nearest(p, t, m.spacing), ToPrediction: nearest(t, p, m.spacing)}
	slices.Sort(s.ToTruth)
	slices.Sort(s.ToPrediction)
	return s
}

// either returns what a distance is where one or both of the surfaces are missing.
func (s Surface) either() (float64, bool) {
	switch a, b := len(s.ToTruth), len(s.ToPrediction); {
	case a == 0 && b == 0:
		return math.NaN(), true
	case a == 0 || b == 0:
		return math.Inf(1), true
	}
	return 0, false
}

// Hausdorff returns the larger of the two directions' largest distances, as MONAI's
// compute_hausdorff_distance does. NaN when both masks are empty, +Inf when one is.
func (s Surface) Hausdorff() float64 { return s.Percentile(100) }

// Hausdorff95 returns the larger of the two directions' 95 % quantiles, linear between order statistics,
// as MONAI's compute_hausdorff_distance(percentile=95) does. NaN when both masks are empty, +Inf when one is.
func (s Surface) Hausdorff95() float64 { return s.Percentile(95) }

// Percentile is [Surface.Hausdorff95] for any percentage.
func (s Surface) Percentile(q float64) float64 {
	if d, missing := s.either(); missing {
		return d
	}
	return max(Quantile(s.ToTruth, q/100), Quantile(s.ToPrediction, q/100))
}

// Directed returns the quantile of one direction, from the prediction to the truth, as MONAI's
// directed=True does.
func (s Surface) Directed(q float64) float64 {
	if d, missing := s.either(); missing {
		return d
	}
	return Quantile(s.ToTruth, q/100)
}

// Average returns the mean of both directions' distances together, the average symmetric surface distance
// of MONAI's compute_average_surface_distance(symmetric=True). NaN when both masks are empty, +Inf when one is.
func (s Surface) Average() float64 {
	if d, missing := s.either(); missing {
		return d
	}
	return (sum(s.ToTruth) + sum(s.ToPrediction)) / float64(len(s.ToTruth)+len(s.ToPrediction))
}

// AverageToTruth returns the mean distance from the prediction to the truth, the average surface distance
// of MONAI's default (symmetric=False).
func (s Surface) AverageToTruth() float64 {
	if d, missing := s.either(); missing {
		return d
	}
	return sum(s.ToTruth) / float64(len(s.ToTruth))
}

// Dice returns the part of all surface voxels that lie at most that many mm from the other surface, as
// MONAI's compute_surface_dice does. NaN when both masks are empty, 0 when one is. Distances are compared
// in single precision, as there, so that a tolerance of a whole number of voxels means what it says.
func (s Surface) Dice(tolerance float64) float64 {
	within := func(sorted []float64) int {
		n, _ := slices.BinarySearchFunc(sorted, float32(tolerance), func(d float64, limit float32) int {
			if float32(d) <= limit {
				return -1
			}
			return 1
		})
		return n
	}
	return ratio(within(s.ToTruth)+within(s.ToPrediction), len(s.ToTruth)+len(s.ToPrediction))
}

// Elements are the pieces of two masks' surfaces, in mm from the nearest piece of the other and in area.
type Elements struct {
	ToTruth      []Element // of the prediction's surface
	ToPrediction []Element // of the truth's surface
}

// Element is a piece of a surface: of marching cubes' in a volume, with its area in mm²; of the contour in
// a 2-D image, with its length in mm.
type Element struct{ Distance, Area float64 }

// NewElements measures one label.
func NewElements(prediction, truth *imageio.Image, label int) (Elements, error) {
	j, err := joinImages(prediction, truth, nil)
	if err != nil {
		return Elements{}, err
	}
	m, ok := j.masks(Region{Label: label})
	if !ok {
		return Elements{}, nil
	}
	return m.elements(), nil
}

func (m masks) elements() Elements {
	p, t := m.prediction.elements(m.spacing), m.truth.elements(m.spacing)
	return Elements{ToTruth: weigh(p, nearest(p, t, m.spacing)), ToPrediction: weigh(t, nearest(t, p, m.spacing))}
}

func weigh(s *shell, distances []float64) []Element {
	out := make([]Element, len(distances))
	for i, d := range distances {
		out[i] = Element{d, s.area[i]}
	}
	return out
}

// Dice returns the part of both surfaces' area that lies at most that many mm from the other: the
// normalised surface distance of Nikolov et al., as DeepMind's surface-distance and MONAI's
// compute_surface_dice(use_subvoxels=True) have it. NaN when both masks are empty, 0 when one is.
func (e Elements) Dice(tolerance float64) float64 {
	var within, all float64
	for _, side := range [][]Element{e.ToTruth, e.ToPrediction} {
		for _, p := range side {
			all += p.Area
			if float32(p.Distance) <= float32(tolerance) {
				within += p.Area
			}
		}
	}
	if all == 0 {
		return math.NaN()
	}
	return within / all
}

func sum(values []float64) float64 {
	total := 0.0
	for _, v := range values {
		total += v
	}
	return total
}

// Quantile returns the linear quantile of sorted values, NaN of none.
func Quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) || math.IsInf(sorted[i], 1) {
		return sorted[min(i, len(sorted)-1)]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
