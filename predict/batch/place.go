package batch

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nitrain/nitrain/imageio"
)

// endings are those of the image files that are found in folders; the second half are pictures.
func endings() []string {
	return append(volumes(), ".png", ".jpg", ".jpeg", ".tif", ".tiff")
}

func volumes() []string {
	return []string{".nii.gz", ".nii", ".hdr", ".nrrd", ".nhdr", ".mha", ".mhd", ".mgz", ".mgh.gz", ".mgh"}
}

// isImage reports whether a folder's file is an image by its name. DICOM files are found by their content.
func isImage(name string) bool { return ending(name) != "" && ending(name) != ".dcm" }

// ending returns the part of a name that says an image's format, as it is written; "" where none does.
func ending(name string) string {
	lower := strings.ToLower(name)
	for _, end := range append(endings(), ".dcm") {
		if strings.HasSuffix(lower, end) && len(name) > len(end) {
			return name[len(name)-len(end):]
		}
	}
	return ""
}

// stem removes the ending of an image file; another name stays as it is.
func stem(path string) string { return strings.TrimSuffix(path, ending(path)) }

// Formats lists the names of formats that results are written in: "nii.gz", ..., "dcm".
func Formats() []string {
	var names []string
	for _, end := range append(imageio.Extensions(), ".dcm") {
		names = append(names, strings.TrimPrefix(end, "."))
	}
	return names
}

// Place returns the jobs with the files of their results: out itself for one job that is not one of many, else files below the
// folder out, named by the jobs' IDs. format is one of [Formats]; "" is NIfTI, and PNG for a scan
// that is a picture. A place that would not work is a *[PlaceError].
func Place(jobs []Job, out string, many bool, format string) ([]Job, error) {
	if format != "" && !slices.Contains(Formats(), format) {
		return nil, &PlaceError{fmt.Errorf("format %q: want one of %s", format, strings.Join(Formats(), ", "))}
	}
	placed := slices.Clone(jobs)
	if !many {
		if format != "" && "."+format != strings.ToLower(written(out)) {
			return nil, &PlaceError{fmt.Errorf("%s: want a name that ends in .%s, as the format says", out, format)}
		}
		if written(out) == "" {
			return nil, &PlaceError{fmt.Errorf("%s: want a name that ends in .%s", out, strings.Join(Formats(), ", ."))}
		}
		placed[0].Output = out
		return placed, safe(placed)
	}
	if ending(out) != "" {
		return nil, &PlaceError{fmt.Errorf("%s: want a folder for the results of several scans, got the name of a file", out)}
	}
	if exists(out) && !isFolder(out) {
		return nil, &PlaceError{fmt.Errorf("%s: want a folder for the results of several scans, got a file", out)}
	}
	for i, j := range placed {
		placed[i].Output = filepath.Join(out, filepath.FromSlash(j.ID)+extension(j, format))
	}
	return placed, safe(placed)
}

// written returns the ending of a name that can be written.
func written(name string) string {
	for _, f := range Formats() {
		if strings.HasSuffix(strings.ToLower(name), "."+f) {
			return name[len(name)-len(f)-1:]
		}
	}
	return ""
}

// extension is the ending of a job's result in a folder.
func extension(j Job, format string) string {
	if format != "" {
		return "." + format
	}
	switch strings.ToLower(ending(j.Images[0])) {
	case ".png", ".jpg", ".jpeg":
		return ".png"
	}
	return ".nii.gz"
}

// safe refuses results that would replace a scan or one another.
func safe(jobs []Job) error {
	from := map[string]Job{}
	var errs []error
	for _, j := range jobs {
		key := filepath.Clean(j.Output)
		if other, twice := from[key]; twice {
			errs = append(errs, &PlaceError{fmt.Errorf("%s: want a result for each scan, got one name for %s and %s", j.Output, other.scan(), j.scan())})
		}
		from[key] = j
	}
	for _, j := range jobs {
		for _, image := range j.Images {
			if _, ok := from[filepath.Clean(image)]; ok || same(image, j.Output) {
				errs = append(errs, &PlaceError{fmt.Errorf("%s: want another name for the result: it would replace the scan", image)})
			}
		}
	}
	return errors.Join(errs...)
}
