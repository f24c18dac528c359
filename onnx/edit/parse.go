package edit

import (
	"fmt"
	"strconv"
	"strings"
)

// ParseFrom reads which old classes go on: keep lists classes that keep their number ("0,1"), maps are pairs
// of an old and a new one ("2=1").
func ParseFrom(keep string, maps []string) (map[int]int, error) {
	from := map[int]int{}
	add := func(was, now string) error {
		w, errWas := strconv.Atoi(strings.TrimSpace(was))
		n, errNow := strconv.Atoi(strings.TrimSpace(now))
		if errWas != nil || errNow != nil || w < 0 || n < 0 {
			return fmt.Errorf("edit: classes to keep: want numbers from 0, got %q", strings.Trim(was+"="+now, "="))
		}
		if old, taken := from[n]; taken && old != w {
			return fmt.Errorf("edit: classes to keep: class %d cannot continue both %d and %d", n, old, w)
		}
		from[n] = w
		return nil
	}
	if keep != "" {
		for c := range strings.SplitSeq(keep, ",") {
			if err := add(c, c); err != nil {
				return nil, err
			}
		}
	}
	for _, pair := range maps {
		was, now, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("edit: map: want OLD=NEW, got %q", pair)
		}
		if err := add(was, now); err != nil {
			return nil, err
		}
	}
	return from, nil
}

// ParseInit reads how new weights and biases start: kaiming or zero for both, or one for each ("kaiming,zero").
func ParseInit(text string) (weights, biases Init, err error) {
	first, second, pair := strings.Cut(text, ",")
	if !pair {
		second = first
	}
	if weights, err = parseInit(first); err == nil {
		biases, err = parseInit(second)
	}
	return weights, biases, err
}

func parseInit(text string) (Init, error) {
	switch text {
	case "", "kaiming":
		return Kaiming, nil
	case "zero":
		return Zero, nil
	}
	return Kaiming, fmt.Errorf("edit: init: want kaiming, zero, or one for weights and one for biases (kaiming,zero), got %q", text)
}
