package finetune

import (
	"fmt"
	"slices"

	"github.com/nitrain/nitrain/convert"
)

// trained decides which parameters train: what the import says by default, less what Freeze matches, plus
// what Train matches; Train alone freezes the rest. Running statistics never train. A pattern that matches
// nothing is a fault.
func trained(params []*convert.Param, freeze, train []string) (func(*convert.Param) bool, error) {
	e := &ConfigError{}
	for _, list := range []struct {
		flag     string
		patterns []string
	}{{"freeze", freeze}, {"train", train}} {
		for _, pattern := range list.patterns {
			if !matchesAny(params, pattern) {
				e.add("%s: no parameter matches %q", list.flag, pattern)
			}
		}
	}
	frozen, err := matcher(freeze)
	if err != nil {
		return nil, err
	}
	wanted, err := matcher(train)
	if err != nil {
		return nil, err
	}
	decide := func(p *convert.Param) bool {
		switch {
		case p.State:
			return false
		case wanted(p.Name, p.Alias):
			return true
		case len(train) > 0 && len(freeze) == 0, frozen(p.Name, p.Alias):
			return false
		}
		return p.Trainable
	}
	if slices.ContainsFunc(params, decide) {
		return decide, e.err()
	}
	e.add("no parameter trains")
	return nil, e.err()
}

func matchesAny(params []*convert.Param, pattern string) bool {
	match, err := matcher([]string{pattern})
	if err != nil {
		return true // reported with the Config's faults
	}
	for _, p := range params {
		if match(p.Name, p.Alias) {
			return true
		}
	}
	return false
}

// counts sums up for people what trains.
func counts(params []*convert.Param, train func(*convert.Param) bool) string {
	var on, off, state int
	for _, p := range params {
		switch {
		case p.State:
			state += p.Len()
		case train(p):
			on += p.Len()
		default:
			off += p.Len()
		}
	}
	return fmt.Sprintf("%d numbers train, %d frozen, %d running statistics", on, off, state)
}
