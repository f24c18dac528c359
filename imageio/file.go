package imageio

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/imageio/internal/mgh"
	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// Options change how files are read. The zero value is the usual way.
type Options struct {
	// MaxBytes limits the memory that the samples of one file may take, stored or as float32;
	// 0 means 16 GiB.
	MaxBytes int64
	// IgnoreChecksum accepts gzip data whose checksum is wrong, with a warning.
	IgnoreChecksum bool
	// Rectify takes the qform where the sform contradicts the voxel sizes and the qform does not,
	// as MONAI does when it loads training data.
	Rectify bool
	// OutsideFiles lets a header whose samples are in other files name files outside its own folder.
	OutsideFiles bool
}

const defaultMaxBytes = 16 << 30

// Extension is one block of application data that a NIfTI file carries.
type Extension = volume.Extension

// File is an image file whose header has been read and checked and whose samples have not.
// It holds no open file: the methods that read samples open it again. A File may be used by several
// goroutines at once.
type File struct {
	Format       string      // "nifti1", "nifti2", "mgh", "nrrd", "dicom", ...
	Shape        []int       // as stored, components that are stored together not among them
	Components   int         // samples that each voxel has: 1, more for colours and vectors stored together
	Stored       string      // type of the samples: "int16", "rgb24", ...
	Affine       Affine      // as the file says; may be singular where Spatial is false
	AffineSource string      // "sform", "qform", "fallback", "mgh", "dicom", "spacing", "none"
	Spatial      bool        // false: the file has no geometry
	Zooms        []float64   // distances along the axes of Shape: mm, and what the file's unit of time is
	Slope, Inter float64     // of the scaling, 1 and 0 without
	SformCode    int         // NIfTI codes, zero elsewhere
	QformCode    int         //
	Intent       int         // NIfTI intent code
	Units        uint8       // NIfTI xyzt_units
	Extensions   []Extension // NIfTI extensions, kept for writing
	Warnings     []string    // what was wrong and how it was mended

	path   string // of the samples
	head   *volume.Header
	opt    Options
	limits int64
	series *series // of a DICOM image, which has no head
}

// Open reads and checks the header of an image file.
func Open(path string) (*File, error) { return Options{}.Open(path) }

// Open reads and checks the header of an image file: everything that can be refused without reading
// samples is refused here. Errors about the content are *FormatError.
func (o Options) Open(path string) (*File, error) {
	if f, ok, err := o.openDICOM(path); ok {
		return f, err
	}
	header, samples := pairNames(path)
	h, err := readHeader(header, samples != "", o)
	if err != nil {
		return nil, err
	}
	if h.Source != nil {
		samples = path
	} else if !h.Pair {
		samples = path
		if header != path {
			return nil, &FormatError{
				Path: path, Format: h.Format, Field: "magic", Want: `"ni1" in the header of a pair`, Got: "a single file", Err: ErrNotThisFormat,
				Advice: "open " + header + " itself",
			}
		}
	} else if samples == "" {
		return nil, &FormatError{
			Path: path, Format: h.Format, Field: "magic", Want: `"n+1" in a single file`, Got: `"ni1" of a .hdr/.img pair`, Err: ErrNotThisFormat,
			Advice: "name the two files .hdr and .img",
		}
	}
	f := &File{path: samples, head: h, opt: o, limits: o.MaxBytes}
	if f.limits <= 0 {
		f.limits = defaultMaxBytes
	}
	if err := f.checkSizes(); err != nil {
		return nil, withPath(err, path)
	}
	if h.Format == "analyze" {
		noteMat(h, header)
	}
	f.fill()
	return f, nil
}

// noteMat warns where SPM left an affine beside an Analyze file.
func noteMat(h *volume.Header, header string) {
	stem := strings.TrimSuffix(header, ".gz")
	if _, err := os.Stat(strings.TrimSuffix(stem, filepath.Ext(stem)) + ".mat"); err == nil {
		h.Warn("the .mat file beside the header, which may hold the affine, is not read")
	}
}

// fill copies what is exported from the parsed header.
func (f *File) fill() {
	h := f.head
	if h.Format == "mgh" && len(h.Shape) == 4 {
		f.frameTime()
	}
	if f.opt.Rectify {
		rectify(h)
	}
	f.Format, f.Shape, f.Stored = h.Format, append([]int(nil), h.Shape...), h.Type.String()
	f.Components = h.Components()
	zooms := h.Zooms
	if h.Frames > 0 {
		for len(f.Shape) < 3 {
			f.Shape, zooms = append(f.Shape, 1), append(zooms, 1)
		}
		f.Components /= h.Frames
		f.Shape, zooms = append(f.Shape, h.Frames), append(zooms, h.Step)
	}
	f.Affine, f.AffineSource, f.Spatial = h.Affine, h.AffineSource, h.Spatial
	f.Zooms, f.Slope, f.Inter = zooms, h.Slope, h.Inter
	f.SformCode, f.QformCode, f.Intent, f.Units = h.SformCode, h.QformCode, h.Intent, h.Units
	f.Extensions, f.Warnings = h.Extensions, h.Warnings
}

// pairNames returns the header's file and, if the name is one of a pair, the samples' file.
func pairNames(path string) (header, samples string) {
	base, gz := path, ""
	if strings.EqualFold(filepath.Ext(base), ".gz") {
		gz = base[len(base)-3:]
		base = base[:len(base)-3]
	}
	stem, ext := base[:len(base)-len(filepath.Ext(base))], filepath.Ext(base)
	switch ext {
	case ".hdr":
		return path, partner(stem+".img", gz)
	case ".HDR":
		return path, partner(stem+".IMG", gz)
	case ".img":
		return partner(stem+".hdr", gz), path
	case ".IMG":
		return partner(stem+".HDR", gz), path
	}
	return path, ""
}

// partner prefers the other file with the same compression and takes the other one if only that exists.
func partner(base, gz string) string {
	same, other := base+gz, base+".gz"
	if gz != "" {
		other = base
	}
	if _, err := os.Stat(same); err != nil {
		if _, err := os.Stat(other); err == nil {
			return other
		}
	}
	return same
}

// withPath adds the path to an error from a parser.
func withPath(err error, path string) error {
	if fe, ok := errors.AsType[*FormatError](err); ok {
		fe.Path = path
		return fe
	}
	if _, ok := errors.AsType[*os.PathError](err); ok {
		return err // names the file itself
	}
	return &FormatError{Path: path, Err: streamErr(err)}
}

// checkSizes holds what the header promises against the limit and the file, before memory is taken.
func (f *File) checkSizes() error {
	h := f.head
	need, ok := h.Bytes()
	asFloats := need / int64(h.Part().Size()) // samples
	if !ok || max(need, 4*asFloats) > f.limits || asFloats > 1<<40 {
		got := "more than any memory"
		if ok {
			got = fmt.Sprintf("%d bytes", max(need, 4*asFloats))
		}
		return &FormatError{
			Format: h.Format, Field: "dim", Want: fmt.Sprintf("at most %d bytes of voxels", f.limits), Got: fmt.Sprintf("%s for %v voxels", got, h.Shape), Err: ErrTooLarge,
			Advice: "either the header is damaged or the limit (Options.MaxBytes) is too low for this image",
		}
	}
	if h.Source != nil {
		return f.checkSource(need)
	}
	s, err := openStream(f.path, f.opt)
	if err != nil {
		return err
	}
	defer s.Close()
	if h.Offset <= s.Limit()-need {
		return nil
	}
	if f.mendOffset(s, need) {
		return nil
	}
	e := &FormatError{
		Format: h.Format, Field: "voxels", Offset: h.Offset, Want: fmt.Sprintf("%d bytes behind byte %d", need, h.Offset),
		Got: strconv.FormatInt(max(0, s.FileSize-h.Offset), 10), Err: ErrTruncated, Advice: incomplete(),
	}
	if s.Compressed {
		e.Got = fmt.Sprintf("a gzip file of %d bytes, which cannot hold them", s.FileSize)
	}
	return e
}

// checkSource is checkSizes for samples that are not simply the bytes behind the header.
func (f *File) checkSource(need int64) error {
	limit, err := f.head.Source.Limit()
	if err != nil {
		return err
	}
	if limit >= need {
		return nil
	}
	return &FormatError{
		Format: f.head.Format, Field: "voxels", Want: fmt.Sprintf("%d bytes", need), Got: fmt.Sprintf("at most %d", max(0, limit)),
		Err: ErrTruncated, Advice: incomplete(),
	}
}

func incomplete() string { return "the file is incomplete; copy or download it again" }

// mendOffset mends a file whose extensions are damaged and whose voxels, were they at vox_offset, would go
// beyond the end, while they fit exactly behind the bare header: then vox_offset is damaged like the extensions.
func (f *File) mendOffset(s *volume.Stream, need int64) bool {
	h := f.head
	bare := map[string]int64{"nifti1": 352, "nifti2": 544}[h.Format]
	if !h.BadExtensions || s.Compressed || h.Pair || s.FileSize != bare+need {
		return false
	}
	h.Warn(fmt.Sprintf("vox_offset %d leaves too few bytes for the voxels, which fit exactly behind the header: read from byte %d", h.Offset, bare))
	h.Offset = bare
	return true
}

// streamErr turns early ends into ErrTruncated and damaged gzip into ErrCorrupt.
func streamErr(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ErrTruncated
	case volume.IsDamage(err):
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// frameTime reads the time between frames that MGH keeps behind the voxels.
func (f *File) frameTime() {
	h := f.head
	need, _ := h.Bytes()
	s, err := openStream(f.path, f.opt)
	if err != nil {
		return
	}
	defer s.Close()
	tr := 0.0
	if s.Skip(h.Offset+need) == nil {
		tr, _ = mgh.FrameTime(s)
	}
	h.Zooms = append(h.Zooms, tr)
}
