package onnx

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
)

// ErrExternalData is wrapped by every error that refuses a file of external data: one that lies outside
// the model's folder, behind a symbolic or hard link, or is too short for its tensors.
var ErrExternalData = errors.New("external data refused")

// externalFiles opens the data files beside a model. The rules are those of the ONNX project's
// ExternalDataSecurity: containment in the model's folder, no symbolic link in any component, no hard link.
type externalFiles struct {
	dir string // "" where the model has no folder

	mu     sync.Mutex
	closed bool
	open   map[string]*os.File
}

func (x *externalFiles) close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closed = true
	var errs []error
	for _, f := range x.open {
		errs = append(errs, f.Close())
	}
	x.open = nil
	return errors.Join(errs...)
}

// read returns the size bytes of a tensor at l. It takes no memory before it knows that the file holds them.
func (x *externalFiles) read(l location, size int64) ([]byte, error) {
	f, at, err := x.find(l, size)
	if err != nil {
		return nil, err
	}
	out := make([]byte, size)
	if _, err := f.ReadAt(out, at); err != nil && size > 0 {
		return nil, fmt.Errorf("onnx: external data %q: %w", l.path, err)
	}
	return out, nil
}

// find returns the file of l and the offset in it, after every check that needs no data.
func (x *externalFiles) find(l location, size int64) (*os.File, int64, error) {
	f, err := x.file(l.path)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("onnx: external data %q: %w", l.path, err)
	}
	switch {
	case l.err != nil:
		return nil, 0, refused(l.path, l.err.Error())
	case l.length >= 0 && l.length != size:
		return nil, 0, refused(l.path, fmt.Sprintf("want a length of %d bytes, got %d", size, l.length))
	case l.offset < 0 || l.offset > st.Size() || size > st.Size()-l.offset:
		return nil, 0, refused(l.path, fmt.Sprintf("want %d bytes at %d, the file has %d", size, l.offset, st.Size()))
	}
	return f, l.offset, nil
}

func (x *externalFiles) file(location string) (*os.File, error) {
	if x == nil || x.dir == "" {
		return nil, refused(location, "the model was not read from a folder")
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return nil, fmt.Errorf("onnx: external data %q: %w", location, fs.ErrClosed)
	}
	if f := x.open[location]; f != nil {
		return f, nil
	}
	f, err := openContained(x.dir, location)
	if err != nil {
		return nil, err
	}
	if x.open == nil {
		x.open = map[string]*os.File{}
	}
	x.open[location] = f
	return f, nil
}

// openContained opens the regular file location inside dir, following no link.
func openContained(dir, location string) (*os.File, error) {
	if location == "" || strings.ContainsRune(location, 0) || !filepath.IsLocal(filepath.FromSlash(location)) {
		return nil, refused(location, "want a path inside the model's folder")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("onnx: external data %q: %w", location, err)
	}
	defer root.Close()
	var last fs.FileInfo
	clean := path.Clean(filepath.ToSlash(location))
	for i := range len(clean) + 1 {
		if i < len(clean) && clean[i] != '/' {
			continue
		}
		last, err = root.Lstat(clean[:i])
		if err != nil {
			return nil, fmt.Errorf("onnx: external data %q: %w", location, err)
		}
		if last.Mode()&fs.ModeSymlink != 0 {
			return nil, refused(location, "it is or lies behind a symbolic link")
		}
	}
	if !last.Mode().IsRegular() {
		return nil, refused(location, "it is not a regular file")
	}
	f, err := root.Open(clean)
	if err != nil {
		return nil, fmt.Errorf("onnx: external data %q: %w", location, err)
	}
	if err := sameAndAlone(f, last, location); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// sameAndAlone checks that the open file is the one that was looked at, and that no other name leads to it.
func sameAndAlone(f *os.File, seen fs.FileInfo, location string) error {
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("onnx: external data %q: %w", location, err)
	}
	if !os.SameFile(st, seen) {
		return refused(location, "it changed while it was opened")
	}
	if links(st) > 1 {
		return refused(location, "it has a second name (hard link)")
	}
	return nil
}

func refused(location, why string) error {
	return fmt.Errorf("onnx: %w: %q: %s", ErrExternalData, location, why)
}
