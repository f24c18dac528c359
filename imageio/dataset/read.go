package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Read reads a list of cases by its kind: a .csv or .tsv table, a Decathlon dataset.json, or a folder.
func Read(path string) ([]Case, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	if info.IsDir() {
		return ReadFolder(path)
	}
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".csv", ".tsv", ".txt":
		return ReadTable(path)
	case ".json":
		return ReadDecathlon(path)
	default:
		return nil, &ListError{&kindError{path}}
	}
}

// ListError is a list of cases, a folder or a pattern from which no cases can be read.
type ListError struct{ Err error }

// Error describes the fault.
func (e *ListError) Error() string { return "dataset: " + e.Err.Error() }

// Unwrap returns the fault.
func (e *ListError) Unwrap() error { return e.Err }

type kindError struct{ path string }

func (e *kindError) Error() string {
	return e.path + ": want a .csv or .tsv table, a dataset.json or a folder"
}

// Hint says how to describe data.
func (e *kindError) Hint() string {
	return "write a table with the columns image and label, or name the files by two globs"
}

// ReadFolder reads a folder: by its dataset.json when it has one; as pairs of equal name when it has folders
// images and labels (or imagesTr and labelsTr); otherwise every image file in it is a case without a label.
func ReadFolder(dir string) ([]Case, error) {
	if list := filepath.Join(dir, "dataset.json"); exists(list) {
		return ReadDecathlon(list)
	}
	for _, pair := range [][2]string{{"images", "labels"}, {"imagesTr", "labelsTr"}} {
		images, labels := filepath.Join(dir, pair[0]), filepath.Join(dir, pair[1])
		if exists(images) && exists(labels) {
			return ReadGlobs([]string{filepath.Join(quote(images), "*")}, filepath.Join(quote(labels), "*"))
		}
	}
	files, err := imagesOf(dir)
	if err != nil {
		return nil, &ListError{fmt.Errorf("%w, no folders images and labels, no dataset.json", err)}
	}
	cases := make([]Case, len(files))
	for i, f := range files {
		cases[i].Images = []string{f}
	}
	if err := name(cases); err != nil {
		return nil, &ListError{fmt.Errorf("%s: %w", dir, err)}
	}
	return cases, nil
}

// imagesOf lists the image files in a folder.
func imagesOf(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if !e.IsDir() && isImage(e.Name()) {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no image files", dir)
	}
	return files, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// isImage reports whether a file's name is one that holds an image by itself; hidden files are not.
func isImage(name string) bool {
	name = strings.ToLower(name)
	endings := []string{".nii", ".nii.gz", ".mgh", ".mgz", ".mgh.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".png", ".jpg", ".jpeg", ".tif", ".tiff"}
	return !strings.HasPrefix(name, ".") && slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(name, e) })
}
