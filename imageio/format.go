package imageio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/nitrain/nitrain/imageio/internal/metaimage"
	"github.com/nitrain/nitrain/imageio/internal/mgh"
	"github.com/nitrain/nitrain/imageio/internal/nifti"
	"github.com/nitrain/nitrain/imageio/internal/nrrd"
	"github.com/nitrain/nitrain/imageio/internal/picture"
	"github.com/nitrain/nitrain/imageio/internal/tiff"
	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// opening is a file whose first bytes are known and whose format is about to be.
type opening struct {
	path string
	head []byte         // up to nifti.HeadSize bytes, uncompressed
	rest *volume.Stream // what follows head
	opt  Options
	pair bool // the name is that of a header whose samples are in another file
}

// all gives the file's bytes from the first.
func (o *opening) all() io.Reader { return io.MultiReader(bytes.NewReader(o.head), o.rest) }

// format is one format that files can have. The bytes decide, never the name.
type format struct {
	is   func(head []byte) bool
	read func(o *opening) (*volume.Header, error)
}

// formats lists them in the order in which a file is asked.
func formats() []format {
	return []format{
		{mgh.Is, func(o *opening) (*volume.Header, error) { return mgh.Parse(o.head[:min(len(o.head), mgh.HeadSize)]) }},
		{nrrd.Is, func(o *opening) (*volume.Header, error) { return nrrd.Parse(o.all(), o.where()) }},
		{metaimage.Is, func(o *opening) (*volume.Header, error) { return metaimage.Parse(o.all(), o.where()) }},
		{picture.IsPNG, readPNG},
		{picture.IsJPEG, func(o *opening) (*volume.Header, error) { return picture.ParseJPEG(o.picture()) }},
		{tiff.Is, func(o *opening) (*volume.Header, error) { return tiff.Parse(o.path) }},
		{nifti.Is, readNIfTI},
	}
}

// readPNG reads a PNG and, if Write put it there, where its pixels are.
func readPNG(o *opening) (*volume.Header, error) {
	h, err := picture.ParsePNG(o.head, o.picture())
	if err != nil {
		return nil, err
	}
	tiff.Apply(h, picture.Text(o.all(), "nitrain"), 1)
	return h, nil
}

// picture lets a decoder open the file from its first byte as often as it wants.
func (o *opening) picture() picture.File {
	return picture.File{Size: o.rest.Limit(), Open: func() (io.ReadCloser, error) { return openStream(o.path, o.opt) }}
}

func (o *opening) where() volume.Where {
	return volume.Where{Path: o.path, Outside: o.opt.OutsideFiles, IgnoreSums: o.opt.IgnoreChecksum}
}

// readNIfTI reads NIfTI, and Analyze where the name is that of a pair: only the magic tells the two apart.
func readNIfTI(o *opening) (*volume.Header, error) {
	if o.pair && !nifti.Magic(o.head) {
		return nifti.ParseAnalyze(o.head)
	}
	return nifti.Parse(o.head, o.rest)
}

func readHeader(path string, pair bool, o Options) (*volume.Header, error) {
	s, err := openStream(path, o)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	head := make([]byte, nifti.HeadSize)
	n, err := io.ReadFull(s, head)
	head = head[:n]
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, &FormatError{Path: path, Field: "header", Err: streamErr(err)}
	}
	file := &opening{path: path, head: head, rest: s, opt: o, pair: pair}
	for _, f := range formats() {
		if f.is(head) {
			h, err := f.read(file)
			if err != nil {
				return nil, withPath(err, path)
			}
			return h, nil
		}
	}
	return nil, withPath(unknown(head, s), path)
}

func openStream(path string, o Options) (*volume.Stream, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, &FormatError{Path: path, Want: "an image file", Got: "a folder", Err: ErrUnsupported}
	}
	s, err := volume.OpenStream(path, o.IgnoreChecksum)
	var sys *os.PathError
	if err != nil && !errors.As(err, &sys) {
		return nil, &FormatError{Path: path, Format: "gzip", Field: "header", Err: streamErr(err)}
	}
	return s, err
}

// unknown says what the bytes look like.
func unknown(head []byte, s *volume.Stream) error {
	if len(head) == 0 {
		return &FormatError{Field: "header", Want: "an image", Got: "an empty file", Err: ErrNotThisFormat}
	}
	looks := fmt.Sprintf("bytes % x ...", head[:min(len(head), 8)])
	switch {
	case isText(head):
		looks = "text"
	case len(head) >= 132 && string(head[128:132]) == "DICM":
		looks = "a DICOM file"
	case strings.HasPrefix(string(head), "PK\x03\x04"):
		looks = "a zip archive"
	}
	got := fmt.Sprintf("%s (%d bytes)", looks, s.FileSize)
	return &FormatError{Field: "header", Want: "a medical image or a picture", Got: got, Err: ErrNotThisFormat}
}

func isText(head []byte) bool {
	for _, c := range head {
		if c < 32 && c != '\n' && c != '\r' && c != '\t' || c == 127 {
			return false
		}
	}
	return utf8.Valid(head)
}
