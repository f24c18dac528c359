// Package dataset describes collections of scans once, so that training, evaluation and prediction read
// the same lists: tables, pairs of globs, Decathlon's dataset.json, folders.
//
// A dataset is a slice of [Case]: selecting and sorting are slice code. Nothing here reads a voxel but
// [Check], which reports what is wrong with all cases at once.
package dataset

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Case is one subject's visit: the files of its channels and, where it is known, the truth.
type Case struct {
	// ID names the case in tables and messages; unique within a dataset.
	ID string `json:"id"`
	// Images has one file per input of the model, in order; at least one.
	Images []string `json:"images"`
	// Label is the file of the reference segmentation, "" when there is none.
	Label string `json:"label,omitempty"`
	// Target is the table's label as it is written there, for tasks whose truth is a class or a number.
	Target string `json:"-"`
	// Group ties cases together that must stay on one side of a split, for example a subject; "" is none.
	Group string `json:"group,omitempty"`
	// Extra holds every other column of the table. "split" (train, valid or test) is understood by [Assigned].
	Extra map[string]string `json:"extra,omitempty"`
}

// Named returns the case that a user means by name: its ID, or the base name of its first image with or
// without the extension. An unknown or ambiguous name is an error.
func Named(cases []Case, name string) (int, error) {
	found := -1
	for i, c := range cases {
		base := filepath.Base(first(c))
		if c.ID != name && base != name && stem(base) != name && first(c) != name {
			continue
		}
		if found >= 0 {
			return 0, fmt.Errorf("dataset: case %q is ambiguous: %s and %s", name, cases[found].ID, c.ID)
		}
		found = i
	}
	if found < 0 {
		return 0, fmt.Errorf("dataset: case %q: not in the list of %d", name, len(cases))
	}
	return found, nil
}

func first(c Case) string {
	if len(c.Images) == 0 {
		return ""
	}
	return c.Images[0]
}

// stem is a base name without its extension, where ".nii.gz" counts as one.
func stem(base string) string {
	lower := strings.ToLower(base)
	if cut, ok := strings.CutSuffix(lower, ".gz"); ok {
		base = base[:len(cut)]
	}
	if ext := filepath.Ext(base); ext != "" && ext != base {
		base = base[:len(base)-len(ext)]
	}
	return base
}

// name gives IDs to the cases that have none: the stem of the first image, with as many parent folders in
// front as it takes to tell all apart. Equal IDs that remain are an error.
func name(cases []Case) error {
	for depth := 1; ; depth++ {
		seen := map[string]int{}
		longer := false
		ids := make([]string, len(cases))
		for i, c := range cases {
			if ids[i] = c.ID; ids[i] == "" {
				ids[i] = tail(first(c), depth)
			}
			if j, twice := seen[ids[i]]; twice {
				if c.ID != "" && cases[j].ID != "" {
					return fmt.Errorf("case id %q appears twice", c.ID)
				}
				longer = true
			}
			seen[ids[i]] = i
		}
		if !longer {
			for i := range cases {
				cases[i].ID = ids[i]
			}
			return nil
		}
		if depth > 16 {
			for i := range cases {
				if j := seen[ids[i]]; j != i {
					return fmt.Errorf("image %s is in the list twice: give the cases an id column", first(cases[i]))
				}
			}
		}
	}
}

// tail joins the last n elements of a path, without the extension.
func tail(path string, n int) string {
	parts := strings.Split(filepath.ToSlash(path), "/")
	parts[len(parts)-1] = stem(parts[len(parts)-1])
	return strings.Join(parts[max(0, len(parts)-n):], "/")
}
