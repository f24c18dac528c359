//go:build darwin || freebsd || linux

package openjpeg

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library is OpenJPEG's functions; types as in openjpeg.h.
type library struct {
	version        func() string
	createCodec    func(format uintptr) uintptr
	defaults       func(parameters unsafe.Pointer)
	setup          func(codec uintptr, parameters unsafe.Pointer) int32
	strict         func(codec uintptr, strict int32) int32
	destroyCodec   func(codec uintptr)
	createStream   func(size uintptr, input int32) uintptr
	setUser        func(stream, user, free uintptr)
	setLength      func(stream uintptr, length uint64)
	setRead        func(stream, callback uintptr)
	setSkip        func(stream, callback uintptr)
	setSeek        func(stream, callback uintptr)
	destroyStream  func(stream uintptr)
	readHeader     func(stream, codec uintptr, image *unsafe.Pointer) int32
	decode         func(codec, stream uintptr, image unsafe.Pointer) int32
	destroyImage   func(image unsafe.Pointer)
	readCallback   uintptr
	skipCallback   uintptr
	seekCallback   uintptr
	streams        sync.Map // uintptr to *stream
	nextIdentifier atomic.Uintptr
}

// load opens the library once in a process: what it registers as callbacks is never given back.
var load = sync.OnceValues(open) //nolint:gochecknoglobals // a library is loaded once in a process

// Version returns the version of the library that was found, or an error that wraps ErrMissing.
func Version() (string, error) {
	l, err := load()
	if err != nil {
		return "", err
	}
	return l.version(), nil
}

func names() []string {
	if runtime.GOOS == "darwin" {
		return []string{"libopenjp2.7.dylib", "/opt/homebrew/lib/libopenjp2.7.dylib", "/usr/local/lib/libopenjp2.7.dylib"}
	}
	return []string{"libopenjp2.so.7", "libopenjp2.so"}
}

func open() (l *library, err error) {
	var handle uintptr
	for _, name := range names() {
		if handle, err = purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_LOCAL); err == nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	l = &library{}
	for _, f := range []struct {
		dst  any
		name string
	}{
		{&l.version, "opj_version"},
		{&l.createCodec, "opj_create_decompress"},
		{&l.defaults, "opj_set_default_decoder_parameters"},
		{&l.setup, "opj_setup_decoder"},
		{&l.destroyCodec, "opj_destroy_codec"},
		{&l.createStream, "opj_stream_create"},
		{&l.setUser, "opj_stream_set_user_data"},
		{&l.setLength, "opj_stream_set_user_data_length"},
		{&l.setRead, "opj_stream_set_read_function"},
		{&l.setSkip, "opj_stream_set_skip_function"},
		{&l.setSeek, "opj_stream_set_seek_function"},
		{&l.destroyStream, "opj_stream_destroy"},
		{&l.readHeader, "opj_read_header"},
		{&l.decode, "opj_decode"},
		{&l.destroyImage, "opj_image_destroy"},
	} {
		symbol, err := purego.Dlsym(handle, f.name)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMissing, err)
		}
		purego.RegisterFunc(f.dst, symbol)
	}
	if symbol, err := purego.Dlsym(handle, "opj_decoder_set_strict_mode"); err == nil { // from 2.5
		purego.RegisterFunc(&l.strict, symbol)
	}
	l.readCallback = purego.NewCallback(l.read)
	l.skipCallback = purego.NewCallback(l.skip)
	l.seekCallback = purego.NewCallback(l.seek)
	return l, nil
}

// stream is the bytes of one picture and how far they were read.
type stream struct {
	data []byte
	at   int
}

func (l *library) stream(user uintptr) *stream {
	s, ok := l.streams.Load(user)
	if !ok {
		return &stream{}
	}
	return s.(*stream) //nolint:forcetypeassert // the map holds nothing else
}

func (l *library) read(buf unsafe.Pointer, n, user uintptr) uintptr {
	s := l.stream(user)
	if s.at >= len(s.data) {
		return ^uintptr(0)
	}
	m := copy(unsafe.Slice((*byte)(buf), n), s.data[s.at:])
	s.at += m
	return uintptr(m)
}

func (l *library) skip(n, user uintptr) uintptr {
	s := l.stream(user)
	to := s.at + int(n)
	if to < 0 || s.at >= len(s.data) && int(n) > 0 {
		return ^uintptr(0)
	}
	was := s.at
	s.at = min(to, len(s.data))
	return uintptr(s.at - was)
}

func (l *library) seek(to, user uintptr) uintptr {
	s := l.stream(user)
	if int(to) < 0 || int(to) > len(s.data) {
		return 0
	}
	s.at = int(to)
	return 1
}

// component is opj_image_comp_t.
type component struct {
	dx, dy, w, h    uint32
	_, _            uint32 // x0, y0
	prec, _, signed uint32 // and bpp
	_, _            uint32 // resolutions, factor
	data            *int32
	_               uint16 // alpha
}

// picture is opj_image_t.
type picture struct {
	_, _, _, _ uint32 // x0, y0, x1, y1
	components uint32
	_          int32 // colour space
	comps      *component
	_          unsafe.Pointer // profile
	_          uint32
}

// Decode decodes one picture.
func Decode(data []byte, want Expect) (*Image, error) {
	l, err := load()
	if err != nil {
		return nil, err
	}
	kind, err := format(data)
	if err != nil {
		return nil, err
	}
	if err := checkSize(data, want); err != nil {
		return nil, err
	}
	codec := l.createCodec(kind)
	if codec == 0 {
		return nil, errors.New("the library has no decoder")
	}
	defer l.destroyCodec(codec)
	var parameters [4096]uint64 // opj_dparameters_t takes a little over 8 kB
	l.defaults(unsafe.Pointer(&parameters))
	if l.setup(codec, unsafe.Pointer(&parameters)) == 0 {
		return nil, errors.New("the decoder could not be set up")
	}
	if l.strict != nil {
		l.strict(codec, 1)
	}
	in := l.createStream(1<<16, 1)
	if in == 0 {
		return nil, errors.New("no stream")
	}
	defer l.destroyStream(in)
	id := l.nextIdentifier.Add(1)
	l.streams.Store(id, &stream{data: data})
	defer l.streams.Delete(id)
	l.setUser(in, id, 0)
	l.setLength(in, uint64(len(data)))
	l.setRead(in, l.readCallback)
	l.setSkip(in, l.skipCallback)
	l.setSeek(in, l.seekCallback)
	return l.picture(codec, in, want)
}

func (l *library) picture(codec, in uintptr, want Expect) (*Image, error) {
	var p unsafe.Pointer
	ok := l.readHeader(in, codec, &p)
	if p != nil {
		defer func() { l.destroyImage(p) }()
	}
	if ok == 0 || p == nil {
		return nil, errors.New("the codestream's header is damaged")
	}
	if err := checkPicture(p, want, false); err != nil {
		return nil, err
	}
	if l.decode(codec, in, p) == 0 {
		return nil, fmt.Errorf("the codestream is damaged: %w", io.ErrUnexpectedEOF)
	}
	if err := checkPicture(p, want, true); err != nil {
		return nil, err
	}
	return collect((*picture)(p), want), nil
}

// checkPicture holds what the library found against what is expected.
func checkPicture(p unsafe.Pointer, want Expect, decoded bool) error {
	img := (*picture)(p)
	if int(img.components) != want.Components || img.comps == nil {
		return fmt.Errorf("want %d components, got %d", want.Components, img.components)
	}
	first := img.comps
	for _, c := range unsafe.Slice(img.comps, want.Components) {
		if int(c.w) != want.Width || int(c.h) != want.Height || c.dx != 1 || c.dy != 1 {
			return fmt.Errorf("want %d x %d pixels, got a component of %d x %d", want.Width, want.Height, c.w, c.h)
		}
		if c.prec != first.prec || c.signed != first.signed || c.prec < 1 || c.prec > 32 {
			return errors.New("components of several types")
		}
		if decoded && c.data == nil {
			return errors.New("nothing was decoded")
		}
	}
	return nil
}

func collect(p *picture, want Expect) *Image {
	n := want.Width * want.Height
	comps := unsafe.Slice(p.comps, want.Components)
	img := &Image{Width: want.Width, Height: want.Height, Components: want.Components, Precision: int(comps[0].prec), Signed: comps[0].signed != 0, Samples: make([]int32, n*want.Components)}
	for c := range comps {
		for i, v := range unsafe.Slice(comps[c].data, n) {
			img.Samples[i*want.Components+c] = v
		}
	}
	return img
}
