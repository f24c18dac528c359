package hub

import (
	"context"
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

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The ends of names in the folder ingest.
const (
	temporaryEnd = ".tmp"     // of one process, of no use to another
	partialEnd   = ".part"    // a download that the next pull goes on with
	sessionEnd   = ".session" // an upload that the next push goes on with
)

func (h *Hub) blobs() string  { return filepath.Join(h.dir, ocispec.ImageBlobsDir, "sha256") }
func (h *Hub) ingest() string { return filepath.Join(h.dir, "ingest") }

// path returns where a blob is kept; d has been checked.
func (h *Hub) path(d digest.Digest) string { return filepath.Join(h.blobs(), d.Encoded()) }

// partial returns where a blob is downloaded to.
func (h *Hub) partial(d digest.Digest) string {
	return filepath.Join(h.ingest(), d.Encoded()+partialEnd)
}

// DigestError says that bytes are not the ones that their name promises.
type DigestError struct {
	File string // what it should be
	Want string
	Got  string
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("hub: %s: want %s, got %s", e.File, e.Want, e.Got)
}

// Hint says what helps.
func (e *DigestError) Hint() string {
	return "the file is damaged where it comes from; pull it again, from elsewhere if need be"
}

// verifyBlob re-hashes a blob of the hub. It returns fs.ErrNotExist, wrapped, where there is none.
func (h *Hub) verifyBlob(ctx context.Context, desc ocispec.Descriptor, name string, told func(int64)) error {
	f, err := os.Open(h.path(desc.Digest))
	if err != nil {
		return fmt.Errorf("hub: %s: %w", name, err)
	}
	defer f.Close()
	sum := sha256.New()
	n, err := copyAll(ctx, sum, f, desc.Size+1, told)
	if err != nil {
		return fmt.Errorf("hub: %s: %w", name, err)
	}
	if n != desc.Size {
		return &DigestError{name, fmt.Sprintf("%d bytes of %s", desc.Size, desc.Digest), fmt.Sprintf("%d bytes or more", n)}
	}
	if got := sumOf(sum); got != desc.Digest {
		return &DigestError{name, string(desc.Digest), string(got)}
	}
	return nil
}

// read returns the checked bytes of a small blob.
func (h *Hub) read(desc ocispec.Descriptor, name string) ([]byte, error) {
	if desc.Size > maxDocument {
		return nil, fmt.Errorf("hub: %s: want at most %d bytes, got %d", name, maxDocument, desc.Size)
	}
	f, err := os.Open(h.path(desc.Digest))
	if err != nil {
		return nil, fmt.Errorf("hub: %s: %w", name, err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, desc.Size+1))
	if err != nil {
		return nil, fmt.Errorf("hub: %s: %w", name, err)
	}
	if got := digest.FromBytes(raw); got != desc.Digest {
		return nil, &DigestError{name, string(desc.Digest), string(got)}
	}
	return raw, nil
}

// add copies r, which has at most limit bytes, into the hub and returns its digest and size.
func (h *Hub) add(ctx context.Context, r io.Reader, limit int64, told func(int64)) (digest.Digest, int64, error) {
	tmp, err := os.CreateTemp(h.ingest(), "pack-*"+temporaryEnd)
	if err != nil {
		return "", 0, err
	}
	defer os.Remove(tmp.Name())
	sum := sha256.New()
	n, err := copyAll(ctx, io.MultiWriter(tmp, sum), r, limit+1, told)
	if err == nil && n > limit {
		err = fmt.Errorf("want at most %d bytes in all", limit)
	}
	if err == nil {
		err = finish(tmp)
	}
	if closed := tmp.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return "", 0, err
	}
	d := sumOf(sum)
	return d, n, install(tmp.Name(), h.path(d))
}

// addBytes puts a small text into the hub.
func (h *Hub) addBytes(ctx context.Context, mediaType string, raw []byte) (ocispec.Descriptor, error) {
	d, n, err := h.add(ctx, strings.NewReader(string(raw)), maxDocument, nil)
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: n}, err
}

func sumOf(h hash.Hash) digest.Digest {
	return digest.Digest("sha256:" + hex.EncodeToString(h.Sum(nil)))
}

// copyAll copies at most limit bytes, until r ends or ctx does, and tells how many have been copied.
func copyAll(ctx context.Context, w io.Writer, r io.Reader, limit int64, told func(int64)) (int64, error) {
	buf := make([]byte, 1<<20)
	var n int64
	for n < limit {
		if err := context.Cause(ctx); err != nil {
			return n, err
		}
		k, err := r.Read(buf[:min(int64(len(buf)), limit-n)])
		if k > 0 {
			if _, err := w.Write(buf[:k]); err != nil {
				return n, err
			}
			n += int64(k)
			if told != nil {
				told(n)
			}
		}
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// finish brings a file to the disk with the mode of files that others may read.
func finish(f *os.File) error { return errors.Join(f.Chmod(0o644), f.Sync()) }

// install renames a finished file to its place and makes that outlive a power cut.
func install(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	defer dir.Close()
	_ = dir.Sync() // some file systems refuse; the rename itself is done
	return nil
}

// replace writes a small file that appears whole or not at all.
func replace(path string, raw []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*"+temporaryEnd)
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(raw)
	if err == nil {
		err = errors.Join(tmp.Chmod(mode), tmp.Sync())
	}
	if closed := tmp.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return install(tmp.Name(), path)
}

// exists reports whether there is something at path.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
