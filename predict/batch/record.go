package batch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/nitrain/nitrain/internal/atomicfile"
	"github.com/nitrain/nitrain/internal/digest"
)

// RecordName is the usual name of the file in a folder of results that says how each was made: a JSON object a line, the
// latest of an ID counts.
const RecordName = "predict.jsonl"

// maxRecord is the largest record that is read: of a million scans with a hundred labels it is smaller.
const maxRecord = 4 << 30

// entry is a line of the record.
type entry struct {
	ID      string   `json:"id"`
	Images  []source `json:"images"`
	Recipe  recipe   `json:"recipe"`
	Outputs []output `json:"outputs"`
	Tool    string   `json:"tool,omitempty"`
	Result  Result   `json:"result"`
}

// output is a file that a job wrote.
type output struct {
	Path   string `json:"path"` // relative to the record's folder
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// record keeps what a run has finished. Its file appears with the first finished scan; a line is on the disk before
// the scan counts as finished, and half a line counts for nothing.
type record struct {
	path   string
	recipe recipe
	kept   []entry        // of earlier runs
	at     map[string]int // IDs in kept
	file   *os.File
}

// openRecord reads the record of an earlier run if resume is set; nothing is written yet.
func openRecord(path string, made recipe, resume bool) (*record, error) {
	if path == "" {
		return nil, nil
	}
	r := &record{path: path, recipe: made, at: map[string]int{}}
	if !resume {
		return r, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for line := range bytes.Lines(raw) {
		var e entry
		if !bytes.HasSuffix(line, []byte("\n")) || json.Unmarshal(line, &e) != nil || e.ID == "" {
			continue // cut off by a kill, or not ours: that scan is computed again
		}
		if i, again := r.at[e.ID]; again {
			r.kept[i] = e
			continue
		}
		r.at[e.ID] = len(r.kept)
		r.kept = append(r.kept, e)
	}
	return r, nil
}

// finished returns a job's result if the record has it, made the same way from the same images, and its files are
// as they were written.
func (r *record) finished(j Job) (Result, bool) {
	if r == nil {
		return Result{}, false
	}
	i, ok := r.at[j.ID]
	if !ok || r.kept[i].Recipe != r.recipe {
		return Result{}, false
	}
	e, result := r.kept[i], r.kept[i].Result
	result.Scan, result.Resumed = j.scan(), true
	if result.Output != "" {
		result.Output = j.Output
	}
	for what, path := range map[string]*string{"probabilities": &result.Probabilities, "entropy": &result.Entropy, "variance": &result.Variance} {
		if *path != "" {
			*path = beside(j.Output, what, what == "probabilities")
		}
	}
	ok = (result.Output != "") == (j.Output != "") && sameImages(e.Images, j.Images) && r.intact(e.Outputs)
	if rel, err := filepath.Rel(r.folder(), j.Output); ok && j.Output != "" {
		ok = err == nil && slices.ContainsFunc(e.Outputs, func(o output) bool { return o.Path == filepath.ToSlash(rel) })
	}
	return result, ok
}

func (r *record) folder() string { return filepath.Dir(r.path) }

func sameImages(was []source, now []string) bool {
	if len(was) != len(now) {
		return false
	}
	for i, path := range now {
		if !unchanged(path, was[i]) {
			return false
		}
	}
	return true
}

func (r *record) intact(outputs []output) bool {
	for _, o := range outputs {
		path := filepath.Join(r.folder(), filepath.FromSlash(o.Path))
		if info, err := os.Stat(path); err != nil || info.Size() != o.Size {
			return false
		}
		if sum, err := digest.File(path); err != nil || sum != o.SHA256 {
			return false
		}
	}
	return true
}

// add writes that a job is finished. seen are its images as they were before they were read.
func (r *record) add(j Job, seen []looked, files []string, result Result, tool string) error {
	if r == nil {
		return nil
	}
	e := entry{ID: j.ID, Recipe: r.recipe, Tool: tool, Result: result}
	for _, s := range seen {
		if err := s.read(s.files); err != nil {
			return err
		}
		e.Images = append(e.Images, s.source)
	}
	for _, path := range files {
		o, err := r.describe(path)
		if err != nil {
			return err
		}
		e.Outputs = append(e.Outputs, o)
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if r.file == nil {
		if err := r.start(); err != nil {
			return err
		}
	}
	if _, err := r.file.Write(append(line, '\n')); err != nil {
		return err
	}
	return r.file.Sync()
}

// looked is an image's identity and the files that it is in.
type looked struct {
	source
	files []string
}

func (r *record) describe(path string) (output, error) {
	info, err := os.Stat(path)
	if err != nil {
		return output{}, err
	}
	sum, err := digest.File(path)
	if err != nil {
		return output{}, err
	}
	rel, err := filepath.Rel(r.folder(), path)
	return output{filepath.ToSlash(rel), info.Size(), sum}, err
}

// start puts a new file in the place of an older one, with what is still true of it, and opens it for more.
func (r *record) start() error {
	err := atomicfile.Write(r.path, func(w io.Writer) error {
		for _, e := range r.kept {
			line, err := json.Marshal(e)
			if err != nil {
				return err
			}
			if _, err := w.Write(append(line, '\n')); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.file, err = os.OpenFile(r.path, os.O_WRONLY|os.O_APPEND, 0)
	return err
}

func (r *record) close() error {
	if r == nil || r.file == nil {
		return nil
	}
	return r.file.Close()
}
