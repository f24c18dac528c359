package evaluation

import (
	"math"

	"github.com/nitrain/nitrain/imageio/metric"
	"github.com/nitrain/nitrain/predict"
)

// Case is how one prediction compares with the truth.
type Case struct {
	ID         string  `json:"id"`
	Group      string  `json:"group,omitempty"`
	Prediction string  `json:"prediction,omitempty"` // file
	Reference  string  `json:"reference,omitempty"`  // file
	Seconds    float64 `json:"seconds"`
	// Labels are a segmentation's, in the order of the report's labels.
	Labels []metric.Score `json:"labels,omitempty"`
	// Class is a classification's.
	Class *Class `json:"class,omitempty"`
	// Numbers are a regression's, in the order of the Spec's labels.
	Numbers []Number `json:"numbers,omitempty"`
	// Image is an image-to-image model's.
	Image  *metric.Similarity `json:"image,omitempty"`
	voxels int
}

// Class is what a classifier says about a case, and what is true.
type Class struct {
	Truth         []string                   `json:"truth"`
	Picked        []string                   `json:"picked"`
	Probabilities []predict.ClassProbability `json:"probabilities"`
	answer        metric.Answer
}

// Right reports whether exactly the true classes were picked.
func (c Class) Right() bool {
	for i, t := range c.answer.Truth {
		if t != c.answer.Picked[i] {
			return false
		}
	}
	return true
}

// Number is a predicted number beside the true one.
type Number struct {
	Name      string  `json:"name"`
	Unit      string  `json:"unit,omitempty"`
	Predicted float64 `json:"predicted"`
	Truth     float64 `json:"truth"`
}

// Dice returns the mean over the labels that are in the prediction or in the truth; NaN where there are none.
func (c Case) Dice() float64 {
	return mean(c.Labels, func(s metric.Score) metric.Number { return s.Dice })
}

// Score is the one number by which cases are ordered, larger is better: the mean Dice of a segmentation,
// the probability of the true class less the largest other one, minus the mean absolute error of a
// regression, the structural similarity of an image (or minus its error, where it is too small for that).
func (c Case) Score() float64 {
	switch {
	case c.Class != nil:
		return c.Class.margin()
	case c.Numbers != nil:
		total := 0.0
		for _, n := range c.Numbers {
			total -= math.Abs(n.Predicted - n.Truth)
		}
		return total / float64(len(c.Numbers))
	case c.Image != nil:
		if s := float64(c.Image.SSIM); s == s {
			return s
		}
		return -float64(c.Image.MAE)
	}
	return c.Dice()
}

// margin is how far the true classes stand above the others.
func (c Class) margin() float64 {
	right, wrong := 1.0, 0.0
	for i, p := range c.answer.Probabilities {
		if c.answer.Truth[i] {
			right = min(right, p)
		} else {
			wrong = max(wrong, p)
		}
	}
	return right - wrong
}

// mean averages what is a finite number; NaN where nothing is.
func mean(scores []metric.Score, of func(metric.Score) metric.Number) float64 {
	values := make([]float64, len(scores))
	for i, s := range scores {
		values[i] = float64(of(s))
	}
	return metric.Mean(values)
}
