package dicom

import (
	"cmp"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nitrain/nitrain/imageio/internal/volume"
	"github.com/nitrain/nitrain/internal/tasks"
)

// Volume is frames that make one image of up to four dimensions.
type Volume struct {
	Layout       Layout
	Planes       []Plane // slices of the first time, of the second, ...
	Slices       int
	Times        int
	Affine       [4][4]float64 // to RAS+ mm
	Spatial      bool
	AffineSource string
	TimeStep     float64 // seconds, 0 if unknown
	Tilt         float64 // degrees between the slices' normal and the way they are stacked
	Positions    []float64
	Problem      *volume.FormatError // why the slices make no volume; the frames can still be read
	Warnings     []string
	Mosaic       Mosaic
	Segmented    bool
	repeats      bool // places hold different numbers of images
}

// Folder lists the volumes that a folder's files make.
type Folder struct {
	Volumes []*Volume
	Skipped []string // files that were left out, and why
}

// maxFiles bounds what one folder may hold.
const maxFiles = 1 << 20

// ReadFolder reads the headers of all files of a folder; of the folders inside it only where it holds no file itself.
func ReadFolder(dir string, ignoreSums bool) (*Folder, error) {
	files, skipped, err := openAll(dir, ignoreSums)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, &volume.FormatError{
			Path: dir, Format: "dicom", Want: "a folder of DICOM images", Got: nothing(skipped), Err: volume.ErrNotThisFormat,
		}
	}
	out := &Folder{Skipped: skipped}
	var planes []Plane
	for _, f := range files {
		p, err := f.planes()
		if err != nil {
			return nil, err
		}
		planes = append(planes, p...)
	}
	for _, group := range groups(planes) {
		out.Volumes = append(out.Volumes, stacks(dir, group)...)
	}
	return out, nil
}

func nothing(skipped []string) string {
	if len(skipped) == 0 {
		return "no files"
	}
	return fmt.Sprintf("%d files, none of them one (%s)", len(skipped), skipped[0])
}

// openAll opens the files of a folder in the order of their names.
func openAll(dir string, ignoreSums bool) (files []*File, skipped []string, err error) {
	names, err := list(dir)
	if err != nil {
		return nil, nil, err
	}
	type opened struct {
		file *File
		err  error
	}
	results := make([]opened, len(names))
	tasks.Run(0, len(names), func(i int) {
		f, err := Open(filepath.Join(dir, names[i]), ignoreSums)
		results[i] = opened{f, err}
	})
	for i, r := range results {
		switch {
		case r.err != nil:
			skipped = append(skipped, names[i]+": "+reason(r.err))
		case !r.file.hasPixels:
			skipped = append(skipped, names[i]+": no pixel data")
		default:
			files = append(files, r.file)
		}
	}
	return files, skipped, nil
}

// reason says in few words why a file was left out.
func reason(err error) string {
	if e, ok := err.(*volume.FormatError); ok { //nolint:errorlint // Open returns it bare
		short := *e
		short.Path = ""
		return short.Error()
	}
	return "cannot be opened"
}

// list returns the regular files of a folder; links are followed to files only, so that none leads in a circle.
func list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Name() == "DICOMDIR" || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if !e.Type().IsRegular() {
			info, err := os.Stat(filepath.Join(dir, e.Name()))
			if err != nil || !info.Mode().IsRegular() {
				continue
			}
		}
		if names = append(names, e.Name()); len(names) > maxFiles {
			return nil, &volume.FormatError{Path: dir, Format: "dicom", Want: fmt.Sprintf("at most %d files", maxFiles), Got: "more", Err: volume.ErrTooLarge}
		}
	}
	if len(names) == 0 {
		return nested(dir)
	}
	return names, nil
}

// nested returns the regular files of all folders inside a folder, without following links.
func nested(dir string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || e.Name() == "DICOMDIR" || strings.HasPrefix(e.Name(), ".") {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if names = append(names, name); len(names) > maxFiles {
			return &volume.FormatError{Path: dir, Format: "dicom", Want: fmt.Sprintf("at most %d files", maxFiles), Got: "more", Err: volume.ErrTooLarge}
		}
		return err
	})
	return names, err
}

// groups splits planes by what may not be mixed, in the order of the series' numbers.
func groups(planes []Plane) [][]Plane {
	byKey := map[string][]Plane{}
	var keys []string
	for _, p := range planes {
		k := p.key
		if p.Spatial {
			var turn [6]int
			for i, v := range p.Orientation {
				turn[i] = int(math.Round(v * 1e3))
			}
			k = fmt.Sprintf("%s %v %.5g %.5g", k, turn, p.Spacing[0], p.Spacing[1])
		}
		if _, seen := byKey[k]; !seen {
			keys = append(keys, k)
		}
		byKey[k] = append(byKey[k], p)
	}
	out := make([][]Plane, len(keys))
	for i, k := range keys {
		out[i] = byKey[k]
	}
	slices.SortStableFunc(out, func(a, b []Plane) int {
		return cmp.Compare(a[0].File.Set.FloatOr(tagSeriesNumber, 0), b[0].File.Set.FloatOr(tagSeriesNumber, 0))
	})
	return out
}

// stacks makes volumes of planes of one kind. Where places repeat unevenly, each acquisition is a volume.
func stacks(path string, planes []Plane) []*Volume {
	whole := stack(path, planes)
	if !whole.repeats {
		return []*Volume{whole}
	}
	byAcquisition := map[float64][]Plane{}
	var numbers []float64
	for _, p := range planes {
		n := p.File.Set.FloatOr(tagAcquisitionNumber, 0)
		if _, seen := byAcquisition[n]; !seen {
			numbers = append(numbers, n)
		}
		byAcquisition[n] = append(byAcquisition[n], p)
	}
	if len(numbers) < 2 || len(numbers) > 64 {
		return []*Volume{whole}
	}
	slices.Sort(numbers)
	out := make([]*Volume, len(numbers))
	for i, n := range numbers {
		if out[i] = stack(path, byAcquisition[n]); out[i].Problem != nil {
			return []*Volume{whole}
		}
	}
	return out
}
