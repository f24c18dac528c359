// Package record writes what happened during a run, so that a kill at any moment leaves a folder from which
// the run goes on. docs/run-folder.md describes the files.
package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/nitrain/nitrain/internal/atomicfile"
)

// The files of a run folder.
const (
	Events  = "events.jsonl"
	Metrics = "metrics.csv"
	Run     = "run.json"
	Status  = "status.json"
	Page    = "report.html"
	Last    = "checkpoints/last"
	Best    = "checkpoints/best"
)

// Dir is an open run folder. One process at a time may hold it; its methods may be called by goroutines.
type Dir struct {
	path   string
	mu     sync.Mutex
	events *os.File
	broken error // of an append that left half a line
}

// ExistsError says that a folder already holds a run.
type ExistsError struct{ Path string }

func (e *ExistsError) Error() string { return fmt.Sprintf("record: %s: holds a run already", e.Path) }

// Hint says how to go on.
func (e *ExistsError) Hint() string {
	return "continue it with --resume " + e.Path + ", or name another folder"
}

// Create makes a run folder. A folder that exists must be empty.
func Create(path string) (*Dir, error) {
	entries, err := os.ReadDir(path)
	switch {
	case err == nil && contains(entries, Run):
		return nil, &ExistsError{path}
	case err == nil && len(entries) > 0 && !leftovers(entries):
		return nil, fmt.Errorf("record: %s: want an empty or new folder, it holds %s", path, entries[0].Name())
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("record: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(path, "checkpoints"), 0o777); err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	return open(path)
}

// leftovers reports whether a folder holds nothing but what Create makes before a run begins.
func leftovers(entries []fs.DirEntry) bool {
	for _, e := range entries {
		if e.Name() != Events && e.Name() != "checkpoints" && e.Name() != "source.onnx" && !atomicfile.Temporary(e.Name()) {
			return false
		}
	}
	return true
}

func contains(entries []fs.DirEntry, name string) bool {
	for _, e := range entries {
		if e.Name() == name {
			return true
		}
	}
	return false
}

// Open opens the folder of a run that was begun before. Half a line at the end of the events, left by a
// kill, is cut off.
func Open(path string) (*Dir, error) {
	if _, err := os.Stat(filepath.Join(path, Run)); err != nil {
		return nil, fmt.Errorf("record: %s: not a run folder: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Join(path, "checkpoints"), 0o777); err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	return open(path)
}

func open(path string) (*Dir, error) {
	f, err := os.OpenFile(filepath.Join(path, Events), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	if err := lock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("record: %s: another process is training in this folder", path)
	}
	end, err := wholeLines(f)
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err == nil {
		err = sweep(path)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("record: %w", err)
	}
	return &Dir{path: path, events: f}, nil
}

// wholeLines returns the length of a file up to its last line feed.
func wholeLines(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 4096)
	for end := info.Size(); end > 0; {
		start := max(0, end-int64(len(buf)))
		n, err := f.ReadAt(buf[:end-start], start)
		if err != nil && err != io.EOF {
			return 0, err
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return start + int64(i) + 1, nil
		}
		end = start
	}
	return 0, nil
}

// sweep removes temporary files of a process that was killed while it wrote them.
func sweep(path string) error {
	for _, dir := range []string{path, filepath.Join(path, "checkpoints")} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if atomicfile.Temporary(e.Name()) {
				if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Path returns the folder.
func (d *Dir) Path() string { return d.path }

// Close releases the folder.
func (d *Dir) Close() error { return d.events.Close() }

// Append adds one line of JSON to the events: whole or not at all. When half a line cannot be taken back,
// nothing more is appended.
func (d *Dir) Append(event any) error {
	line, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("record: event: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken != nil {
		return d.broken
	}
	at, err := d.events.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = d.events.Write(append(line, '\n'))
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("record: %s: %w", Events, err)
	if !d.takeBack(at) {
		d.broken = err
	}
	return err
}

// takeBack cuts off half a line that a failed write left.
func (d *Dir) takeBack(at int64) bool {
	if d.events.Truncate(at) != nil {
		return false
	}
	_, err := d.events.Seek(at, io.SeekStart)
	return err == nil
}

// Sync waits until the events are on the disk.
func (d *Dir) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.events.Sync(); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

// WriteJSON replaces a file of the folder by a value, indented.
func (d *Dir) WriteJSON(name string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("record: %s: %w", name, err)
	}
	return d.Write(name, func(w io.Writer) error {
		_, err := w.Write(append(raw, '\n'))
		return err
	})
}

// Write replaces a file of the folder by what write produces: whole, or not at all.
func (d *Dir) Write(name string, write func(io.Writer) error) error {
	if err := atomicfile.Write(filepath.Join(d.path, filepath.FromSlash(name)), write); err != nil {
		return fmt.Errorf("record: %s: %w", name, err)
	}
	return nil
}

// ReadEvents reads the events of a run folder, in order. Half a line at the end is left out; any other line
// that is not JSON is an error.
func ReadEvents[T any](path string) ([]T, error) {
	raw, err := os.ReadFile(filepath.Join(path, Events))
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	var events []T
	for n := 1; ; n++ {
		line, rest, whole := bytes.Cut(raw, []byte("\n"))
		if !whole {
			return events, nil
		}
		raw = rest
		var e T
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("record: %s: line %d: %w", filepath.Join(path, Events), n, err)
		}
		events = append(events, e)
	}
}

// ReadJSON reads a file of a run folder.
func ReadJSON(path, name string, v any) error {
	raw, err := os.ReadFile(filepath.Join(path, name))
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("record: %s: %w", filepath.Join(path, name), err)
	}
	return nil
}
