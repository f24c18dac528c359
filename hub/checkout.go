package hub

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Checkout copies the files of a model of the hub into a folder, each checked on the way and there whole or
// not at all; files of the same names are replaced, the model's last. It returns the paths, the model's first.
// A file is a copy and no link, so that nothing done to it reaches the hub.
func (h *Hub) Checkout(ctx context.Context, r Ref, dir string, only ...Role) ([]string, error) {
	m, err := h.manifestOf(r)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("hub: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("hub: %w", err)
	}
	defer root.Close()
	wanted := func(role Role) bool {
		if slices.Contains(only, role) {
			return true
		}
		return len(only) == 0
	}
	var out []string
	for i, f := range slices.Backward(m.files) { // the model is the first of the list

		if !wanted(f.Role) {
			continue
		}
		if err := h.copyOut(ctx, root, m.Layers[i], f.Name); err != nil {
			return nil, err
		}
		out = append([]string{filepath.Join(dir, filepath.FromSlash(f.Name))}, out...)
	}
	return out, nil
}

// copyOut copies one blob to a name below root.
func (h *Hub) copyOut(ctx context.Context, root *os.Root, d ocispec.Descriptor, name string) (err error) {
	if dir := path.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("hub: %s: %w", name, err)
		}
	}
	in, err := os.Open(h.path(d.Digest))
	if err != nil {
		return fmt.Errorf("hub: %s: %w", name, err)
	}
	defer in.Close()
	tmp := path.Join(path.Dir(name), fmt.Sprintf(".%s.%d%s", path.Base(name), os.Getpid(), temporaryEnd))
	out, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return fmt.Errorf("hub: %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			_ = root.Remove(tmp)
		}
	}()
	sum := sha256.New()
	_, err = copyAll(ctx, io.MultiWriter(out, sum), in, d.Size+1, func(n int64) { h.o.Progress(Progress{"write", name, n, d.Size}) })
	err = errors.Join(err, out.Sync(), out.Close())
	if err != nil {
		return fmt.Errorf("hub: %s: %w", name, err)
	}
	if got := sumOf(sum); got != d.Digest {
		return &DigestError{name, string(d.Digest), string(got)}
	}
	if err := root.Rename(tmp, name); err != nil {
		return fmt.Errorf("hub: %s: %w", name, err)
	}
	return nil
}
