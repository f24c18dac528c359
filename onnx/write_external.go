package onnx

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/nitrain/nitrain/internal/atomicfile"
)

// externalSlot is a tensor of the file whose data is external, and what stands there now.
type externalSlot struct {
	from origin
	old  *stored
	now  *Tensor
}

func (s externalSlot) changed() bool { return !s.now.unchanged(s.from) }

// placeExternal decides where the external data of m goes and writes the data files that are needed. The
// layout of a data file is kept: a tensor whose size did not change keeps its offset, others go to the end.
func (e *encoder) placeExternal(dir, base string, m *Model) (made []string, err error) {
	files := map[string][]externalSlot{}
	var order []string
	for _, s := range m.externalSlots() {
		if files[s.old.where.path] == nil {
			order = append(order, s.old.where.path)
		}
		files[s.old.where.path] = append(files[s.old.where.path], s)
	}
	if len(order) == 0 {
		return nil, nil
	}
	here, err := sameDir(dir, m.external.dir)
	if err != nil {
		return nil, err
	}
	for _, path := range order {
		slots := files[path]
		if here && !slices.ContainsFunc(slots, externalSlot.changed) {
			continue
		}
		name, err := freeName(dir, base, path, here)
		if err != nil {
			return made, err
		}
		target := filepath.Join(dir, filepath.FromSlash(name))
		made = append(made, target)
		if err := e.writeData(target, name, slots, m.external); err != nil {
			return made, err
		}
	}
	return made, nil
}

func sameDir(a, b string) (bool, error) {
	sa, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	sb, err := os.Stat(b)
	if err != nil {
		return false, err
	}
	return os.SameFile(sa, sb), nil
}

// freeName returns a name for a data file that no file has: the old one in another folder, else one after
// the model's.
func freeName(dir, base, location string, here bool) (string, error) {
	names := []string{location}
	if here {
		names = nil
	}
	names = append(names, base+".data")
	for i := 1; ; i++ {
		for _, n := range names {
			_, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(n)))
			if errors.Is(err, fs.ErrNotExist) {
				return n, nil
			}
			if err != nil {
				return "", err
			}
		}
		names = []string{fmt.Sprintf("%s.%d.data", base, i)}
	}
}

// alignment is where a large tensor begins in a data file, so that it can be mapped.
const alignment = 4096

// writeData writes the data file of slots and notes where their tensors lie.
func (e *encoder) writeData(target, name string, slots []externalSlot, x *externalFiles) error {
	f, err := x.file(slots[0].old.where.path)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		return err
	}
	changed, end, err := e.layout(name, slots, st.Size())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
		return err
	}
	return atomicfile.Write(target, func(w io.Writer) error { return overlay(w, f, st.Size(), end, changed) })
}

// patch is a tensor that replaces bytes of a data file.
type patch struct {
	offset, length int64
	tensor         *Tensor
}

// layout gives each slot its place in the new file and returns the changed tensors by their offset.
func (e *encoder) layout(name string, slots []externalSlot, end int64) ([]patch, int64, error) {
	var out []patch
	for _, s := range slots {
		where := s.old.where
		where.path = name
		if s.changed() {
			n, err := Elements(s.now.shape)
			if err != nil {
				return nil, 0, err
			}
			size := int64(s.now.dtype.bytesFor(n))
			if size != s.size() || shared(s, slots) {
				where.offset = (end + alignment - 1) / alignment * alignment
				end = where.offset + size
			}
			where.length = size
			out = append(out, patch{where.offset, size, s.now})
			if where.checksum != "" {
				if where.checksum, err = sum(s.now); err != nil {
					return nil, 0, err
				}
			}
		}
		e.data[s.from] = where
	}
	slices.SortFunc(out, func(a, b patch) int { return int(min(max(a.offset-b.offset, -1), 1)) })
	return out, end, nil
}

// size returns the bytes that the slot's old tensor takes in its file, -1 when its shape is impossible.
func (s externalSlot) size() int64 {
	if s.old.where.length >= 0 {
		return s.old.where.length
	}
	return -1
}

// shared reports whether another slot reads some of the same bytes.
func shared(s externalSlot, slots []externalSlot) bool {
	a := s.old.where
	for _, o := range slots {
		b := o.old.where
		if o.from != s.from && (b.length < 0 || a.offset < b.offset+b.length) && b.offset < a.offset+a.length {
			return true
		}
	}
	return false
}

func sum(t *Tensor) (string, error) {
	b, err := t.Bytes()
	h := sha1.Sum(b)
	return hex.EncodeToString(h[:]), err
}

// overlay writes the size bytes of old up to end, with the patches in their places and zeros in the gaps.
func overlay(w io.Writer, old io.ReaderAt, size, end int64, patches []patch) error {
	at := int64(0)
	for _, p := range patches {
		if err := copyRange(w, old, size, at, p.offset); err != nil {
			return err
		}
		b, err := p.tensor.Bytes()
		if err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		at = p.offset + p.length
	}
	return copyRange(w, old, size, at, end)
}

func copyRange(w io.Writer, old io.ReaderAt, size, from, to int64) error {
	if stop := min(to, size); from < stop {
		if _, err := io.Copy(w, io.NewSectionReader(old, from, stop-from)); err != nil {
			return err
		}
		from = stop
	}
	if from >= to {
		return nil
	}
	_, err := io.Copy(w, io.LimitReader(zeros{}, to-from))
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
