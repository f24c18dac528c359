package predict

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nitrain/nitrain/internal/atomicfile"
	"github.com/nitrain/nitrain/internal/digest"
	"github.com/nitrain/nitrain/internal/native"
	"github.com/nitrain/nitrain/onnx"
)

// memory is what earlier processes found out about some models, in a file named after their content below the folder of
// the native libraries. Whatever cannot be read or written is only forgotten.
type memory struct {
	path string // "" where nothing can be remembered
}

// remembered is the file.
type remembered struct {
	Opened  []string          `json:"opened"`  // libraries in which a child process has opened the models
	Choices map[string]Choice `json:"choices"` // by choiceKey
}

// newMemory finds the file that belongs to models.
func newMemory(paths []string) memory {
	home, err := native.Home()
	if err != nil {
		return memory{}
	}
	h := sha256.New()
	for _, path := range paths {
		id, err := modelID(path)
		if err != nil {
			return memory{}
		}
		fmt.Fprintln(h, id)
	}
	return memory{filepath.Join(home, "choices", hex.EncodeToString(h.Sum(nil))+".json")}
}

// modelID tells models apart by their file's bytes, and by size and time of the files with external data.
func modelID(path string) (string, error) {
	sum, err := digest.File(path)
	if err != nil {
		return "", err
	}
	var id strings.Builder
	id.WriteString(sum)
	m, err := onnx.ReadFile(path)
	if err != nil {
		return "", err
	}
	defer m.Close()
	for _, name := range m.ExternalFiles() {
		st, err := os.Stat(filepath.Join(filepath.Dir(path), filepath.FromSlash(name)))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&id, " %q %d %d", name, st.Size(), st.ModTime().UnixNano())
	}
	return id.String(), nil
}

func (m memory) read() remembered {
	var r remembered
	raw, err := os.ReadFile(m.path)
	if err != nil || json.Unmarshal(raw, &r) != nil {
		return remembered{}
	}
	return r
}

func (m memory) write(r remembered) {
	raw, err := json.MarshalIndent(r, "", " ")
	if err != nil || m.path == "" || os.MkdirAll(filepath.Dir(m.path), 0o755) != nil {
		return
	}
	_ = atomicfile.Write(m.path, func(w io.Writer) error { _, err := w.Write(raw); return err }) // see memory
}

// choice returns the choice that was made for a key.
func (m memory) choice(key string) (Choice, bool) {
	c, ok := m.read().Choices[key]
	return c, ok
}

// keep remembers a choice.
func (m memory) keep(key string, c Choice) {
	r := m.read()
	if r.Choices == nil || len(r.Choices) > maxChoices {
		r.Choices = map[string]Choice{}
	}
	r.Choices[key] = c
	m.write(r)
}

// maxChoices bounds the file.
const maxChoices = 100

// opened reports whether a child process has opened the models in a library.
func (m memory) opened(library string) bool {
	return slices.Contains(m.read().Opened, library)
}

// keepOpened remembers that a child process has opened the models in a library.
func (m memory) keepOpened(library string) {
	r := m.read()
	if len(r.Opened) > maxChoices {
		r.Opened = nil
	}
	r.Opened = append(r.Opened, library)
	m.write(r)
}

// libraryID tells libraries of onnxruntime apart: a version that Setup installed, or a file that the user named.
func libraryID(path string) string {
	if path == "" {
		path = os.Getenv(native.LibraryVariable)
	}
	if path == "" {
		return "onnxruntime " + native.Version
	}
	st, err := os.Stat(path)
	if err != nil {
		return path
	}
	return fmt.Sprintf("%s %d %d", path, st.Size(), st.ModTime().UnixNano())
}
