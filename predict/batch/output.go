package batch

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/predict"
)

// staged begins the names of folders in which a scan's files are written before they get their places; a kill can leave
// one behind.
const staged = ".nitrain-predict-"

// product is a file to write.
type product struct {
	path  string
	write func(path string) error
}

// images lists the files of a prediction and says in the result where they will be.
func (r *run) images(j Job, got *predict.Prediction, result *Result) []product {
	if j.Output == "" {
		return nil
	}
	spec := r.p.Spec()
	var files []product
	add := func(to *string, path string, im *imageio.Image, named []imageio.Segment) {
		if im == nil {
			return
		}
		*to = path
		files = append(files, product{path, func(path string) error { return r.write(path, im, j, named) }})
	}
	if got.Probabilities != nil {
		add(&result.Probabilities, beside(j.Output, "probabilities", true), got.Probabilities, classes(spec, got.Probabilities.Channels))
	}
	add(&result.Output, j.Output, got.Image, nil)
	add(&result.Output, j.Output, got.Labels, segments(spec.Labels))
	return files
}

// write writes one image in the format of its name.
func (r *run) write(path string, im *imageio.Image, j Job, named []imageio.Segment) error {
	if !strings.EqualFold(ending(path), ".dcm") {
		return imageio.Write(path, im)
	}
	return imageio.WriteSegmentation(path, im, imageio.Segmentation{Reference: j.Images[0], Segments: named, Version: r.o.Version})
}

// beside names a further file of a result. Pictures hold no channels and DICOM segmentations only fractions: other maps are
// NIfTI there.
func beside(out, what string, fractions bool) string {
	end := ending(out)
	switch strings.ToLower(end) {
	case ".dcm":
		if !fractions {
			end = ".nii.gz"
		}
	case ".png", ".tif", ".tiff", "":
		end = ".nii.gz"
	}
	return stem(out) + "_" + what + end
}

// save writes a scan's files so that all of them appear or none. It returns every file that is there now.
func save(files []product) ([]string, error) {
	if len(files) == 0 {
		return nil, nil
	}
	dir := filepath.Dir(files[0].path)
	made, err := makeFolders(dir)
	if err != nil {
		return nil, &WriteError{files[len(files)-1].path, err}
	}
	placed, err := saveIn(dir, files)
	if err != nil {
		removeFolders(made)
	}
	return placed, err
}

func saveIn(dir string, files []product) (placed []string, err error) {
	main := files[len(files)-1].path
	stage, err := os.MkdirTemp(dir, staged+"*")
	if err != nil {
		return nil, &WriteError{main, err}
	}
	defer os.RemoveAll(stage)
	for _, f := range files {
		if err := f.write(filepath.Join(stage, filepath.Base(f.path))); err != nil {
			return nil, &WriteError{f.path, err}
		}
	}
	return unstage(stage, dir, main)
}

// unstage moves what was written to its places, the main file last.
func unstage(stage, dir, main string) (placed []string, err error) {
	entries, err := os.ReadDir(stage) // a format may write a second file beside the one that was named
	if err != nil {
		return nil, &WriteError{main, err}
	}
	var names []string
	for _, e := range entries {
		if e.Name() != filepath.Base(main) {
			names = append(names, e.Name())
		}
	}
	names = append(names, filepath.Base(main))
	for _, name := range names {
		if path := filepath.Join(dir, name); isFolder(path) {
			return nil, &WriteError{path, errors.New("a folder has this name")}
		}
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.Rename(filepath.Join(stage, name), path); err != nil {
			for _, done := range placed {
				_ = os.Remove(done)
			}
			return nil, &WriteError{path, err}
		}
		placed = append(placed, path)
	}
	return placed, nil
}

// makeFolders is os.MkdirAll that returns the folders it made, the outermost first.
func makeFolders(dir string) (made []string, err error) {
	for at := dir; !exists(at); at = filepath.Dir(at) {
		made = append([]string{at}, made...)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		removeFolders(made)
		return nil, err
	}
	return made, nil
}

// removeFolders removes folders that are empty, the innermost first.
func removeFolders(made []string) {
	for _, m := range slices.Backward(made) {
		_ = os.Remove(m)
	}
}

// writable tries whether a folder, or the nearest one above it that is there, takes files.
func writable(dir string) error {
	for !exists(dir) && filepath.Dir(dir) != dir {
		dir = filepath.Dir(dir)
	}
	name, err := os.MkdirTemp(dir, staged+"*")
	if err != nil {
		return err
	}
	return os.Remove(name)
}

// sweep removes what a killed run left in a folder of results.
func sweep(jobs []Job) {
	swept := map[string]bool{}
	for _, j := range jobs {
		dir := filepath.Dir(j.Output)
		if j.Output == "" || swept[dir] {
			continue
		}
		swept[dir] = true
		left, err := filepath.Glob(filepath.Join(quote(dir), staged+"*"))
		for _, path := range left {
			if err == nil {
				_ = os.RemoveAll(path)
			}
		}
	}
}

// quote protects the wildcards in a folder's name.
func quote(path string) string {
	if filepath.Separator == '\\' {
		return path
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
