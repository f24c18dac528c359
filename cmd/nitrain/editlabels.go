package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/predict"
)

// readLabels reads names of classes: a JSON list of strings, or one a line.
func readLabels(path string) ([]string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var names []string
	if text := strings.TrimSpace(string(raw)); strings.HasPrefix(text, "[") {
		if err := json.Unmarshal([]byte(text), &names); err != nil {
			return nil, badDataError{fmt.Errorf("%s: want a JSON list of names: %w", path, err)}
		}
		return names, nil
	}
	for line := range strings.Lines(string(raw)) {
		if line = strings.TrimSpace(line); line != "" {
			names = append(names, line)
		}
	}
	return names, nil
}

// newLabels returns the labels of a Spec for a new number of classes: those that go on keep name, colour and
// code, names come from the list if there is one. Values count from 0, or from 1 where the channels are
// those of the labels other than background.
func newLabels(s predict.Spec, classes int, from map[int]int, names []string) []predict.Label {
	var channels, out []predict.Label
	first := 0
	for _, l := range s.Labels {
		switch {
		case s.Decode.Pick == predict.Argmax || l.Value != 0:
			channels = append(channels, l)
		default:
			first = 1
			out = append(out, l)
		}
	}
	if s.Decode.Pick != predict.Argmax {
		first = 1
	}
	for c := range classes {
		l := predict.Label{Name: fmt.Sprintf("class %d", c+first)}
		if old, ok := from[c]; ok && old < len(channels) {
			l = channels[old]
		} else if c+first == 0 {
			l.Name = "background"
		}
		if names != nil {
			if l.Name != names[c] {
				l = predict.Label{}
			}
			l.Name = names[c]
		}
		l.Value = c + first
		out = append(out, l)
	}
	return out
}

// newKeep returns the rules that keep components, for the labels that go on; those of other labels go.
func newKeep(s predict.Spec, labels []predict.Label, from map[int]int) []transform.Keep {
	now := map[int]int{} // value by old value
	old, fresh := channelValues(s.Decode.Pick, s.Labels), channelValues(s.Decode.Pick, labels)
	for to, was := range from {
		if was < len(old) && to < len(fresh) && fresh[to] != 0 {
			now[old[was]] = fresh[to]
		}
	}
	var out []transform.Keep
	for _, rule := range s.Decode.Keep {
		var values []int
		for _, v := range rule.Labels {
			if to, ok := now[v]; ok {
				values = append(values, to)
			}
		}
		if len(rule.Labels) == 0 || len(values) > 0 {
			rule.Labels = values
			out = append(out, rule)
		}
	}
	return out
}

// channelValues returns the label value of each channel.
func channelValues(pick predict.Pick, labels []predict.Label) []int {
	var out []int
	for _, l := range labels {
		if pick == predict.Argmax || l.Value != 0 {
			out = append(out, l.Value)
		}
	}
	return out
}
