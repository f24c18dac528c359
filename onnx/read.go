package onnx

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/nitrain/nitrain/onnx/internal/pb"
)

// ErrNotModel is wrapped by the error for a file that is not a readable ONNX model.
var ErrNotModel = errors.New("not an ONNX model")

// ReadFile reads a model. Tensors with 1 KiB of data or more stay in the file, and external data in its own,
// until they are asked for. The folder of path is the one that external data must lie in.
func ReadFile(path string) (*Model, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	m, err := readOpen(f, path)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("onnx: %s: %w", path, err)
	}
	return m, nil
}

func readOpen(f *os.File, path string) (*Model, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, errors.New("want a regular file")
	}
	m, err := read(f, st.Size(), &externalFiles{dir: filepath.Dir(path)})
	if err != nil {
		return nil, err
	}
	m.file, m.seen = f, st
	return m, nil
}

// ErrChanged is wrapped by the error for a model whose file was written to after it was read.
var ErrChanged = errors.New("the file of the model changed after it was read")

// intact returns an error when the file that m was read from was written to since. A file that another one
// replaced by renaming is still whole.
func (m *Model) intact() error {
	if m.file == nil {
		return nil
	}
	st, err := m.file.Stat()
	if err != nil {
		return err
	}
	if st.Size() != m.seen.Size() || !st.ModTime().Equal(m.seen.ModTime()) {
		return ErrChanged
	}
	return nil
}

// Read reads a model from the first size bytes of r, which must stay readable as long as the Model lives.
// External data is refused: the model has no folder.
func Read(r io.ReaderAt, size int64) (*Model, error) {
	m, err := read(r, size, &externalFiles{})
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	return m, nil
}

func read(r io.ReaderAt, size int64, x *externalFiles) (*Model, error) {
	src := pb.NewSource(r, size)
	m := newSourceModel(src)
	m.external = x
	if err := newParser(src, x).model(m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotModel, err)
	}
	return m, nil
}
