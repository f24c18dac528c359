package dataset

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxTable is the largest list that is read; a list of a million cases is smaller.
const maxTable = 256 << 20

// ReadTable reads a CSV or TSV file with a header. Columns: image (or image_1), image_2, ..., label, group,
// id; every other column goes to Extra. Paths are relative to the table. All faults are reported at once,
// with their lines.
func ReadTable(path string) ([]Case, error) {
	raw, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	cases, err := parseTable(raw, separator(path, raw), filepath.Dir(path))
	if err != nil {
		return nil, &ListError{fmt.Errorf("%s: %w", path, err)}
	}
	return cases, nil
}

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxTable+1))
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	if len(raw) > maxTable {
		return nil, &ListError{fmt.Errorf("%s: want a list of at most %d MiB", path, maxTable>>20)}
	}
	return raw, nil
}

// separator: tab in .tsv and wherever the header has tabs, else comma, else semicolon.
func separator(path string, raw []byte) rune {
	header, _, _ := bytes.Cut(raw, []byte("\n"))
	switch {
	case strings.EqualFold(filepath.Ext(path), ".tsv") || bytes.ContainsRune(header, '\t'):
		return '\t'
	case !bytes.ContainsRune(header, ',') && bytes.ContainsRune(header, ';'):
		return ';'
	}
	return ','
}

func parseTable(raw []byte, comma rune, dir string) ([]Case, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\ufeff"))))
	r.Comma, r.FieldsPerRecord, r.TrimLeadingSpace = comma, -1, comma != '\t'
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("empty: want a header with a column image")
	}
	if err != nil {
		return nil, err
	}
	columns, err := readHeader(header)
	if err != nil {
		return nil, err
	}
	var cases []Case
	var faults []error
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			faults = append(faults, err)
			break // the reader does not say where the next record begins
		}
		line, _ := r.FieldPos(0)
		if len(record) == 1 && strings.TrimSpace(record[0]) == "" {
			continue
		}
		c, err := columns.row(record, dir)
		if err != nil {
			faults = append(faults, fmt.Errorf("line %d: %w", line, err))
			continue
		}
		cases = append(cases, c)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if len(cases) == 0 {
		return nil, errors.New("no cases below the header")
	}
	return cases, name(cases)
}

// header says what each column of a table is.
type header struct {
	names               []string
	images              []int // columns of image, image_2, ...
	label, group, ident int   // -1 when absent
}

func readHeader(names []string) (header, error) {
	h := header{label: -1, group: -1, ident: -1}
	at := map[int]int{} // channel number to column
	seen := map[string]bool{}
	var faults []error
	for i, n := range names {
		n = strings.TrimSpace(n)
		key := strings.ToLower(n)
		h.names = append(h.names, n)
		if seen[key] {
			faults = append(faults, fmt.Errorf("header: column %q appears twice", brief(n)))
		}
		seen[key] = true
		switch key {
		case "label":
			h.label = i
		case "group":
			h.group = i
		case "id":
			h.ident = i
		}
		k, ok := channel(key)
		if !ok {
			continue
		}
		if other, twice := at[k]; twice {
			faults = append(faults, fmt.Errorf("header: columns %q and %q both name image %d", h.names[other], n, k))
		}
		at[k] = i
	}
	for k := 1; k <= len(at); k++ {
		i, ok := at[k]
		if !ok {
			faults = append(faults, fmt.Errorf("header: image columns: want image, image_2, ... without a gap, got %d of them without number %d", len(at), k))
			break
		}
		h.images = append(h.images, i)
	}
	if len(at) == 0 {
		faults = append(faults, fmt.Errorf("header: want a column image, got %s", briefly(h.names)))
	}
	return h, errors.Join(faults...)
}

// channel returns the number of an image column: 1 for image and image_1, 2 for image_2, ...
func channel(key string) (int, bool) {
	if key == "image" {
		return 1, true
	}
	digits, ok := strings.CutPrefix(key, "image_")
	k, err := strconv.Atoi(digits)
	return k, ok && err == nil && k >= 1 && k <= 999
}

func (h header) row(record []string, dir string) (Case, error) {
	if len(record) != len(h.names) {
		return Case{}, fmt.Errorf("want %d fields as in the header, got %d", len(h.names), len(record))
	}
	var c Case
	known := map[int]bool{h.label: true, h.group: true, h.ident: true}
	for k, i := range h.images {
		known[i] = true
		if strings.TrimSpace(record[i]) == "" {
			return Case{}, fmt.Errorf("image %d: want a path, got none", k+1)
		}
		c.Images = append(c.Images, resolve(dir, record[i]))
	}
	if h.label >= 0 {
		c.Label, c.Target = resolve(dir, record[h.label]), strings.TrimSpace(record[h.label])
	}
	if h.group >= 0 {
		c.Group = strings.TrimSpace(record[h.group])
	}
	if h.ident >= 0 {
		c.ID = strings.TrimSpace(record[h.ident])
	}
	for i, v := range record {
		if !known[i] && h.names[i] != "" {
			if c.Extra == nil {
				c.Extra = map[string]string{}
			}
			c.Extra[h.names[i]] = strings.TrimSpace(v)
		}
	}
	return c, nil
}

// resolve makes a path of a list relative to the folder of the list; "" stays "".
func resolve(dir, path string) string {
	path = strings.TrimSpace(path)
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, filepath.FromSlash(path))
}

// briefly quotes the names of a header as far as they fit on a line: a file of another kind has long ones.
func briefly(names []string) string {
	const most = 8
	quoted := make([]string, 0, most)
	for _, n := range names[:min(most, len(names))] {
		quoted = append(quoted, fmt.Sprintf("%q", brief(n)))
	}
	if len(names) > most {
		quoted = append(quoted, fmt.Sprintf("and %d more", len(names)-most))
	}
	return strings.Join(quoted, ", ")
}

// brief cuts a name that is too long to be shown.
func brief(name string) string {
	const most = 24
	if runes := []rune(name); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return name
}
