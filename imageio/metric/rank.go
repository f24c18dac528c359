package metric

import (
	"cmp"
	"math"
	"slices"
)

// ranked walks through the scores from the largest to the smallest and calls step after each group of
// equal ones, with the positive and negative cases so far. It returns how many there are of each.
func ranked(scores []float64, positive []bool, step func(score float64, positives, negatives int)) (int, int) {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	p, n := 0, 0
	for k, i := range order {
		if positive[i] {
			p++
		} else {
			n++
		}
		if k+1 == len(order) || scores[order[k+1]] != scores[i] {
			step(scores[i], p, n)
		}
	}
	return p, n
}

// AUC returns the area under the receiver operating characteristic: the probability that a positive case
// has a larger score than a negative one, ties counting half. NaN where all cases are alike.
func AUC(scores []float64, positive []bool) float64 {
	area, p, n := 0.0, 0, 0
	all, none := ranked(scores, positive, func(_ float64, positives, negatives int) {
		area += float64(negatives-n) * float64(positives+p) / 2
		p, n = positives, negatives
	})
	if all == 0 || none == 0 {
		return math.NaN()
	}
	return area / (float64(all) * float64(none))
}

// AveragePrecision returns the mean of the precision over the positive cases, from the largest score down,
// as scikit-learn and MONAI do. NaN where all cases are alike.
func AveragePrecision(scores []float64, positive []bool) float64 {
	total, p := 0.0, 0
	all, none := ranked(scores, positive, func(_ float64, positives, negatives int) {
		total += float64(positives-p) * float64(positives) / float64(positives+negatives)
		p = positives
	})
	if all == 0 || none == 0 {
		return math.NaN()
	}
	return total / float64(all)
}

// ROC returns the points of the receiver operating characteristic, from (0, 0) to (1, 1): the parts of the
// negative and of the positive cases with at least each score. nil where all cases are alike.
func ROC(scores []float64, positive []bool) (falsePositive, truePositive []float64) {
	falsePositive, truePositive = []float64{0}, []float64{0}
	all, none := ranked(scores, positive, func(_ float64, positives, negatives int) {
		falsePositive, truePositive = append(falsePositive, float64(negatives)), append(truePositive, float64(positives))
	})
	if all == 0 || none == 0 {
		return nil, nil
	}
	for i := range falsePositive {
		falsePositive[i] /= float64(none)
		truePositive[i] /= float64(all)
	}
	return falsePositive, truePositive
}
