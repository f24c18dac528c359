package tiff

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// Parse reads the directories of a file. Pages of one size and type are a stack; pages of different sizes are
// refused, but for reduced copies. Errors are *volume.FormatError without a path.
func Parse(path string) (*volume.Header, error) {
	osFile, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer osFile.Close()
	info, err := osFile.Stat()
	if err != nil {
		return nil, err
	}
	pages, f, text, err := pagesOf(osFile, info.Size())
	if err != nil {
		return nil, err
	}
	first := pages[0]
	h := &volume.Header{
		Format: format, Type: first.kind, Big: f.big && first.kind.Size() > 1, Shape: []int{first.width, first.height}, Zooms: []float64{1, 1},
		Slope: 1, AffineSource: "none", Affine: volume.Axes(nil, [3]float64{}),
	}
	h.Affine = [4][4]float64{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}}
	if len(pages) > 1 {
		h.Shape, h.Zooms = append(h.Shape, len(pages)), append(h.Zooms, 1)
	}
	if first.kept > 1 {
		h.Comps = first.kept
	}
	notes(h, first)
	if err := described(h, text, len(pages)); err != nil {
		return nil, err
	}
	s := &source{path: path, pages: pages}
	for _, p := range pages {
		s.most += min(p.size(), p.stored(f.size)*p.ratio()*int64(8*p.kind.Size())/int64(p.bits)+1024)
	}
	s.most = min(s.most, f.size*first.ratio()*int64(8*first.kind.Size())/int64(first.bits)+1024)
	h.Source = s
	return h, nil
}

func notes(h *volume.Header, p *page) {
	if p.kept < p.samples {
		h.Warn("transparency was left out")
	}
	if p.white {
		h.Warn("0 is white in this picture: the samples are as stored")
	}
	if p.palette {
		h.Warn("the picture has a palette: the samples are the numbers of its colours")
	}
	if p.turned {
		h.Warn("rows do not run from the top left corner: the samples are as stored")
	}
}

// pagesOf reads all directories and the first page's description.
func pagesOf(r io.ReaderAt, size int64) ([]*page, *file, string, error) {
	f, at, err := open(r, size)
	if err != nil {
		return nil, nil, "", err
	}
	var pages []*page
	var text string
	seen := map[int64]bool{}
	for at != 0 {
		if seen[at] || len(seen) >= mostPages {
			return nil, nil, "", bad("directory", fmt.Sprintf("a chain of at most %d pages", mostPages), "one that does not end")
		}
		seen[at] = true
		d, next, err := f.directory(at)
		if err != nil {
			return nil, nil, "", err
		}
		at = next
		if d.one(tagSubfile, 0)&1 != 0 && len(pages) > 0 {
			continue // a reduced copy of another page
		}
		p, err := f.page(d)
		if err != nil {
			return nil, nil, "", err
		}
		if len(pages) == 0 {
			text = letters(d[tagDescription])
		} else if !pages[0].same(p) {
			return nil, nil, "", unsupported("pages", "pages of one size and type", fmt.Sprintf("%d x %d and %d x %d", pages[0].width, pages[0].height, p.width, p.height))
		}
		pages = append(pages, p)
	}
	if len(pages) == 0 {
		return nil, nil, "", bad("directory", "at least one page", "none")
	}
	return pages, f, text, nil
}

func letters(values []uint64) string {
	var b strings.Builder
	for _, v := range values[:min(len(values), 1<<16)] {
		if v == 0 {
			break
		}
		b.WriteByte(byte(v))
	}
	return b.String()
}

// Place is what nitrain writes into a picture's description: where its pixels are.
type Place struct {
	Affine [4][4]float64 `json:"affine"`          // to RAS+ mm
	Shape  []int         `json:"sizes,omitempty"` // of the axes behind the second, where pages are more than slices; tifffile has its own "shape"
}

// Describe returns the text of a place.
func Describe(p Place) string {
	b, err := json.Marshal(map[string]Place{"nitrain": p})
	if err != nil {
		return "" // an affine that is not finite
	}
	return string(b)
}

// described takes the geometry of our own files, and refuses ImageJ's stacks that have a single page.
func described(h *volume.Header, text string, pages int) error {
	if strings.HasPrefix(text, "ImageJ=") && pages == 1 {
		var n int
		for line := range strings.SplitSeq(text, "\n") {
			if value, ok := strings.CutPrefix(line, "images="); ok {
				_, _ = fmt.Sscan(value, &n) // 0 where it is no number
			}
		}
		if n > 1 {
			return unsupported("pages", "one directory a page", fmt.Sprintf("ImageJ's %d pages in one", n))
		}
	}
	Apply(h, text, pages)
	return nil
}

// Apply sets the geometry that Describe has put into text, if it fits the pages.
func Apply(h *volume.Header, text string, pages int) {
	var d map[string]Place
	if !strings.HasPrefix(text, `{"nitrain"`) || json.NewDecoder(bytes.NewReader([]byte(text))).Decode(&d) != nil {
		return
	}
	place := d["nitrain"]
	if volume.CheckAffine(format, "description", place.Affine) != nil {
		return
	}
	product := 1
	for _, n := range place.Shape {
		if n < 1 || n > pages {
			return
		}
		product *= n
		if product > pages {
			return
		}
	}
	if product == pages && len(place.Shape) > 0 {
		h.Shape = append(h.Shape[:2:2], place.Shape...)
	}
	h.Affine, h.AffineSource, h.Spatial = place.Affine, "description", true
	h.Zooms = nil
	m := volume.Affine3(place.Affine)
	for i := range h.Shape {
		zoom := 1.0
		if i < 3 {
			zoom = volume.Length(m[i])
		}
		h.Zooms = append(h.Zooms, zoom)
	}
}

// source reads one page after the other.
type source struct {
	path  string
	pages []*page
	most  int64
}

// Limit bounds what the blocks can hold.
func (s *source) Limit() (int64, error) { return s.most, nil }

// Open begins a pass.
func (s *source) Open() (volume.Pass, error) {
	osFile, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	info, err := osFile.Stat()
	if err == nil {
		var f *file
		if f, _, err = open(osFile, info.Size()); err == nil {
			return &pass{File: osFile, file: f, pages: s.pages}, nil
		}
	}
	osFile.Close()
	return nil, err
}

type pass struct {
	*os.File
	file  *file
	pages []*page
	page  []byte
	left  []byte
}

// Read gives the next bytes of samples.
func (p *pass) Read(b []byte) (int, error) {
	if len(p.left) == 0 {
		if len(p.pages) == 0 {
			return 0, io.EOF
		}
		if n := p.pages[0].size(); int64(len(p.page)) != n {
			p.page = make([]byte, n)
		}
		if err := p.pages[0].decode(p.file, p.page); err != nil {
			return 0, err
		}
		p.pages, p.left = p.pages[1:], p.page
	}
	n := copy(b, p.left)
	p.left = p.left[n:]
	return n, nil
}

// Finish has nothing to verify.
func (p *pass) Finish() ([]string, error) { return nil, nil }
