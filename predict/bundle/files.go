package bundle

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Limits of a bundle's files.
const (
	maxConfig  = 16 << 20 // bytes of one configuration file; the largest of the zoo has 15 kB
	maxEntries = 1 << 16  // files of a zip
	maxModel   = 16 << 30 // bytes of a model inside a zip
)

// files is where a bundle's files are: a folder or a zip. Names are slash-separated and relative to the bundle.
type files interface {
	has(name string) bool
	read(name string, most int64) ([]byte, error)
	open(name string, most int64) (io.ReadCloser, error)
	list(dir string) []string // the files right inside a folder, sorted
	local(name string) string // the path of a file on this machine; empty inside a zip
	close() error
}

func openFiles(name string) (files, error) {
	stat, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	if stat.IsDir() {
		root, err := os.OpenRoot(name)
		if err != nil {
			return nil, fmt.Errorf("bundle: %w", err)
		}
		return &folder{name: name, root: root}, nil
	}
	return openZip(name)
}

// safeName reports whether a name stays inside the bundle.
func safeName(name string) bool {
	return fs.ValidPath(name) && name != "." && !strings.ContainsAny(name, "\\:\x00")
}

// folder is a bundle in a folder. No path in it may lead over a link.
type folder struct {
	name string
	root *os.Root
}

// check refuses names that climb and links, at any level.
func (d *folder) check(name string) (fs.FileInfo, error) {
	if !safeName(name) {
		return nil, &UnsafeError{d.name, name, "is no path inside the bundle"}
	}
	var info fs.FileInfo
	parts := strings.Split(name, "/")
	for i := range parts {
		part := strings.Join(parts[:i+1], "/")
		var err error
		if info, err = d.root.Lstat(part); err != nil {
			return nil, fmt.Errorf("bundle: %w", err)
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			return nil, &UnsafeError{d.name, part, "is a link; links are not followed (cp -rL makes a copy without)"}
		}
	}
	if !info.Mode().IsRegular() {
		return nil, &UnsafeError{d.name, name, "is no regular file"}
	}
	return info, nil
}

// has reports also what open will refuse, so that it is refused and not overlooked.
func (d *folder) has(name string) bool {
	_, err := d.check(name)
	_, unsafe := errors.AsType[*UnsafeError](err)
	return err == nil || unsafe
}

func (d *folder) open(name string, most int64) (io.ReadCloser, error) {
	info, err := d.check(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > most {
		return nil, tooLarge(d.name, name, most)
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	return f, nil
}

func (d *folder) read(name string, most int64) ([]byte, error) {
	return readFrom(d, d.name, name, most)
}

func (d *folder) list(dir string) []string {
	entries, err := fs.ReadDir(d.root.FS(), dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, path.Join(dir, e.Name()))
		}
	}
	return names
}

func (d *folder) local(name string) string { return filepath.Join(d.name, filepath.FromSlash(name)) }
func (d *folder) close() error             { return d.root.Close() }

func tooLarge(bundle, name string, most int64) error {
	return &UnsafeError{bundle, name, fmt.Sprintf("is larger than %d bytes", most)}
}

func readFrom(f files, bundle, name string, most int64) ([]byte, error) {
	r, err := f.open(name, most)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, fmt.Errorf("bundle: %s: %s: %w", bundle, name, err)
	}
	if int64(len(data)) > most {
		return nil, tooLarge(bundle, name, most)
	}
	return data, nil
}

// archive is a bundle in a zip, whose files may lie in one folder of it. Every entry is looked at when it is opened:
// one that climbs, is absolute or a link, or stands twice makes the whole archive refused.
type archive struct {
	name    string
	zip     *zip.ReadCloser
	entries map[string]*zip.File
}

func openZip(name string) (files, error) {
	z, err := zip.OpenReader(name)
	if err != nil {
		return nil, &NotABundleError{name, "neither a folder nor a zip file: " + err.Error()}
	}
	a := &archive{name: name, zip: z, entries: map[string]*zip.File{}}
	if err := a.index(); err != nil {
		return nil, errors.Join(err, z.Close())
	}
	return a, nil
}

func (a *archive) index() error {
	if len(a.zip.File) > maxEntries {
		return &UnsafeError{a.name, "", fmt.Sprintf("holds more than %d files", maxEntries)}
	}
	for _, f := range a.zip.File {
		clean := strings.TrimSuffix(f.Name, "/")
		switch {
		case !safeName(clean):
			return &UnsafeError{a.name, f.Name, "is no path inside the bundle"}
		case f.Mode()&fs.ModeSymlink != 0:
			return &UnsafeError{a.name, f.Name, "is a link"}
		case a.entries[clean] != nil:
			return &UnsafeError{a.name, f.Name, "stands twice in the zip"}
		}
		if !f.Mode().IsDir() {
			a.entries[clean] = f
		}
	}
	a.strip(a.root())
	return nil
}

// root returns the folder that holds configs/, the one nearest to the top.
func (a *archive) root() string {
	var roots []string
	for n := range a.entries {
		if dir, base := path.Split(n); path.Base(dir) == "configs" && (base == "metadata.json" || strings.HasPrefix(base, "inference.")) {
			roots = append(roots, path.Dir(path.Clean(dir)))
		}
	}
	slices.SortFunc(roots, func(x, y string) int {
		if d := strings.Count(x, "/") - strings.Count(y, "/"); d != 0 && x != "." && y != "." {
			return d
		}
		return strings.Compare(x, y)
	})
	if len(roots) == 0 || roots[0] == "." {
		return ""
	}
	return roots[0] + "/"
}

func (a *archive) strip(root string) {
	if root == "" {
		return
	}
	inside := map[string]*zip.File{}
	for n, f := range a.entries {
		if rest, ok := strings.CutPrefix(n, root); ok {
			inside[rest] = f
		}
	}
	a.entries = inside
}

func (a *archive) has(name string) bool { return a.entries[name] != nil }

func (a *archive) open(name string, most int64) (io.ReadCloser, error) {
	f := a.entries[name]
	if f == nil {
		return nil, fmt.Errorf("bundle: %s: %s: %w", a.name, shorten(name), fs.ErrNotExist)
	}
	if f.UncompressedSize64 > uint64(most) {
		return nil, tooLarge(a.name, name, most)
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("bundle: %s: %s: %w", a.name, name, err)
	}
	return r, nil
}

func (a *archive) read(name string, most int64) ([]byte, error) {
	return readFrom(a, a.name, name, most)
}

func (a *archive) list(dir string) []string {
	var names []string
	for n := range a.entries {
		if path.Dir(n) == dir {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

func (a *archive) local(string) string { return "" }
func (a *archive) close() error        { return a.zip.Close() }
