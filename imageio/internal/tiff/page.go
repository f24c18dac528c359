package tiff

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"golang.org/x/image/tiff/lzw"

	"github.com/nitrain/nitrain/imageio/internal/volume"
)

// page is how the pixels of one page are stored.
type page struct {
	width, height int
	bits          int // of a sample
	kept          int // samples of a pixel that are kept
	samples       int // of a pixel
	kind          volume.Type
	compression   uint64
	predictor     uint64
	planar        bool // each sample of a pixel has a plane of its own
	flip          bool // bits of a byte are the other way round
	tileW, tileH  int
	places        []uint64
	counts        []uint64
	white         bool // 0 is white
	palette       bool
	turned        bool // rows do not run from the top left corner
}

// same reports whether two pages can lie in one stack.
func (p *page) same(o *page) bool {
	return p.width == o.width && p.height == o.height && p.kind == o.kind && p.kept == o.kept
}

func (f *file) page(d directory) (*page, error) {
	w, h := d.one(tagWidth, 0), d.one(tagHeight, 0)
	if w < 1 || h < 1 || w > math.MaxInt32 || h > math.MaxInt32 {
		return nil, bad("ImageWidth", "sizes from 1 to 2147483647", fmt.Sprintf("%d x %d", w, h))
	}
	p := &page{
		width: int(w), height: int(h), samples: int(min(d.one(tagSamples, 1), 1<<16)), compression: d.one(tagCompression, 1),
		predictor: d.one(tagPredictor, 1), flip: d.one(tagFillOrder, 1) == 2, turned: d.one(tagOrientation, 1) != 1,
	}
	if err := p.sample(d); err != nil {
		return nil, err
	}
	switch d.one(tagPhotometric, 1) {
	case 0:
		p.white = true
	case 3:
		p.palette = true
	case 6:
		return nil, unsupported("PhotometricInterpretation", "grey, palette or RGB", "6 (YCbCr)")
	}
	p.kept = p.samples
	if photometric := d.one(tagPhotometric, 1); photometric == 2 && p.samples > 3 {
		p.kept = 3 // the others are transparency
	} else if photometric <= 1 && p.samples == 2 {
		p.kept = 1
	}
	p.planar = d.one(tagPlanar, 1) == 2 && p.samples > 1
	if float64(w)*float64(h)*float64(p.samples)*8 > 1<<50 {
		return nil, &volume.FormatError{Format: format, Field: "ImageWidth", Want: "a size that fits a memory", Got: fmt.Sprintf("%d x %d", w, h), Err: volume.ErrTooLarge}
	}
	if err := p.blocks(d); err != nil {
		return nil, err
	}
	// a block is unpacked as a whole, so it must be able to be so large
	if block := float64(p.rowBytes()) * float64(p.tileH); block > float64(p.stored(f.size)*p.ratio()+1024) {
		return nil, &volume.FormatError{Format: format, Field: "strip", Want: fmt.Sprintf("%.0f bytes", block), Got: fmt.Sprintf("%d in the file", p.stored(f.size)), Err: volume.ErrTruncated}
	}
	return p, nil
}

// sample finds the type of the samples.
func (p *page) sample(d directory) error {
	p.bits = int(d.one(tagBits, 1))
	for _, b := range d[tagBits] {
		if int(b) != p.bits {
			return unsupported("BitsPerSample", "one number of bits", fmt.Sprint(d[tagBits][:min(8, len(d[tagBits]))]))
		}
	}
	if p.samples < 1 {
		return bad("SamplesPerPixel", "at least 1", "0")
	}
	form := d.one(tagFormat, 1)
	types := map[[2]uint64]volume.Type{
		{1, 8}: volume.Uint8, {1, 16}: volume.Uint16, {1, 32}: volume.Uint32, {1, 64}: volume.Uint64,
		{2, 8}: volume.Int8, {2, 16}: volume.Int16, {2, 32}: volume.Int32, {2, 64}: volume.Int64,
		{3, 32}: volume.Float32, {3, 64}: volume.Float64, {5, 32}: volume.Invalid,
	}
	if form == 4 {
		form = 1
	}
	if form == 1 && p.bits > 0 && p.bits < 16 {
		p.kind = volume.Uint8
		if p.bits > 8 {
			p.kind = volume.Uint16
		}
		return nil
	}
	p.kind = types[[2]uint64{form, uint64(p.bits)}]
	if p.kind == volume.Invalid {
		return unsupported("SampleFormat", "whole numbers or floats of usual sizes", fmt.Sprintf("format %d of %d bits", form, p.bits))
	}
	return nil
}

// blocks finds the strips or tiles.
func (p *page) blocks(d directory) error {
	p.tileW, p.tileH = p.width, int(min(d.one(tagRows, uint64(p.height)), uint64(p.height)))
	p.places, p.counts = d[tagStrips], d[tagCounts]
	if len(d[tagTiles]) > 0 {
		w, h := d.one(tagTileWidth, 0), d.one(tagTileHeight, 0)
		if w < 1 || h < 1 || w > 1<<16 || h > 1<<16 {
			return bad("TileWidth", "sizes from 1 to 65536", fmt.Sprintf("%d x %d", w, h))
		}
		p.tileW, p.tileH, p.places, p.counts = int(w), int(h), d[tagTiles], d[tagTileCounts]
	}
	if p.tileH < 1 {
		return bad("RowsPerStrip", "at least 1", "0")
	}
	across, down := p.grid()
	want := int64(across) * int64(down) // both below 2^31
	if p.planar {
		want *= int64(p.samples)
	}
	if len(p.counts) == 0 && p.compression == 1 && len(p.places) == 1 {
		p.counts = []uint64{uint64(p.rowBytes()) * uint64(p.height)}
	}
	if int64(len(p.places)) < want || int64(len(p.counts)) < want {
		return bad("StripOffsets", fmt.Sprintf("%d offsets and sizes", want), fmt.Sprintf("%d and %d", len(p.places), len(p.counts)))
	}
	p.places, p.counts = p.places[:want], p.counts[:want]
	switch p.compression {
	case 1, 5, 8, 32946, 32773:
	default:
		return unsupported("Compression", "none, LZW, deflate or PackBits", strconv.FormatUint(p.compression, 10))
	}
	if p.predictor < 1 || p.predictor > 3 || p.predictor > 1 && p.bits%8 != 0 {
		return unsupported("Predictor", "1 to 3", strconv.FormatUint(p.predictor, 10))
	}
	return nil
}

func (p *page) grid() (across, down int) {
	return (p.width + p.tileW - 1) / p.tileW, (p.height + p.tileH - 1) / p.tileH
}

// inBlock is how many samples of a pixel a block has.
func (p *page) inBlock() int {
	if p.planar {
		return 1
	}
	return p.samples
}

// rowBytes is how many bytes a row of a block takes.
func (p *page) rowBytes() int64 {
	return (int64(p.tileW)*int64(p.inBlock())*int64(p.bits) + 7) / 8
}

// ratio is how many bytes can come of one stored byte.
func (p *page) ratio() int64 {
	switch p.compression {
	case 1:
		return 1
	case 5:
		return 2800
	case 32773:
		return 128
	}
	return volume.MaxRatio
}

// stored is how many bytes the blocks take, at most those of the file.
func (p *page) stored(fileSize int64) int64 {
	total := int64(0)
	for _, n := range p.counts {
		if total += int64(min(n, uint64(fileSize))); total >= fileSize {
			return fileSize
		}
	}
	return total
}

// size is how many bytes of samples the page gives.
func (p *page) size() int64 {
	return int64(p.width) * int64(p.height) * int64(p.kept) * int64(p.kind.Size())
}

// decode fills out with the page's samples, those of a pixel together.
func (p *page) decode(f *file, out []byte) error {
	across, down := p.grid()
	block := make([]byte, p.rowBytes()*int64(p.tileH))
	for i := range p.places {
		plane, at := i/(across*down), i%(across*down)
		if plane >= p.kept {
			break
		}
		rows := min(p.tileH, p.height-at/across*p.tileH)
		if p.tileW != p.width || across > 1 {
			rows = p.tileH // tiles are whole
		}
		b := block[:p.rowBytes()*int64(rows)]
		if err := p.unpack(f, b, int64(p.places[i]), int64(p.counts[i])); err != nil {
			return err
		}
		p.place(f, out, b, plane, at%across*p.tileW, at/across*p.tileH)
	}
	return nil
}

// unpack decompresses one block and undoes its prediction.
func (p *page) unpack(f *file, b []byte, at, n int64) error {
	if at < 0 || n < 0 || at > f.size-n {
		return &volume.FormatError{Format: format, Field: "strip", Offset: at, Want: fmt.Sprintf("%d bytes", n), Got: "the end of the file", Err: volume.ErrTruncated}
	}
	var r io.Reader = io.NewSectionReader(f.r, at, n)
	if p.flip {
		r = &reversed{r}
	}
	switch p.compression {
	case 5:
		z := lzw.NewReader(r, lzw.MSB, 8)
		defer z.Close()
		r = z
	case 8, 32946:
		z, err := zlib.NewReader(r)
		if err != nil {
			return corrupt(err)
		}
		defer z.Close()
		r = z
	case 32773:
		r = &packBits{r: r}
	}
	if _, err := io.ReadFull(r, b); err != nil {
		return corrupt(err)
	}
	p.unpredict(f, b)
	return nil
}

func corrupt(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return volume.ErrTruncated
	}
	return &volume.FormatError{Format: format, Field: "strip", Got: err.Error(), Err: volume.ErrCorrupt}
}

// place copies a block's samples to their pixels.
func (p *page) place(f *file, out, b []byte, plane, x0, y0 int) {
	n, size := p.inBlock(), p.kind.Size()
	width := min(p.tileW, p.width-x0)
	rowBytes := int(p.rowBytes())
	for y := 0; y < p.tileH && y0+y < p.height; y++ {
		row := b[y*rowBytes : (y+1)*rowBytes]
		if p.bits%8 != 0 {
			row = p.spread(f, row)
		}
		to := out[((y0+y)*p.width+x0)*p.kept*size:]
		if n == p.kept {
			copy(to[:width*n*size], row)
			continue
		}
		for x := range width {
			for c := range min(n, p.kept) {
				copy(to[(x*p.kept+plane+c)*size:][:size], row[(x*n+c)*size:])
			}
		}
	}
}

// spread gives samples of few bits whole bytes.
func (p *page) spread(f *file, row []byte) []byte {
	n := p.tileW * p.inBlock()
	out := make([]byte, 0, n*p.kind.Size())
	for i := range n {
		v := uint64(0)
		for bit := i * p.bits; bit < (i+1)*p.bits; bit++ {
			v = v<<1 | uint64(row[bit/8]>>(7-bit%8)&1)
		}
		if p.kind == volume.Uint8 {
			out = append(out, byte(v))
			continue
		}
		var two [2]byte
		f.order.PutUint16(two[:], uint16(v))
		out = append(out, two[:]...)
	}
	return out
}

// unpredict undoes horizontal differences (2) and those of the bytes of floats (3).
func (p *page) unpredict(f *file, b []byte) {
	if p.predictor == 1 {
		return
	}
	n, size := p.inBlock(), p.bits/8
	rowBytes := int(p.rowBytes())
	scratch := make([]byte, rowBytes)
	for row := b; len(row) >= rowBytes; row = row[rowBytes:] {
		line := row[:rowBytes]
		if p.predictor == 3 {
			for i := n; i < len(line); i++ {
				line[i] += line[i-n]
			}
			together(f, line, size, scratch)
			continue
		}
		for i := n * size; i < len(line); i += size {
			f.add(line[i:i+size], line[i-n*size:])
		}
	}
}

// add adds whole numbers of some bytes.
func (f *file) add(to, b []byte) {
	switch len(to) {
	case 1:
		to[0] += b[0]
	case 2:
		f.order.PutUint16(to, f.order.Uint16(to)+f.order.Uint16(b))
	case 4:
		f.order.PutUint32(to, f.order.Uint32(to)+f.order.Uint32(b))
	case 8:
		f.order.PutUint64(to, f.order.Uint64(to)+f.order.Uint64(b))
	}
}

// together brings the bytes of floats, whose highest bytes come first in a row, back together.
func together(f *file, line []byte, size int, scratch []byte) {
	count := len(line) / size
	out := scratch[:0]
	for i := range count {
		for k := range size {
			if !f.big {
				k = size - 1 - k
			}
			out = append(out, line[k*count+i])
		}
	}
	copy(line, out)
}

// reversed gives bytes with their bits the other way round.
type reversed struct{ r io.Reader }

func (r *reversed) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	for i, v := range b[:n] {
		v = v>>4 | v<<4
		v = v>>2&0x33 | v<<2&0xcc
		b[i] = v>>1&0x55 | v<<1&0xaa
	}
	return n, err
}

// packBits is Apple's run-length code.
type packBits struct {
	r    io.Reader
	left bytes.Buffer
	one  [128]byte
}

func (p *packBits) Read(b []byte) (int, error) {
	for p.left.Len() == 0 {
		if _, err := io.ReadFull(p.r, p.one[:1]); err != nil {
			return 0, err
		}
		switch n := int(int8(p.one[0])); {
		case n >= 0:
			if _, err := io.ReadFull(p.r, p.one[:n+1]); err != nil {
				return 0, err
			}
			p.left.Write(p.one[:n+1])
		case n > -128:
			if _, err := io.ReadFull(p.r, p.one[:1]); err != nil {
				return 0, err
			}
			p.left.Write(bytes.Repeat(p.one[:1], 1-n))
		}
	}
	return p.left.Read(b)
}
