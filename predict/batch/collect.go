package batch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/dataset"
)

// Collect finds the scans that arguments name:
//
//   - a file, a DICOM folder or one volume of it ("folder#2");
//   - a folder: every image file and DICOM volume in it and below;
//   - a pattern for [dataset.Glob];
//   - several of these with commas between them: the channels of one scan, or patterns of them that
//     are paired as [dataset.ReadGlobs] does.
//
// many says that results belong in a folder: the arguments may name more than one scan. IDs are the scans' paths below their
// folder (or the part of the pattern without wildcards) without extension; equal ones get folders in front.
// The folder skip, and what is below it, is left out. A folder without scans and a pattern without matches are errors.
func Collect(args []string, skip string) (jobs []Job, many bool, err error) {
	c := collector{skip: skip, many: len(args) > 1}
	folders := 0
	for _, arg := range args {
		if isFolder(arg) {
			folders++
		}
	}
	var errs []error
	for _, arg := range args {
		errs = append(errs, c.argument(arg, folders > 1))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, false, err
	}
	jobs, err = c.named()
	return jobs, c.many || len(jobs) > 1, err
}

// FromCases makes jobs of a list's cases.
func FromCases(cases []dataset.Case) ([]Job, error) {
	jobs := make([]Job, len(cases))
	for i, c := range cases {
		if !filepath.IsLocal(filepath.FromSlash(c.ID)) {
			return nil, &dataset.ListError{Err: fmt.Errorf("case id %q: want a name that can be a file's below a folder", c.ID)}
		}
		jobs[i] = Job{ID: filepath.ToSlash(c.ID), Images: c.Images}
	}
	return jobs, nil
}

// collector gathers scans.
type collector struct {
	skip  string
	many  bool
	found []scan
}

// scan is a scan that was found: its ID where nothing else has it, and the path that tells it apart from equal ones.
type scan struct {
	id, path string
	images   []string
}

func (c *collector) add(id, path string, images ...string) {
	c.found = append(c.found, scan{filepath.ToSlash(id), filepath.ToSlash(path), images})
}

func (c *collector) argument(arg string, several bool) error {
	switch {
	case isFolder(arg):
		return c.folder(arg, several)
	case exists(arg):
		c.add(stem(filepath.Base(arg)), stem(arg), arg)
	case strings.Contains(arg, ","):
		return c.channels(strings.Split(arg, ","))
	case wild(arg):
		return c.pattern(arg)
	default: // what is not there is said when it is read
		name := volumeName(arg)
		c.add(stem(filepath.Base(name)), stem(name), arg)
	}
	return nil
}

// channels adds the scan whose channels are parts, or the scans that patterns of channels name.
func (c *collector) channels(parts []string) error {
	for i, p := range parts {
		if p = strings.TrimSpace(p); p == "" {
			return &dataset.ListError{Err: fmt.Errorf("%s: channel %d: want a file, got nothing", strings.Join(parts, ","), i+1)}
		}
		parts[i] = p
	}
	if !slices.ContainsFunc(parts, func(p string) bool { return wild(p) && !exists(p) }) {
		name := volumeName(parts[0])
		c.add(stem(filepath.Base(name)), stem(name), parts...)
		return nil
	}
	cases, err := dataset.ReadGlobs(parts, "")
	if err != nil {
		return err
	}
	c.many = true
	root := fixed(parts[0])
	for _, one := range cases {
		c.add(below(root, stem(one.Images[0])), stem(one.Images[0]), one.Images...)
	}
	return nil
}

// pattern adds what a pattern matches; folders as if each were named.
func (c *collector) pattern(pattern string) error {
	paths, err := dataset.Glob(pattern)
	if err != nil {
		return err
	}
	c.many = true
	root := fixed(pattern)
	for _, path := range paths {
		if !isFolder(path) {
			c.add(below(root, stem(path)), stem(path), path)
			continue
		}
		if err := c.walk(path, below(root, path)); err != nil {
			return err
		}
	}
	return nil
}

// folder adds the scans in a folder that was named; several puts its name in front of theirs.
func (c *collector) folder(root string, several bool) error {
	before := len(c.found)
	prefix := "."
	if several {
		prefix = filepath.Base(filepath.Clean(root))
	}
	if err := c.walk(root, prefix); err != nil {
		return err
	}
	found := c.found[before:]
	if len(found) == 0 {
		return &dataset.ListError{Err: fmt.Errorf("%s: no image files and no DICOM series in this folder or below", root)}
	}
	if len(found) > 1 || !isFolder(found[0].images[0]) {
		c.many = true
	}
	return nil
}

// walk adds the scans in a folder and below. prefix stands in front of their paths in it.
func (c *collector) walk(root, prefix string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return &InputError{Path: path, Err: err}
		}
		if path != root && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		rel := filepath.Join(prefix, below(root, path))
		switch {
		case d.IsDir() && c.skip != "" && same(path, c.skip) && path != root:
			return filepath.SkipDir
		case d.IsDir():
			if imageio.IsDICOM(path) {
				c.series(path, rel)
			}
		case isImage(d.Name()):
			c.add(stem(rel), stem(path), path)
		}
		return nil
	})
}

// series adds the volumes of a DICOM folder. A folder that cannot be read is added whole: what is wrong with it is said
// when its turn comes.
func (c *collector) series(dir, rel string) {
	if rel == "." {
		rel = filepath.Base(absolute(dir))
	}
	volumes, err := imageio.Series(dir)
	if err != nil || len(volumes) < 2 {
		c.add(rel, dir, dir)
		return
	}
	for i, v := range volumes {
		suffix := "_" + strconv.Itoa(i+1)
		c.add(rel+suffix, dir+suffix, v.Path)
	}
}

// named makes jobs of the scans. Where two have one ID, all IDs are the paths below the folder that holds all.
func (c *collector) named() ([]Job, error) {
	ids := map[string]bool{}
	clash := false
	for _, s := range c.found {
		clash = clash || ids[s.id]
		ids[s.id] = true
	}
	if clash {
		c.lengthen()
	}
	jobs := make([]Job, len(c.found))
	by := map[string]Job{}
	for i, s := range c.found {
		jobs[i] = Job{ID: s.id, Images: s.images}
		if other, twice := by[s.id]; twice {
			return nil, &PlaceError{fmt.Errorf("%s: want a result for each scan, got one name for %s and %s", s.id, other.scan(), jobs[i].scan())}
		}
		by[s.id] = jobs[i]
	}
	return jobs, nil
}

// lengthen makes the IDs paths below the deepest folder that holds every scan.
func (c *collector) lengthen() {
	var common []string
	for i := range c.found {
		s := &c.found[i]
		s.path = filepath.ToSlash(absolute(filepath.FromSlash(s.path)))
		parts := strings.Split(s.path, "/")
		parts = parts[:len(parts)-1]
		if i == 0 {
			common = parts
		}
		n := 0
		for n < min(len(common), len(parts)) && common[n] == parts[n] {
			n++
		}
		common = common[:n]
	}
	root := strings.Join(common, "/") + "/"
	for i := range c.found {
		c.found[i].id = strings.TrimPrefix(c.found[i].path, root)
	}
}

// fixed is the folder in front of a pattern's first wildcard.
func fixed(pattern string) string {
	parts := strings.Split(filepath.ToSlash(pattern), "/")
	i := slices.IndexFunc(parts, wild)
	if i < 0 {
		i = len(parts) - 1
	}
	root := strings.Join(parts[:i], "/")
	if root == "" && strings.HasPrefix(pattern, "/") {
		root = "/"
	}
	return root
}

func wild(s string) bool { return strings.ContainsAny(s, "*?[") }

// below returns path relative to root, or path's last element where it is not below.
func below(root, path string) string {
	if root == "" {
		root = "."
	}
	rel, err := filepath.Rel(root, path)
	if err != nil || !filepath.IsLocal(rel) {
		return filepath.Base(path)
	}
	return rel
}

// volumeName is a path with the number of a DICOM folder's volume in a form that names files: "folder#2" is "folder_2".
func volumeName(path string) string {
	base, n, found := strings.Cut(path, "#")
	if found && isFolder(base) {
		return strings.TrimRight(base, `/\`) + "_" + n
	}
	return path
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}

// same reports whether two paths name one file or folder that is there.
func same(a, b string) bool {
	one, err1 := os.Stat(a)
	other, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(one, other)
}
