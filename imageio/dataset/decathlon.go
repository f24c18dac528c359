package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
)

// ReadDecathlon reads a dataset.json of the Medical Segmentation Decathlon, also in MONAI's datalist form:
// lists "training", "validation" and "test" of {"image": path or list of paths, "label": path} or bare paths,
// relative to the file. A case's list becomes Extra["split"]: train, valid or test.
func ReadDecathlon(path string) ([]Case, error) {
	raw, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	cases, err := parseDecathlon(raw, filepath.Dir(path))
	if err != nil {
		return nil, &ListError{fmt.Errorf("%s: %w", path, err)}
	}
	return cases, nil
}

func parseDecathlon(raw []byte, dir string) ([]Case, error) {
	var lists struct {
		Training, Validation, Test []json.RawMessage
	}
	if err := json.Unmarshal(raw, &lists); err != nil {
		return nil, fmt.Errorf("not a dataset.json: %w", err)
	}
	var cases []Case
	var faults []error
	for _, part := range []struct {
		name, split string
		items       []json.RawMessage
	}{{"training", "train", lists.Training}, {"validation", "valid", lists.Validation}, {"test", "test", lists.Test}} {
		for i, item := range part.items {
			c, err := decathlonCase(item, dir)
			if err != nil {
				faults = append(faults, fmt.Errorf("%s[%d]: %w", part.name, i, err))
				continue
			}
			c.Extra = map[string]string{"split": part.split}
			cases = append(cases, c)
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if len(cases) == 0 {
		return nil, errors.New(`want a list "training", "validation" or "test" with cases, got none`)
	}
	return cases, name(cases)
}

func decathlonCase(item json.RawMessage, dir string) (Case, error) {
	var entry struct{ Image, Label json.RawMessage }
	if len(item) > 0 && item[0] == '{' {
		if err := json.Unmarshal(item, &entry); err != nil {
			return Case{}, err
		}
	} else {
		entry.Image = item
	}
	images, err := paths(entry.Image)
	if err != nil || len(images) == 0 {
		return Case{}, errors.New(`"image": want a path or a list of paths`)
	}
	var c Case
	for _, p := range images {
		if p == "" {
			return Case{}, errors.New(`"image": want a path, got ""`)
		}
		c.Images = append(c.Images, resolve(dir, p))
	}
	if len(entry.Label) > 0 && string(entry.Label) != "null" {
		labels, err := paths(entry.Label)
		if err != nil || len(labels) != 1 {
			return Case{}, errors.New(`"label": want one path`)
		}
		c.Label = resolve(dir, labels[0])
	}
	return c, nil
}

// paths reads a string or a list of strings.
func paths(raw json.RawMessage) ([]string, error) {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, nil
	}
	var many []string
	if err := json.Unmarshal(raw, &many); err != nil {
		return nil, err
	}
	return many, nil
}
