package finetune

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"os"
	"slices"
	"strconv"
)

// ReadOrder reads the order of cases from a TSV or CSV file with a header: a column file, case, id or image
// names the case of a sample, and a column step, where there is one, sorts the rows. Several rows of one
// step are the samples of its batch.
func ReadOrder(path string) ([]string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("finetune: order: %w", err)
	}
	names, err := parseOrder(raw)
	if err != nil {
		return nil, fmt.Errorf("finetune: order: %s: %w", path, err)
	}
	return names, nil
}

func parseOrder(raw []byte) ([]string, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\ufeff"))))
	if header, _, _ := bytes.Cut(raw, []byte("\n")); !bytes.ContainsRune(header, ',') {
		r.Comma = '\t'
	}
	rows, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) < 2 {
		return nil, fmt.Errorf("want a header and a row for each sample, got %d lines", len(rows))
	}
	name, step := -1, -1
	for i, h := range rows[0] {
		switch h {
		case "file", "case", "id", "image":
			if name >= 0 {
				return nil, fmt.Errorf("header: want one of file, case, id and image, got %q", rows[0])
			}
			name = i
		case "step":
			step = i
		}
	}
	if name < 0 {
		return nil, fmt.Errorf("header: want a column file, case, id or image, got %q", rows[0])
	}
	type row struct {
		step int
		name string
	}
	list := make([]row, 0, len(rows)-1)
	for i, fields := range rows[1:] {
		n := i
		if step >= 0 {
			if n, err = strconv.Atoi(fields[step]); err != nil {
				return nil, fmt.Errorf("line %d: step: want a whole number, got %q", i+2, fields[step])
			}
		}
		list = append(list, row{n, fields[name]})
	}
	slices.SortStableFunc(list, func(a, b row) int { return cmp.Compare(a.step, b.step) })
	names := make([]string, len(list))
	for i, l := range list {
		names[i] = l.name
	}
	return names, nil
}

// caseOf returns the case of a sample, counted over the whole run: from the given order, or from a
// permutation that the seed and the number of the epoch fix.
func (p *plan) caseOf(sample int) int {
	if p.order != nil {
		return p.order[sample%len(p.order)]
	}
	epoch, at := sample/p.cases, sample%p.cases
	return stream(p.Seed, forOrder, uint64(epoch)).Perm(p.cases)[at]
}
