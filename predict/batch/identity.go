package batch

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nitrain/nitrain/internal/digest"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/predict"
)

// source tells whether an input is the one that a result was made from: by its files' sizes and times, and by their content
// where those changed.
type source struct {
	Path   string    `json:"path"` // absolute
	Size   int64     `json:"size"` // of all files
	Time   time.Time `json:"time"` // the latest
	Files  int       `json:"files"`
	SHA256 string    `json:"sha256"` // of the files' digests, in the order of their names
}

// look finds the files of an input; its content is not read.
func look(path string) (source, []string, error) {
	files, err := filesOf(path)
	if err != nil {
		return source{}, nil, err
	}
	s := source{Path: absolute(path), Files: len(files)}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			return source{}, nil, err
		}
		s.Size += info.Size()
		if t := info.ModTime().UTC(); t.After(s.Time) {
			s.Time = t
		}
	}
	return s, files, nil
}

// filesOf lists the files that an input is made of: itself, a folder's, or a header's and those that it speaks of.
func filesOf(path string) ([]string, error) {
	if base, _, numbered := strings.Cut(path, "#"); numbered && !exists(path) {
		path = base
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return regular(path, func(string) bool { return true })
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".hdr", ".img", ".nhdr", ".mhd":
		return companions(path)
	}
	return []string{path}, nil
}

// companions lists a header and the files beside it that have its stem or that its text names. A pattern of names stands
// for every file of the folder.
func companions(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, 1<<16))
	if err != nil {
		return nil, err
	}
	text, own := string(head), stem(filepath.Base(path))
	return regular(filepath.Dir(path), func(name string) bool {
		return stem(name) == own || strings.TrimSuffix(name, filepath.Ext(name)) == own || strings.Contains(text, name) || strings.Contains(text, "%")
	})
}

func regular(dir string, wanted func(name string) bool) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if (e.Type().IsRegular() || e.Type()&fs.ModeSymlink != 0) && wanted(e.Name()) {
			if path := filepath.Join(dir, e.Name()); !isFolder(path) {
				files = append(files, path)
			}
		}
	}
	return files, nil
}

// read adds the digest.
func (s *source) read(files []string) error {
	var err error
	s.SHA256, err = digests(files)
	return err
}

// digests returns one SHA-256 for the content of files in order; of one file its own.
func digests(files []string) (string, error) {
	if len(files) == 1 {
		return digest.File(files[0])
	}
	h := sha256.New()
	for _, f := range files {
		one, err := digest.File(f)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s  %s\n", one, filepath.Base(f))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// unchanged reports whether an input still is what a record says.
func unchanged(path string, was source) bool {
	now, files, err := look(path)
	if err != nil || now.Size != was.Size || now.Files != was.Files {
		return false
	}
	if now.Path == was.Path && now.Time.Equal(was.Time) {
		return true
	}
	return now.read(files) == nil && now.SHA256 == was.SHA256
}

// recipe tells whether a result was made the same way: by these models, this Spec and these wishes.
type recipe struct {
	Models  string `json:"models"` // SHA-256 of each file's
	Spec    string `json:"spec"`   // SHA-256 of its JSON
	Options string `json:"options"`
}

func recipeOf(spec predict.Spec, o Options) (recipe, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return recipe{}, err
	}
	sum := sha256.Sum256(text)
	r := recipe{Spec: hex.EncodeToString(sum[:])}
	var files []string
	for _, m := range o.Models {
		more, err := modelFiles(m)
		if err != nil {
			return recipe{}, err
		}
		files = append(files, more...)
	}
	if len(files) > 0 {
		r.Models, err = digests(files)
	}
	q := o.Request
	r.Options = fmt.Sprintf("grid=%d probabilities=%t mirror=%t statistics=%t",
		q.Space, q.Probabilities, q.Mirror, o.Statistics)
	return r, err
}

// modelFiles lists a model's file and those that hold its weights.
func modelFiles(path string) ([]string, error) {
	m, err := onnx.ReadFile(path)
	if err != nil {
		return nil, err
	}
	files := []string{path}
	names := m.ExternalFiles()
	slices.Sort(names)
	for _, name := range names {
		files = append(files, filepath.Join(filepath.Dir(path), filepath.FromSlash(name)))
	}
	return files, m.Close()
}
