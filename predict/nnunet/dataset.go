package nnunet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// dataset is what dataset.json says.
type dataset struct {
	channels []string // by their number
	labels   []label  // in the order of the file, which is that of the network's channels for regions
	order    []int    // regions_class_order
	ending   string   // of the files: .nii.gz
	reader   string   // overwrite_image_reader_writer
}

// label is a name with one value, or with several: a region.
type label struct {
	name   string
	values []int
	list   bool // written as a list
}

func parseDataset(raw []byte) (dataset, error) {
	var d dataset
	bad := func(key string, err error) (dataset, error) { return dataset{}, &FormatError{"dataset.json", key, err} }
	var file struct {
		Channels    map[string]string `json:"channel_names"`
		OldChannels map[string]string `json:"modality"`
		Labels      json.RawMessage   `json:"labels"`
		Order       []int             `json:"regions_class_order"`
		Ending      string            `json:"file_ending"`
		Reader      string            `json:"overwrite_image_reader_writer"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return bad("", err)
	}
	names := file.Channels
	if names == nil {
		names = file.OldChannels
	}
	d.order, d.ending, d.reader = file.Order, file.Ending, file.Reader
	for i := range len(names) {
		name, ok := names[strconv.Itoa(i)]
		if !ok {
			return bad("channel_names", fmt.Errorf("want the keys 0 to %d, %d is missing", len(names)-1, i))
		}
		if name == "" {
			name = "channel " + strconv.Itoa(i)
		}
		d.channels = append(d.channels, name)
	}
	if len(d.channels) == 0 {
		return bad("channel_names", errors.New("want at least one channel"))
	}
	var err error
	if d.labels, err = parseLabels(file.Labels); err != nil {
		return bad("labels", err)
	}
	return d, nil
}

// parseLabels keeps the order of the file.
func parseLabels(raw []byte) ([]label, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("want an object of names and values")
	}
	var all []label
	seen := map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := key.(string)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		l, err := parseLabel(name, value)
		if err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, fmt.Errorf("%q stands twice", name)
		}
		seen[name] = true
		all = append(all, l)
	}
	return all, nil
}

// maxValue is the largest value of a label image.
const maxValue = 1<<16 - 1

func parseLabel(name string, raw []byte) (label, error) {
	l := label{name: name}
	var one int
	switch {
	case json.Unmarshal(raw, &l.values) == nil && len(l.values) > 0:
		l.list = true
	case json.Unmarshal(raw, &one) == nil && string(raw) != "null":
		l.values = []int{one}
	default:
		return l, fmt.Errorf("%q: want a whole number or a list of them", name)
	}
	for _, v := range l.values {
		if v < 0 || v > maxValue {
			return l, fmt.Errorf("%q: want values of 0 to %d, got %d", name, maxValue, v)
		}
	}
	return l, nil
}
