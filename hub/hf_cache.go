package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nitrain/nitrain/internal/filelock"
)

// The cache has the layout of Python's huggingface_hub, so that both find each other's files:
// models--org--name/{refs/REVISION, blobs/ETAG, snapshots/COMMIT/FILE -> ../../blobs/ETAG} and .locks.

func (f *huggingFace) folderName() string {
	return "models--" + strings.ReplaceAll(f.ref.Name, "/", "--")
}

func (f *huggingFace) folder() string { return filepath.Join(f.o.Cache, f.folderName()) }

// snapshot is where a file of the commit is found.
func (f *huggingFace) snapshot(name string) string {
	return filepath.Join(f.folder(), "snapshots", f.commit, filepath.FromSlash(name))
}

// cached reads the revision's commit from the cache and lists the files that are there.
func (f *huggingFace) cached() ([]string, error) {
	f.commit = f.ref.Tag
	if !validHex(f.commit, 40) {
		raw, err := readSmall(filepath.Join(f.folder(), "refs", filepath.FromSlash(f.ref.Tag)), 4096)
		if err != nil {
			return nil, fmt.Errorf("hub: %s: not in the cache, and offline: %w", f.ref, err)
		}
		if f.commit = strings.TrimSpace(string(raw)); !validHex(f.commit, 40) {
			return nil, &DamageError{"refs/" + f.ref.Tag, "want a commit"}
		}
	}
	root := f.snapshot("")
	var names []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		names = append(names, filepath.ToSlash(rel))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("hub: %s: not in the cache, and offline: %w", f.ref, err)
	}
	return names, nil
}

// download brings one file of the commit into the cache, unless an undamaged one is there, and returns its
// path in the snapshot.
func (f *huggingFace) download(ctx context.Context, name string) (string, error) {
	if err := checkFileName(name); err != nil {
		return "", fmt.Errorf("hub: %w", err)
	}
	if f.o.Offline {
		return f.snapshot(name), f.checkCached(ctx, name)
	}
	e, err := f.head(ctx, name)
	if err != nil {
		return "", err
	}
	if err := f.blob(ctx, name, e); err != nil {
		return "", err
	}
	if err := f.link(name, e); err != nil {
		return "", fmt.Errorf("hub: %s: %w", name, err)
	}
	return f.snapshot(name), nil
}

// checkCached checks a file of the cache against the digest that its blob is named after.
func (f *huggingFace) checkCached(ctx context.Context, name string) error {
	at := f.snapshot(name)
	st, err := os.Stat(at)
	if err != nil {
		return fmt.Errorf("hub: %s: %s: not in the cache, and offline: %w", f.ref, name, os.ErrNotExist)
	}
	target, err := os.Readlink(at)
	e := entry{etag: filepath.Base(target), size: st.Size()}
	if err != nil || !e.known() {
		return nil //nolint:nilerr // a copy, on a system without links: nothing says what it should be
	}
	if err := e.check(ctx, at); err != nil {
		return fmt.Errorf("hub: %s: %w", name, err)
	}
	return nil
}

// known reports whether the etag is a digest.
func (e entry) known() bool { return validHex(e.etag, 40) || validHex(e.etag, 64) }

// blob brings the bytes of a file into the cache. The lock is the one that huggingface_hub takes.
func (f *huggingFace) blob(ctx context.Context, name string, e entry) error {
	locks := filepath.Join(f.o.Cache, ".locks", f.folderName())
	for _, dir := range []string{locks, filepath.Join(f.folder(), "blobs")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("hub: %w", err)
		}
	}
	release, err := filelock.Wait(ctx, filepath.Join(locks, e.etag+".lock"))
	if err != nil {
		return fmt.Errorf("hub: %s: %w", name, err)
	}
	defer release()
	place := filepath.Join(f.folder(), "blobs", e.etag)
	t := transfer{
		name: name, part: place + ".incomplete", size: e.size, want: e.etag, hash: e.hash(),
		open: func(ctx context.Context, offset int64) (io.ReadCloser, int64, error) {
			resp, err := get(ctx, f.do, f.address(name), offset, nil)
			if err != nil {
				return nil, 0, err
			}
			return ranged(resp, offset)
		},
		told: func(n int64) { f.h.o.Progress(Progress{"pull", name, n, e.size}) },
	}
	if err := e.check(ctx, place); err == nil {
		return nil
	}
	if err := t.run(ctx); err != nil {
		return err
	}
	return install(t.part, place)
}

// hash returns the hash that gives the etag: SHA-256 for a file in LFS, git's SHA-1 for another.
func (e entry) hash() func() hash.Hash {
	if len(e.etag) == 2*sha256.Size {
		return sha256.New
	}
	return func() hash.Hash {
		h := sha1.New()
		fmt.Fprintf(h, "blob %d\x00", e.size)
		return h
	}
}

// check reports whether the file at path is the one that the server describes.
func (e entry) check(ctx context.Context, path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	h := e.hash()()
	if _, err := copyAll(ctx, h, in, e.size+1, nil); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != e.etag {
		return &DigestError{path, e.etag, got}
	}
	return nil
}

// link makes the snapshot's name for a blob, and the name of the revision.
func (f *huggingFace) link(name string, e entry) error {
	at := f.snapshot(name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	up := strings.Repeat("../", strings.Count(name, "/")+2)
	target := filepath.FromSlash(up + "blobs/" + e.etag)
	if was, err := os.Readlink(at); err != nil || was != target {
		_ = os.Remove(at) // a link to another blob, or a file from a system without links
		if err := os.Symlink(target, at); err != nil && !errors.Is(err, fs.ErrExist) {
			if err := copyFile(filepath.Join(f.folder(), "blobs", e.etag), at); err != nil {
				return err
			}
		}
	}
	if f.ref.Tag == f.commit {
		return nil
	}
	ref := filepath.Join(f.folder(), "refs", filepath.FromSlash(f.ref.Tag))
	if raw, err := readSmall(ref, 4096); err == nil && string(raw) == f.commit {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(ref), 0o755); err != nil {
		return err
	}
	return replace(ref, []byte(f.commit), 0o644)
}

// copyFile stands in for a link where the system has none.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
