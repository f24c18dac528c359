package imageio_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio"
)

// allocated returns the bytes that f allocates, those that are freed again too.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// tryAllocation reads bytes as a file and holds: no panic; errors of the package's type; opening takes at most 4
// times the file and 1 MB, reading at most 4 times the samples that Open has verified, as float32, and 1 MB.
func tryAllocation(t *testing.T, path string, size int) {
	t.Helper()
	opt := imageio.Options{MaxBytes: 4 << 20}
	var f *imageio.File
	var err error
	if used := allocated(func() { f, err = opt.Open(path) }); used > 4*uint64(size)+1<<20 {
		t.Errorf("opening %d bytes took %d", size, used)
	}
	if err != nil {
		var fe *imageio.FormatError
		if !errors.As(err, &fe) && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("untyped error %T: %v", err, err)
		}
		return
	}
	verified := uint64(4 * f.Components)
	for _, n := range f.Shape {
		verified *= uint64(n)
	}
	if content, err := os.ReadFile(path); err == nil && bytes.Contains(bytes.ToLower(content), []byte("bz")) {
		verified += 1 << 20 // bzip2 unpacks blocks of 900 kB in 3.6 MB
	}
	var im *imageio.Image
	if used := allocated(func() { im, err = f.Image(imageio.Intensity) }); used > 4*verified+1<<20 {
		t.Errorf("reading %d bytes of samples from a file of %d took %d", verified, size, used)
	}
	if err != nil {
		var fe *imageio.FormatError
		if !errors.As(err, &fe) && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("untyped error %T: %v", err, err)
		}
		return
	}
	if err := im.Validate(); err != nil {
		t.Errorf("invalid image: %v", err)
	}
	d, err := opt.Describe(path, true)
	if err != nil {
		t.Errorf("read but not described: %v", err)
		return
	}
	if _, err := json.Marshal(d); err != nil {
		t.Error(err)
	}
}

func fuzzFormat(f *testing.F, name string) {
	f.Fuzz(func(t *testing.T, data []byte) { tryAllocation(t, store(t, name, data), len(data)) })
}

// written returns the bytes of the subjects in a format.
func written(f *testing.F, end string) {
	for _, s := range subjects() {
		path := filepath.Join(f.TempDir(), "a"+end)
		if imageio.Write(path, s.im) != nil {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

const nrrdHead = "NRRD0004\ntype: short\ndimension: 3\nspace: RAS\nsizes: 2 2 2\nspace directions: (1,0,0) (0,1,0) (0,0,1)\nendian: little\nspace origin: (1,2,3)\n"

func FuzzNRRD(f *testing.F) {
	written(f, ".nrrd")
	for _, tail := range []string{
		"encoding: raw\n\n" + strings.Repeat("ab", 8), "encoding: ascii\n\n1 2 3 4 5 6 7 -8\n", "encoding: hex\n\n" + strings.Repeat("0a 1B", 4),
		"encoding: raw\nbyte skip: -1\n\nxxxx" + strings.Repeat("ab", 8), "encoding: raw\nline skip: 1\n\nremark\n" + strings.Repeat("ab", 8),
		"encoding: raw\ndata file: LIST\na\nb\n", "encoding: raw\ndata file: a%02d 1 2 1 2\n\n", "encoding: bzip2\n\nBZh9",
	} {
		f.Add([]byte(nrrdHead + tail))
	}
	f.Add([]byte("NRRD0005\ntype: float\ndimension: 4\nsizes: 2 3 1 2\nkinds: domain domain list domain\nspacings: 1 2 nan 3\nendian: big\nencoding: raw\n\n" + strings.Repeat("abcd", 12)))
	fuzzFormat(f, "f.nrrd")
}

func FuzzMetaImage(f *testing.F) {
	written(f, ".mha")
	f.Add([]byte("NDims = 2\nDimSize = 2 2\nElementType = MET_UCHAR\nBinaryData = False\nElementDataFile = LOCAL\n1 2 3 4"))
	f.Add([]byte("NDims = 3\nDimSize = 2 2 2\nElementType = MET_SHORT\nHeaderSize = -1\nElementDataFile = LIST\na\nb\n"))
	fuzzFormat(f, "f.mha")
}

func FuzzTIFF(f *testing.F) {
	written(f, ".tif")
	fuzzFormat(f, "f.tif")
}

func FuzzPicture(f *testing.F) {
	written(f, ".png")
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 9, 7)), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	fuzzFormat(f, "f.png")
}

func FuzzAnalyze(f *testing.F) {
	h := newHeader(4, 2, 2, 2)
	h.Magic, h.VoxOffset = [4]byte{}, 0
	b := encode(f, binary.LittleEndian, h)[:348]
	f.Add(b)
	f.Fuzz(func(t *testing.T, data []byte) {
		path := store(t, "f.hdr", data)
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "f.img"), make([]byte, 4096), 0o600); err != nil {
			t.Fatal(err)
		}
		tryAllocation(t, path, len(data)+4096)
	})
}

// TestBadFormats: rows of bad input that are not of NIfTI. Each must fail with its kind of error and the words.
func TestBadFormats(t *testing.T) {
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	if _, err := w.Write(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	mha := func(lines string) string { return "ObjectType = Image\n" + lines }
	for name, c := range map[string]struct {
		content string
		kind    error
		words   string
	}{
		"parent.nrrd":    {nrrdHead + "encoding: raw\ndata file: ../../etc/passwd\n\n", imageio.ErrUnsupported, "a file in the header's folder"},
		"absolute.nrrd":  {nrrdHead + "encoding: raw\ndata file: /etc/passwd\n\n", imageio.ErrUnsupported, "a file in the header's folder"},
		"many.nrrd":      {nrrdHead + "encoding: raw\ndata file: x%d.raw 1 1000000000 1\n\n", imageio.ErrTooLarge, "at most 8 files"},
		"backwards.nrrd": {nrrdHead + "encoding: raw\nbyte skip: -5\n\n", imageio.ErrCorrupt, "a number from -1"},
		"short.nrrd":     {nrrdHead + "encoding: raw\n\n12345", imageio.ErrTruncated, "want 16 bytes, got at most 5"},
		"text.nrrd":      {nrrdHead + "encoding: ascii\n\n1 2 3 4 5 6 seven 8", imageio.ErrCorrupt, "text that is no int16"},
		"large.nrrd":     {nrrdHead + "encoding: ascii\n\n1 2 3 4 5 6 7 99999", imageio.ErrCorrupt, "text that is no int16"},
		"block.nrrd":     {strings.Replace(nrrdHead, "short", "block", 1) + "encoding: raw\n\n", imageio.ErrUnsupported, "block"},
		"order.nrrd":     {strings.Replace(nrrdHead, "endian: little\n", "", 1) + "encoding: raw\n\n" + strings.Repeat("ab", 8), imageio.ErrCorrupt, "endian"},
		"huge.nrrd":      {strings.Replace(nrrdHead, "2 2 2", "2000000000 2000000000 2000000000", 1) + "encoding: raw\n\n", imageio.ErrTooLarge, "sizes"},
		"flat.nrrd":      {strings.Replace(nrrdHead, "(0,0,1)", "(0,1,0)", 1) + "encoding: raw\n\n" + strings.Repeat("ab", 8), imageio.ErrGeometry, "determinant 0"},
		"endless.nrrd":   {nrrdHead + "encoding: raw\n" + strings.Repeat("# remark\n", 200000), imageio.ErrTooLarge, "empty line"},
		"parent.mhd":     {mha("NDims = 2\nDimSize = 2 2\nElementType = MET_UCHAR\nElementDataFile = ../x.raw\n"), imageio.ErrUnsupported, "a file in the header's folder"},
		"type.mha":       {mha("NDims = 2\nDimSize = 2 2\nElementType = MET_NONE\nElementDataFile = LOCAL\nabcd"), imageio.ErrCorrupt, "ElementType"},
		"packed.mha":     {mha("NDims = 2\nDimSize = 5 5\nElementType = MET_UCHAR\nCompressedData = True\nElementDataFile = LOCAL\n") + z.String(), imageio.ErrTruncated, "want 25 bytes, got 10"},
		"noise.mha":      {mha("NDims = 2\nDimSize = 5 5\nElementType = MET_UCHAR\nCompressedData = True\nElementDataFile = LOCAL\nneither this nor that"), imageio.ErrCorrupt, "neither gzip nor zlib"},
		"nofile.mha":     {mha("NDims = 2\nDimSize = 5 5\nElementType = MET_UCHAR\n"), imageio.ErrCorrupt, "ElementDataFile"},
		"tube.mha":       {"ObjectType = Tube\nNDims = 3\nElementDataFile = LOCAL\n", imageio.ErrUnsupported, "Image"},
		"huge.png":       {"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x01\x00\x00\x00\x01\x00\x00\x08\x00\x00\x00\x00crc.", imageio.ErrTruncated, "voxels"},
		"loop.tif":       {"II*\x00\x08\x00\x00\x00\x00\x00\x08\x00\x00\x00", imageio.ErrCorrupt, "ImageWidth"},
		"empty.tif":      {"II*\x00\x00\x00\x00\x00", imageio.ErrCorrupt, "at least one page"},
	} {
		path := store(t, name, []byte(c.content))
		_, err := imageio.Read(path)
		var fe *imageio.FormatError
		if !errors.As(err, &fe) || !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: want %v with %q, got %v", name, c.kind, c.words, err)
		}
		tryAllocation(t, path, len(c.content))
	}
}

// TestDetachedForms: LIST, patterns, several axes a file, byte and line skips, big endian, text: the same voxels.
func TestDetachedForms(t *testing.T) {
	dir := t.TempDir()
	put := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("s01.raw", "skip\x01\x00\x02\x00\x03\x00\x04\x00")
	put("s02.raw", "skip\x05\x00\x06\x00\x07\x00\x08\x00")
	put("b.raw", "one line\n\x00\x01\x00\x02\x00\x03\x00\x04\x00\x05\x00\x06\x00\x07\x00\x08")
	big := strings.Replace(nrrdHead, "little", "big", 1)
	mhd := "NDims = 3\nDimSize = 2 2 2\nOffset = -1 -2 3\nElementType = MET_SHORT\n"
	for name, header := range map[string]string{
		"list.nhdr":    nrrdHead + "encoding: raw\nbyte skip: 4\ndata file: LIST\ns01.raw\ns02.raw\n",
		"subdim.nhdr":  nrrdHead + "encoding: raw\nbyte skip: 4\ndata file: LIST 2\ns01.raw\ns02.raw\n",
		"pattern.nhdr": nrrdHead + "encoding: raw\nbyte skip: -1\ndata file: s%02d.raw 1 2 1\n\n",
		"skips.nhdr":   big + "encoding: raw\nline skip: 1\ndatafile: b.raw\n\n",
		"tail.nhdr":    big + "encoding: raw\nbyte skip: -1\ndata file: b.raw\n\n",
		"crlf.nrrd":    strings.ReplaceAll(nrrdHead+"encoding: txt\n\n1 2,3\n4 5 6 7 8\n", "\n", "\r\n"),
		"hex.nrrd":     big + "encoding: hex\n\n0001 0002 0003 0004\n000500060007 0008",
		"list.mhd":     mhd + "HeaderSize = 4\nElementDataFile = LIST\ns01.raw\ns02.raw\n",
		"pattern.mhd":  mhd + "HeaderSize = -1\nElementDataFile = s%02d.raw 1 2 1\n",
		"big.mhd":      mhd + "ElementByteOrderMSB = True\nHeaderSize = 9\nElementDataFile = b.raw\n",
		"text.mha":     mhd + "BinaryData = False\nElementDataFile = LOCAL\n1 2 3 4 5 6 7 8\n",
	} {
		put(name, header)
		im, err := imageio.Read(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if fmt.Sprint(im.Data) != "[1 2 3 4 5 6 7 8]" {
			t.Errorf("%s: voxels %v", name, im.Data)
		}
		if p := im.Grid.World(0, 0, 0); p != [3]float64{1, 2, 3} {
			t.Errorf("%s: first voxel at %v", name, p)
		}
	}
}
