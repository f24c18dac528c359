package dataset

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
)

// Split shuffles the cases by seed and puts a fraction of them in train, the rest in valid; both keep the
// order of the list. Cases of one Group stay together. Both sides get at least one case (or group) when
// there are two or more and the fraction is below 1. Equal arguments give equal splits on every machine.
func Split(cases []Case, fraction float64, seed uint64) (train, valid []Case, err error) {
	if !(fraction > 0 && fraction <= 1) {
		return nil, nil, fmt.Errorf("dataset: split: want a fraction above 0 and at most 1, got %g", fraction)
	}
	var groups [][]int
	at := map[string]int{}
	for i, c := range cases {
		if g, ok := at[c.Group]; ok && c.Group != "" {
			groups[g] = append(groups[g], i)
			continue
		}
		at[c.Group] = len(groups)
		groups = append(groups, []int{i})
	}
	rng := rand.New(rand.NewPCG(seed, 0x73706c6974)) // "split"
	rng.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
	want := int(math.Round(fraction * float64(len(cases))))
	inTrain := make([]bool, len(cases))
	n := 0
	for g, members := range groups {
		last := g == len(groups)-1 && g > 0 && fraction < 1 // leave one group to validate on
		if n > 0 && n+len(members) > want || last {
			continue
		}
		for _, i := range members {
			inTrain[i] = true
		}
		n += len(members)
	}
	for i, c := range cases {
		if inTrain[i] {
			train = append(train, c)
		} else {
			valid = append(valid, c)
		}
	}
	return train, valid, nil
}

// Parts are the cases of a dataset by what its list says they are for.
type Parts struct{ Train, Valid, Test, Rest []Case }

// Assigned sorts cases by their "split" column: train (also training), valid (validation, val) or test
// (testing). Cases without one are in Rest. Any other value is an error.
func Assigned(cases []Case) (Parts, error) {
	var p Parts
	for _, c := range cases {
		switch s := strings.ToLower(c.Extra["split"]); s {
		case "train", "training":
			p.Train = append(p.Train, c)
		case "valid", "validation", "val":
			p.Valid = append(p.Valid, c)
		case "test", "testing":
			p.Test = append(p.Test, c)
		case "":
			p.Rest = append(p.Rest, c)
		default:
			return Parts{}, fmt.Errorf("dataset: case %s: split: want train, valid or test, got %q", c.ID, s)
		}
	}
	return p, nil
}
