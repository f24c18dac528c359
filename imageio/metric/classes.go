package metric

import (
	"fmt"
	"math"
	"slices"
)

// Answer is what a classifier says about one case, class by class, and what is true.
type Answer struct {
	Truth         []bool
	Picked        []bool
	Probabilities []float64
}

// ClassScore is how well one class is told from the others.
type ClassScore struct {
	AUC         Number `json:"auc"`
	AP          Number `json:"average_precision"`
	Sensitivity Number `json:"sensitivity"` // at the pick
	Specificity Number `json:"specificity"` // at the pick
	Precision   Number `json:"precision"`   // at the pick
	F1          Number `json:"f1"`          // at the pick
	ECE         Number `json:"ece"`         // expected calibration error, 20 bins
	Brier       Number `json:"brier"`
	Counts
}

// ClassSummary is how well a classifier does. Means over classes leave out what does not exist.
type ClassSummary struct {
	Accuracy         Number `json:"accuracy"`          // cases whose picks are all right
	BalancedAccuracy Number `json:"balanced_accuracy"` // mean sensitivity over the classes; of one class: with its specificity
	AUC              Number `json:"auc"`               // mean over the classes
	MicroAUC         Number `json:"auc_micro"`         // of all classes' scores together
	AP               Number `json:"average_precision"` // mean over the classes
	F1               Number `json:"f1"`                // mean over the classes
	ECE              Number `json:"ece"`               // of the largest probability; of one class: of its probability
	Brier            Number `json:"brier"`             // summed over the classes
}

// ScoreClasses compares answers with the truth. All answers must have the same number of classes.
func ScoreClasses(answers []Answer) (ClassSummary, []ClassScore, error) {
	if len(answers) == 0 {
		return ClassSummary{}, nil, nil
	}
	classes := len(answers[0].Truth)
	for i, a := range answers {
		if len(a.Truth) != classes || len(a.Picked) != classes || len(a.Probabilities) != classes {
			return ClassSummary{}, nil, fmt.Errorf("metric: answer %d: want %d classes, got %d, %d and %d", i, classes, len(a.Truth), len(a.Picked), len(a.Probabilities))
		}
	}
	scores := make([]ClassScore, classes)
	for c := range scores {
		scores[c] = scoreClass(answers, c)
	}
	return summarizeClasses(answers, scores), scores, nil
}

func scoreClass(answers []Answer, c int) ClassScore {
	p, t := column(answers, c)
	var n Counts
	for _, a := range answers {
		switch {
		case a.Truth[c] && a.Picked[c]:
			n.TruePositive++
		case a.Truth[c]:
			n.FalseNegative++
		case a.Picked[c]:
			n.FalsePositive++
		default:
			n.TrueNegative++
		}
	}
	return ClassScore{
		AUC: Number(AUC(p, t)), AP: Number(AveragePrecision(p, t)),
		Sensitivity: Number(n.Sensitivity()), Specificity: Number(n.Specificity()), Precision: Number(n.Precision()), F1: Number(n.Dice()),
		ECE: Number(CalibrationError(p, t)), Brier: Number(Brier(p, t)), Counts: n,
	}
}

// column returns the probabilities and the truth of one class.
func column(answers []Answer, c int) ([]float64, []bool) {
	p, t := make([]float64, len(answers)), make([]bool, len(answers))
	for i, a := range answers {
		p[i], t[i] = a.Probabilities[c], a.Truth[c]
	}
	return p, t
}

func summarizeClasses(answers []Answer, scores []ClassScore) ClassSummary {
	var s ClassSummary
	var flat, top []float64
	var truths, hits []bool
	right := 0
	for _, a := range answers {
		flat, truths = append(flat, a.Probabilities...), append(truths, a.Truth...)
		if slices.Equal(a.Truth, a.Picked) {
			right++
		}
		best := 0
		for c, p := range a.Probabilities {
			if p > a.Probabilities[best] {
				best = c
			}
		}
		top, hits = append(top, a.Probabilities[best]), append(hits, a.Truth[best])
	}
	mean := func(of func(ClassScore) Number) Number {
		var values []float64
		for _, c := range scores {
			values = append(values, float64(of(c)))
		}
		return Number(Mean(values))
	}
	s.Accuracy = Number(ratio(right, len(answers)))
	s.AUC, s.MicroAUC = mean(func(c ClassScore) Number { return c.AUC }), Number(AUC(flat, truths))
	s.AP, s.F1 = mean(func(c ClassScore) Number { return c.AP }), mean(func(c ClassScore) Number { return c.F1 })
	s.BalancedAccuracy = mean(func(c ClassScore) Number { return c.Sensitivity })
	if len(scores) == 1 {
		s.BalancedAccuracy = (scores[0].Sensitivity + scores[0].Specificity) / 2
	}
	s.ECE = Number(CalibrationError(top, hits))
	for _, c := range scores {
		s.Brier += c.Brier
	}
	return s
}

// Confusion counts cases by true class (rows) and picked class (columns). Answers that do not have exactly
// one of each are an error.
func Confusion(answers []Answer) ([][]int, error) {
	if len(answers) == 0 {
		return nil, nil
	}
	table := make([][]int, len(answers[0].Truth))
	for i := range table {
		table[i] = make([]int, len(table))
	}
	one := func(of []bool) int {
		at := slices.Index(of, true)
		if at < 0 || slices.Contains(of[at+1:], true) {
			return -1
		}
		return at
	}
	for i, a := range answers {
		t, p := one(a.Truth), one(a.Picked)
		if t < 0 || p < 0 || t >= len(table) || p >= len(table) {
			return nil, fmt.Errorf("metric: answer %d: want one class, true and picked", i)
		}
		table[t][p]++
	}
	return table, nil
}

// values lists the summary's numbers in the order of the JSON form.
func (s ClassSummary) values() []float64 {
	return []float64{
		float64(s.Accuracy), float64(s.BalancedAccuracy), float64(s.AUC), float64(s.MicroAUC), float64(s.AP), float64(s.F1), float64(s.ECE), float64(s.Brier),
	}
}

// Classes returns the intervals of the summary's numbers by their names in JSON.
func (b Bootstrap) Classes(answers []Answer) map[string]Interval {
	names := []string{"accuracy", "balanced_accuracy", "auc", "auc_micro", "average_precision", "f1", "ece", "brier"}
	found := b.Intervals(len(answers), len(names), func(cases []int, out []float64) {
		drawn := make([]Answer, len(cases))
		for i, k := range cases {
			drawn[i] = answers[k]
		}
		s, _, err := ScoreClasses(drawn)
		if err != nil {
			for i := range out {
				out[i] = math.NaN()
			}
			return
		}
		copy(out, s.values())
	})
	return named(names, found)
}

func named(names []string, found []Interval) map[string]Interval {
	out := map[string]Interval{}
	for i, n := range names {
		out[n] = found[i]
	}
	return out
}
