package imageio

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/imageio/internal/dicom"
	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// series is what a File of DICOM images reads its samples from.
type series struct {
	*dicom.Volume
	single bool // one file, not a folder
}

// openDICOM opens a DICOM file, a folder of them, or one volume of a folder ("folder#2"). ok is false where the
// path is none of these.
func (o Options) openDICOM(path string) (f *File, ok bool, err error) {
	name, number := path, 0
	if base, n := numbered(path); n > 0 {
		name, number = base, n
	}
	if isFolder(name) {
		f, err = o.openFolder(name, number)
		return f, true, err
	}
	if !looksDICOM(path, o) {
		return nil, false, nil
	}
	file, err := dicom.Open(path, o.IgnoreChecksum)
	if errors.Is(err, ErrNotThisFormat) {
		return nil, false, nil
	}
	if err != nil {
		return nil, true, err
	}
	v, err := dicom.OpenVolume(file)
	if err != nil {
		return nil, true, err
	}
	f, err = o.fromSeries(path, v, true)
	return f, true, err
}

// numbered takes the name of one of a folder's volumes apart: "folder#2". Its number is 0 where path is none.
func numbered(path string) (dir string, n int) {
	base, text, found := cutLast(path, "#")
	n, err := strconv.Atoi(text)
	if !found || err != nil || n < 1 || isFolder(path) || !isFolder(base) {
		return path, 0
	}
	return base, n
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// looksDICOM looks at the first bytes: the magic behind the preamble, or an element of a low group.
func looksDICOM(path string, o Options) bool {
	s, err := volume.OpenStream(path, o.IgnoreChecksum)
	if err != nil {
		return false
	}
	defer s.Close()
	var head [132]byte
	n := 0
	for n < len(head) {
		m, err := s.Read(head[n:])
		n += m
		if err != nil {
			break
		}
	}
	if dicom.Is(head[:n]) {
		return true
	}
	for _, at := range []int{0, 1} { // one file of the wild has a stray byte in front
		for _, low := range []byte{2, 8} {
			if head[at] == low && head[at+1] == 0 && head[at+3] == 0 || head[at] == 0 && head[at+1] == low && head[at+2] == 0 {
				return true
			}
		}
	}
	return false
}

// openFolder opens the only volume of a folder, or the one of that number, which counts from 1.
func (o Options) openFolder(dir string, number int) (*File, error) {
	folder, err := dicom.ReadFolder(dir, o.IgnoreChecksum)
	if err != nil {
		return nil, err
	}
	n := len(folder.Volumes)
	if number > n || number == 0 && n > 1 {
		e := &FormatError{Path: dir, Format: "dicom", Field: "series", Want: "one volume", Got: fmt.Sprintf("%d: %s", n, listing(folder.Volumes)), Err: ErrUnsupported}
		if number > n {
			e.Want = fmt.Sprintf("a volume from 1 to %d", n)
		}
		e.Advice = fmt.Sprintf("name one of them: %s#1 ... %s#%d", dir, dir, n)
		return nil, e
	}
	v := folder.Volumes[max(0, number-1)]
	if k := len(folder.Skipped); k > 0 {
		v.Warnings = append(v.Warnings, fmt.Sprintf("%d files were left out, the first: %s", k, folder.Skipped[0]))
	}
	return o.fromSeries(dir, v, false)
}

// listing tells volumes apart without telling of the patient.
func listing(volumes []*dicom.Volume) string {
	var parts []string
	for i, v := range volumes {
		if i == 20 {
			parts = append(parts, "...")
			break
		}
		size := v.Size()
		parts = append(parts, fmt.Sprintf("#%d %s", i+1, v.Title(size)))
	}
	return strings.Join(parts, "; ")
}

// fromSeries makes a File of a volume and refuses what can be refused without reading pixels.
func (o Options) fromSeries(path string, v *dicom.Volume, single bool) (*File, error) {
	f := &File{path: path, opt: o, limits: o.MaxBytes, series: &series{v, single}}
	if f.limits <= 0 {
		f.limits = defaultMaxBytes
	}
	if err := v.Check(f.limits); err != nil {
		return nil, withPath(err, path)
	}
	size := v.Size()
	f.Format, f.Shape = "dicom", size[:]
	if single && v.Slices == 1 && v.Times == 1 {
		f.Shape = size[:2:2]
	}
	f.Affine, f.AffineSource, f.Spatial = v.Affine, v.AffineSource, v.Spatial
	if c := Affine(v.Affine); v.Spatial && !(math.Abs(c.Det()) > 1e-12) {
		f.Spatial, f.AffineSource = false, "none"
	}
	spacing := f.Grid().Spacing()
	f.Zooms = append([]float64(nil), spacing[:len(f.Shape)]...)
	if v.Times > 1 {
		f.Shape = append(f.Shape, v.Times)
		f.Zooms = append(f.Zooms, v.TimeStep)
		f.Units = 2 | 8 // mm, s
	}
	f.Components = v.Components()
	f.Stored = v.Layout.Type().String()
	f.Slope, f.Inter = v.Rescale()
	f.Warnings = append(f.Warnings, v.Warnings...)
	if v.Problem != nil && !o.Rectify {
		f.Warnings = append(f.Warnings, "no volume: "+v.Problem.Got)
	}
	return f, nil
}

// image decodes the volume as values.
func (s *series) image(f *File, kind Kind) (*Image, error) {
	if s.Problem != nil && !(f.opt.Rectify && s.Mendable()) {
		return nil, withPath(s.Problem, f.path)
	}
	if kind == Label && s.Components() > 1 {
		return nil, &FormatError{Path: f.path, Format: f.Format, Field: "photometric", Want: "whole numbers for a label map", Got: s.Layout.Photometric, Err: ErrUnsupported}
	}
	im := &Image{Grid: f.Grid(), Kind: kind, Channels: s.Components() * s.Times, Source: f.source()}
	var err error
	if s.Segmented {
		im.Data, im.Channels, err = s.segments(f, im, kind)
	} else {
		if err = s.Verify(f.limits); err == nil {
			im.Data = make([]float32, im.Grid.Len()*im.Channels)
			err = s.Floats(im.Data, f.limits)
		}
	}
	if err != nil {
		return nil, withPath(err, f.path)
	}
	if kind == Label {
		for _, v := range im.Data {
			if !(math.Abs(float64(v)) <= 1<<24) || v != float32(math.Trunc(float64(v))) {
				return nil, &FormatError{
					Path: f.path, Format: f.Format, Field: "voxels", Want: "whole numbers of at most 2^24 for a label map", Got: fmt.Sprint(v), Err: ErrUnsupported,
					Advice: "is this an image of intensities? labels may not be averaged or scaled",
				}
			}
		}
	}
	if f.opt.Rectify {
		return s.rectify(im, f.limits), nil
	}
	return im, nil
}

// raw decodes the samples as stored: those of one file as its pixel array, those of a folder as a volume.
func (s *series) raw(f *File) (*Samples, error) {
	if err := s.Verify(f.limits); err != nil {
		return nil, withPath(err, f.path)
	}
	shape, t, data, err := s.Volume.Stored(s.single, f.limits)
	if err != nil {
		return nil, withPath(err, f.path)
	}
	big := s.single && s.Planes[0].File.Big() && t.Size() > 1
	if big { // as the file has them
		for at := 0; at < len(data); at += t.Size() {
			slices.Reverse(data[at : at+t.Size()])
		}
	}
	return &Samples{DType: t.Numpy(big), Shape: shape, Bytes: data, kind: t, big: big}, nil
}

// scaled decodes the samples as values in float64, in the order of raw.
func (s *series) scaled(f *File) (*Samples, error) {
	raw, err := s.raw(f)
	if err != nil || !s.Scaled() {
		return raw, err
	}
	return s.scale(raw)
}
