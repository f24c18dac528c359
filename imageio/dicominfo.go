package imageio

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nitrain/nitrain/imageio/internal/dicom"
	"github.com/nitrain/nitrain/imageio/internal/openjpeg"
)

// SeriesInfo is one volume that a folder of DICOM files makes.
type SeriesInfo struct {
	Path     string     `json:"path"` // what Open takes: "folder#2", or the folder where it holds only this one
	Title    string     `json:"title"`
	Shape    []int      `json:"shape"`
	Files    int        `json:"files"`
	Spacing  [3]float64 `json:"spacing"` // mm
	AxisCode string     `json:"axcodes"`
	Problem  string     `json:"problem,omitempty"` // why the slices make no volume
}

// IsDICOM reports whether path is a DICOM file, or a folder whose first files hold one.
func IsDICOM(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	if !info.IsDir() {
		return looksDICOM(path, Options{})
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return false
	}
	tried := 0
	for _, e := range entries {
		if !e.Type().IsRegular() || e.Name() == "DICOMDIR" {
			continue
		}
		if looksDICOM(filepath.Join(path, e.Name()), Options{}) {
			return true
		}
		if tried++; tried == 32 {
			return false
		}
	}
	return false
}

// Series lists the volumes that the DICOM files of a folder make, in the order of their numbers.
func Series(dir string) ([]SeriesInfo, error) {
	folder, err := dicom.ReadFolder(dir, false)
	if err != nil {
		return nil, err
	}
	out := make([]SeriesInfo, len(folder.Volumes))
	for i, v := range folder.Volumes {
		size := v.Size()
		grid := Grid{Size: size, Affine: v.Affine}
		s := SeriesInfo{Path: dir, Title: v.Title(size), Shape: size[:], Files: v.Files(), Spacing: grid.Spacing()}
		if len(out) > 1 {
			s.Path = fmt.Sprintf("%s#%d", dir, i+1)
		}
		if v.Spatial {
			s.AxisCode = grid.AxisCodes()
		}
		if v.Times > 1 {
			s.Shape = append(s.Shape, v.Times)
		}
		if v.Problem != nil {
			s.Problem = v.Problem.Got
		}
		out[i] = s
	}
	return out, nil
}

// Tags returns what a DICOM file, or the first of a folder, says about its patient, study and series, by the names of
// the standard. Nothing else in this package tells of the patient.
func Tags(path string) (map[string]string, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		folder, err := dicom.ReadFolder(path, false)
		if err != nil {
			return nil, err
		}
		return folder.Volumes[0].Planes[0].File.Tags(), nil
	}
	if base, _, found := cutLast(path, "#"); found {
		if f, err := Open(path); err == nil && f.series != nil {
			return f.series.Planes[0].File.Tags(), nil
		}
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			path = base
		}
	}
	f, err := dicom.Open(path, false)
	if err != nil {
		return nil, err
	}
	return f.Tags(), nil
}

// JPEG2000 returns the version of the OpenJPEG library that decodes JPEG 2000 in DICOM files, or an error where
// the system has none.
func JPEG2000() (string, error) { return openjpeg.Version() }
