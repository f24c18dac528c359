package server

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/nitrain/nitrain/internal/filelock"
	"github.com/nitrain/nitrain/predict/server/internal/oip"
)

// The private folders of servers, in a folder that they may share.
const (
	workPrefix = "nitrain-serve-"
	workLock   = "lock" // held as long as the server lives
)

// workFolder is the private folder of one server, gone when it closes.
type workFolder struct {
	dir  string
	lock *os.File
	disk *budget
}

// newWorkFolder makes a folder, and removes those that servers left which were killed.
func newWorkFolder(parent string, disk int64) (*workFolder, error) {
	if parent == "" {
		parent = os.TempDir()
	}
	sweep(parent)
	dir, err := os.MkdirTemp(parent, workPrefix) // mode 0700
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	w := &workFolder{dir: dir, disk: &budget{total: disk, what: "disk space"}}
	w.lock, err = os.OpenFile(filepath.Join(dir, workLock), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, err = filelock.Try(w.lock)
	}
	if err != nil {
		return nil, fmt.Errorf("server: %w", errors.Join(err, w.close()))
	}
	return w, nil
}

// sweep removes the folders whose lock nobody holds. What it may not touch stays.
func sweep(parent string) {
	folders, _ := filepath.Glob(filepath.Join(parent, workPrefix+"*"))
	for _, dir := range folders {
		lock, err := os.OpenFile(filepath.Join(dir, workLock), os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if free, err := filelock.Try(lock); free && err == nil {
			_ = os.RemoveAll(dir)
		}
		lock.Close()
	}
}

func (w *workFolder) close() error {
	err := os.RemoveAll(w.dir)
	if w.lock != nil {
		err = errors.Join(err, w.lock.Close())
	}
	return err
}

// caseFolder holds the files of one request or job. Its names are the server's own.
type caseFolder struct {
	work  *workFolder
	dir   string
	taken atomic.Int64
}

func (w *workFolder) newCase() (*caseFolder, error) {
	dir := filepath.Join(w.dir, rand.Text())
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	return &caseFolder{work: w, dir: dir}, nil
}

// remove deletes the files; it may be called again.
func (c *caseFolder) remove() {
	_ = os.RemoveAll(c.dir) // what cannot be removed now goes with the whole folder
	c.work.disk.give(c.taken.Swap(0))
}

func (c *caseFolder) take(n int64) error {
	if err := c.work.disk.take(n); err != nil {
		return err
	}
	c.taken.Add(n)
	return nil
}

// Read bytes are taken from the disk's budget as they come.
type diskReader struct {
	io.Reader
	c *caseFolder
}

func (d diskReader) Read(p []byte) (int, error) {
	n, err := d.Reader.Read(p)
	if short := d.c.take(int64(n)); short != nil {
		return 0, short
	}
	return n, err
}

// save writes an upload to a file that only this user may read, and returns its path.
func (c *caseFolder) save(n int, from io.Reader) (path string, err error) {
	in := bufio.NewReaderSize(diskReader{from, c}, 1<<16)
	magic, err := in.Peek(2)
	if err != nil {
		if fault := (*oip.Fault)(nil); errors.As(err, &fault) {
			return "", err
		}
		return "", oip.Bad("want a NIfTI image, got an empty body")
	}
	path = filepath.Join(c.dir, fmt.Sprintf("scan-%d.nii", n))
	if magic[0] == 0x1f && magic[1] == 0x8b {
		path += ".gz"
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	if _, err = io.Copy(f, in); err != nil {
		f.Close()
		return "", uploadFault(err)
	}
	return path, f.Close()
}
