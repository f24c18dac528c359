package metric

import (
	"errors"
	"math"
)

// Regression is how predicted numbers compare with the true ones.
type Regression struct {
	Cases   int    `json:"cases"`
	MAE     Number `json:"mae"`
	RMSE    Number `json:"rmse"`
	R2      Number `json:"r2"`      // 1 - squared errors / squared deviations of the truth from its mean; NaN where all true numbers are equal
	Pearson Number `json:"pearson"` // NaN where either side's numbers are all equal
	Bias    Number `json:"bias"`    // mean of predicted minus true
	// Low and High are the limits of agreement of Bland and Altman: bias -/+ 1.96 standard deviations of the
	// differences; NaN for fewer than two cases.
	Low  Number `json:"limits_low"`
	High Number `json:"limits_high"`
}

// Regress compares numbers case by case.
func Regress(predicted, truth []float64) (Regression, error) {
	if len(predicted) != len(truth) || len(truth) == 0 {
		return Regression{}, errors.New("metric: regression: want as many predicted as true numbers, at least one")
	}
	n := float64(len(truth))
	var bias, mae, mse, mp, mt float64
	for i, t := range truth {
		d := predicted[i] - t
		bias, mae, mse = bias+d/n, mae+math.Abs(d)/n, mse+d*d/n
		mp, mt = mp+predicted[i]/n, mt+t/n
	}
	var spp, stt, spt, sdd float64
	for i, t := range truth {
		p := predicted[i] - mp
		q := t - mt
		d := predicted[i] - t - bias
		spp, stt, spt, sdd = spp+p*p, stt+q*q, spt+p*q, sdd+d*d
	}
	r := Regression{Cases: len(truth), MAE: Number(mae), RMSE: Number(math.Sqrt(mse)), Bias: Number(bias)}
	r.R2, r.Pearson = Number(1-n*mse/stt), Number(spt/math.Sqrt(spp*stt))
	if stt == 0 {
		r.R2 = Number(math.NaN())
	}
	half := 1.96 * math.Sqrt(sdd/(n-1))
	r.Low, r.High = Number(bias-half), Number(bias+half)
	return r, nil
}

// Regression returns the intervals of the numbers of [Regress] by their names in JSON.
func (b Bootstrap) Regression(predicted, truth []float64) map[string]Interval {
	names := []string{"mae", "rmse", "r2", "pearson", "bias", "limits_low", "limits_high"}
	found := b.Intervals(len(truth), len(names), func(cases []int, out []float64) {
		p, t := make([]float64, len(cases)), make([]float64, len(cases))
		for i, k := range cases {
			p[i], t[i] = predicted[k], truth[k]
		}
		r, err := Regress(p, t)
		if err != nil {
			return
		}
		copy(out, []float64{float64(r.MAE), float64(r.RMSE), float64(r.R2), float64(r.Pearson), float64(r.Bias), float64(r.Low), float64(r.High)})
	})
	return named(names, found)
}
