package imageio_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/internal/shared"
)

// badFiles says what each malformed file must do: fail with an error of that kind that names the field,
// or be read, with a warning that has these words (none: no warning).
func badFiles() map[string]struct {
	kind  error
	words string
} {
	type row = struct {
		kind  error
		words string
	}
	return map[string]row{
		"bad_magic.nii":       {imageio.ErrNotThisFormat, "magic"},
		"bitpix_mismatch.nii": {},
		"dt_binary1.nii":      {imageio.ErrUnsupported, "got 1 (binary)"},
		"dt_unknown.nii":      {imageio.ErrUnsupported, "got 77"},
		"empty.nii":           {imageio.ErrNotThisFormat, "empty file"},
		"ext_len_bad.nii":     {nil, "extensions are damaged"},
		"ext_len_huge.nii":    {nil, "extensions are damaged"},
		"gz_crc.nii.gz":       {imageio.ErrCorrupt, "checksum"},
		"gz_trunc.nii.gz":     {imageio.ErrTruncated, "want 42840 bytes, got 2"},
		"hdr_only.nii":        {imageio.ErrTruncated, "want 42840 bytes"},
		"huge_dims.nii":       {imageio.ErrTooLarge, "[32767 32767 32767]"},
		"huge_dims_7d.nii":    {imageio.ErrTooLarge, "more than any memory"},
		"inter_inf.nii":       {imageio.ErrCorrupt, "scl_inter"},
		"ndim0.nii":           {imageio.ErrCorrupt, "dim[0]: want 1 to 7, got 0"},
		"ndim8.nii":           {imageio.ErrCorrupt, "dim[0]: want 1 to 7, got 8"},
		"ndim_neg.nii":        {imageio.ErrCorrupt, "dim[0]: want 1 to 7, got -1"},
		"neg_dim.nii":         {imageio.ErrCorrupt, "dim[1]: want at least 1, got -5"},
		"pixdim0.nii":         {nil, "pixdim[1] 0 taken as 1"},
		"pixdim_nan.nii":      {nil, "pixdim[1] NaN taken as 1"},
		"pixdim_neg.nii":      {nil, "pixdim[1] -2 taken as 2"},
		"plain.nii.gz":        {},
		"qfac0.nii":           {},
		"qfac5.nii":           {},
		"quat_gt1.nii":        {nil, "normalised"},
		"sform_code99.nii":    {nil, "sform_code 99"},
		"sizeof_hdr_bad.nii":  {imageio.ErrCorrupt, "sizeof_hdr: want 348 or 540, got 999"},
		"slope0.nii":          {nil, "not scaled"},
		"slope_inf.nii":       {nil, "not scaled"},
		"slope_nan.nii":       {nil, "not scaled"},
		"srow_nan.nii":        {nil, "not finite: qform used"},
		"srow_zero.nii":       {nil, "singular (determinant 0): qform used"},
		"trunc_data.nii":      {imageio.ErrTruncated, "want 42840 bytes behind byte 352, got 29648"},
		"trunc_hdr.nii":       {imageio.ErrTruncated, "want at least 348 bytes, got 300"},
		"voxoff_frac.nii":     {nil, "read from byte 352"},
		"voxoff_inf.nii":      {imageio.ErrCorrupt, "vox_offset"},
		"voxoff_nan.nii":      {imageio.ErrCorrupt, "vox_offset"},
		"voxoff_neg.nii":      {imageio.ErrCorrupt, "vox_offset: want at least 352, got -16"},
		"voxoff_past_eof.nii": {imageio.ErrTruncated, "got 0"},
		"voxoff_small.nii":    {imageio.ErrCorrupt, "vox_offset: want at least 352, got 100"},
		"zero_dim.nii":        {imageio.ErrCorrupt, "dim[1]: want at least 1, got 0"},
		"zero_magic.nii":      {imageio.ErrNotThisFormat, "analyze"},
	}
}

func TestBadFiles(t *testing.T) {
	dir := shared.Dir(t, "imaging-bad")
	table := badFiles()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		want, ok := table[f.Name()]
		if !ok {
			t.Errorf("%s: not in the table", f.Name())
			continue
		}
		im, err := imageio.Read(filepath.Join(dir, f.Name()))
		if want.kind == nil {
			if err != nil {
				t.Errorf("%s: %v", f.Name(), err)
				continue
			}
			checkWarnings(t, f.Name(), im.Source.Warnings, want.words)
			continue
		}
		var fe *imageio.FormatError
		if !errors.As(err, &fe) || !errors.Is(err, want.kind) || !strings.Contains(err.Error(), want.words) {
			t.Errorf("%s: want %v with %q, got %v", f.Name(), want.kind, want.words, err)
		}
	}
}

func checkWarnings(t *testing.T, name string, got []string, words string) {
	t.Helper()
	all := strings.Join(got, "; ")
	if words == "" && all != "" || !strings.Contains(all, words) {
		t.Errorf("%s: want a warning with %q, got %q", name, words, all)
	}
}

// TestBadGeometryAgreesWithGood: what can be read of the damaged files is the undamaged image.
func TestBadGeometryAgreesWithGood(t *testing.T) {
	dir := shared.Dir(t, "imaging-bad")
	good, err := imageio.Read(filepath.Join(dir, "plain.nii.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bitpix_mismatch.nii", "pixdim0.nii", "pixdim_nan.nii", "qfac0.nii", "sform_code99.nii", "srow_nan.nii", "srow_zero.nii", "voxoff_frac.nii"} {
		im, err := imageio.Read(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !im.Grid.Same(good.Grid, 1e-4) {
			t.Errorf("%s: want affine %v, got %v", name, good.Grid.Affine, im.Grid.Affine)
		}
		for i := range good.Data {
			if im.Data[i] != good.Data[i] {
				t.Errorf("%s: sample %d: want %v, got %v", name, i, good.Data[i], im.Data[i])
				break
			}
		}
	}
}

func TestChecksumOption(t *testing.T) {
	path := filepath.Join(shared.Dir(t, "imaging-bad"), "gz_crc.nii.gz")
	im, err := imageio.Options{IgnoreChecksum: true}.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	checkWarnings(t, path, im.Source.Warnings, "checksum is wrong and was ignored")
}

func TestMaxBytes(t *testing.T) {
	path := filepath.Join(shared.Dir(t, "imaging-bad"), "plain.nii.gz")
	if _, err := (imageio.Options{MaxBytes: 85679}).Read(path); !errors.Is(err, imageio.ErrTooLarge) {
		t.Errorf("want ErrTooLarge, got %v", err)
	}
	if _, err := (imageio.Options{MaxBytes: 85680}).Read(path); err != nil {
		t.Error(err)
	}
}

func TestNotAnImage(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ content, words string }{
		"text.nii":  {"subject\tage\n01\t33\n", "text (18 bytes)"},
		"scan.dcm":  {strings.Repeat("\x00", 128) + "DICM" + strings.Repeat("\x00", 300), "a DICOM file"},
		"x.nii.gz":  {"\x1f\x8b", "gzip"},
		"photo.nii": {"\xff\xd8\xff\xe0" + strings.Repeat("x", 400), "jpeg: pixels"},
		"x.nii":     {"\x00\x01\x02\x03", "bytes 00 01 02 03"},
		"only.hdr":  {"", "empty file"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := imageio.Read(path)
		var fe *imageio.FormatError
		if !errors.As(err, &fe) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: want a FormatError with %q, got %v", name, c.words, err)
		}
	}
	if _, err := imageio.Read(filepath.Join(dir, "absent.nii")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("want ErrNotExist, got %v", err)
	}
	if _, err := imageio.Read(dir); !errors.Is(err, imageio.ErrNotThisFormat) {
		t.Errorf("a folder without images: want ErrNotThisFormat, got %v", err)
	}
}
