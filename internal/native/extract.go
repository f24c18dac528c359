package native

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// maxUnpacked is how many bytes of an archive are unpacked at most on the way to the wanted member.
const maxUnpacked = 2 << 30

// maxMembers is how many members an archive may have.
const maxMembers = 100_000

// extract copies one member of a .whl (zip) or .tgz archive to w. No other member is unpacked to the disk and
// no path in the archive is used. A member longer than limit bytes is an error.
func extract(archive, member string, limit int64, w io.Writer) error {
	var err error
	if strings.HasSuffix(archive, ".tgz") {
		err = extractTar(archive, member, limit, w)
	} else {
		err = extractZip(archive, member, limit, w)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	return nil
}

func extractZip(archive, member string, limit int64, w io.Writer) error {
	r, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer r.Close()
	for _, f := range r.File {
		if f.Name != member {
			continue
		}
		if !f.Mode().IsRegular() {
			return fmt.Errorf("%s is not a plain file", member)
		}
		if f.UncompressedSize64 > uint64(limit) {
			return fmt.Errorf("%s: want at most %d bytes, got %d", member, limit, f.UncompressedSize64)
		}
		body, err := f.Open()
		if err != nil {
			return err
		}
		defer body.Close()
		return copyLimited(w, body, limit)
	}
	return fmt.Errorf("%s: %w", member, fs.ErrNotExist)
}

func extractTar(archive, member string, limit int64, w io.Writer) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	defer z.Close()
	r := tar.NewReader(io.LimitReader(z, maxUnpacked))
	for range maxMembers {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%s: %w", member, fs.ErrNotExist)
		}
		if err != nil {
			return err
		}
		if h.Name != member {
			continue
		}
		if h.Typeflag != tar.TypeReg {
			return fmt.Errorf("%s is not a plain file", member)
		}
		return copyLimited(w, r, limit)
	}
	return fmt.Errorf("more than %d members", maxMembers)
}

// copyLimited copies r to w and fails when r holds more than limit bytes.
func copyLimited(w io.Writer, r io.Reader, limit int64) error {
	n, err := io.Copy(w, io.LimitReader(r, limit+1))
	if err != nil {
		return err
	}
	if n > limit {
		return fmt.Errorf("more than %d bytes", limit)
	}
	return nil
}
