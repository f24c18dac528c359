package evaluation

import (
	"math"

	"github.com/nitrain/nitrain/imageio/metric"
)

// Means are averages of a segmentation's scores over what exists: values that are NaN or infinite are left
// out.
type Means struct {
	Dice        metric.Number `json:"dice"`
	IoU         metric.Number `json:"iou"`
	Precision   metric.Number `json:"precision"`
	Sensitivity metric.Number `json:"sensitivity"`
	Specificity metric.Number `json:"specificity"`
	HD          metric.Number `json:"hd_mm"`
	HD95        metric.Number `json:"hd95_mm"`
	ASSD        metric.Number `json:"assd_mm"`
	ASD         metric.Number `json:"asd_mm"`
	SurfaceDice metric.Number `json:"surface_dice"`
	NSD         metric.Number `json:"nsd"`
	VolumeError metric.Number `json:"volume_error"` // of the absolute values
}

// measure is one column of a segmentation's tables.
type measure struct {
	Key, Title string
	Surface    bool   // only measured when surfaces are asked for
	MM         bool   // a distance; else a part of 1
	Meaning    string // of one value
	of         func(metric.Score) metric.Number
	in         func(*Means) *metric.Number
}

// measures lists all of them, in the order of tables.
func measures() []measure {
	return []measure{
		{
			Key: "dice", Title: "Dice", Meaning: "2TP / (2TP + FP + FN), of voxels",
			of: func(s metric.Score) metric.Number { return s.Dice }, in: func(m *Means) *metric.Number { return &m.Dice },
		},
		{
			Key: "iou", Title: "IoU", Meaning: "TP / (TP + FP + FN), also called Jaccard index",
			of: func(s metric.Score) metric.Number { return s.IoU }, in: func(m *Means) *metric.Number { return &m.IoU },
		},
		{
			Key: "hd95_mm", Title: "HD95 mm", Surface: true, MM: true,
			Meaning: "the larger of the two directions' 95 % quantiles of the distances between the surfaces, in mm; infinite where a label is in only one of prediction and truth",
			of:      func(s metric.Score) metric.Number { return s.HD95 }, in: func(m *Means) *metric.Number { return &m.HD95 },
		},
		{
			Key: "assd_mm", Title: "ASSD mm", Surface: true, MM: true, Meaning: "mean of both directions' surface distances together, in mm",
			of: func(s metric.Score) metric.Number { return s.ASSD }, in: func(m *Means) *metric.Number { return &m.ASSD },
		},
		{
			Key: "surface_dice", Title: "Surface Dice", Surface: true,
			Meaning: "part of all surface voxels that lie within the tolerance of the other surface",
			of:      func(s metric.Score) metric.Number { return s.SurfaceDice }, in: func(m *Means) *metric.Number { return &m.SurfaceDice },
		},
		{
			Key: "nsd", Title: "NSD", Surface: true,
			Meaning: "part of both surfaces' area that lies within the tolerance of the other surface (marching cubes; length of the contour in a 2-D image)",
			of:      func(s metric.Score) metric.Number { return s.NSD }, in: func(m *Means) *metric.Number { return &m.NSD },
		},
		{
			Key: "precision", Title: "Precision", Meaning: "TP / (TP + FP)",
			of: func(s metric.Score) metric.Number { return s.Precision }, in: func(m *Means) *metric.Number { return &m.Precision },
		},
		{
			Key: "sensitivity", Title: "Sensitivity", Meaning: "TP / (TP + FN)",
			of: func(s metric.Score) metric.Number { return s.Sensitivity }, in: func(m *Means) *metric.Number { return &m.Sensitivity },
		},
		{
			Key: "specificity", Title: "Specificity", Meaning: "TN / (TN + FP)",
			of: func(s metric.Score) metric.Number { return s.Specificity }, in: func(m *Means) *metric.Number { return &m.Specificity },
		},
		{
			Key: "volume_error", Title: "Volume error", Meaning: "predicted less true volume, as a part of the true one; means are over its absolute value",
			of: func(s metric.Score) metric.Number { return metric.Number(math.Abs(float64(s.VolumeError))) },
			in: func(m *Means) *metric.Number { return &m.VolumeError },
		},
		{
			Key: "hd_mm", Title: "HD mm", Surface: true, MM: true, Meaning: "largest distance between the surfaces, in mm",
			of: func(s metric.Score) metric.Number { return s.HD }, in: func(m *Means) *metric.Number { return &m.HD },
		},
		{
			Key: "asd_mm", Title: "ASD mm", Surface: true, MM: true, Meaning: "mean distance from the predicted to the true surface, in mm",
			of: func(s metric.Score) metric.Number { return s.ASD }, in: func(m *Means) *metric.Number { return &m.ASD },
		},
	}
}

// shown are the measures that were taken.
func (o Options) shown() []measure {
	var out []measure
	for _, m := range measures() {
		if o.Surfaces || !m.Surface {
			out = append(out, m)
		}
	}
	return out
}
