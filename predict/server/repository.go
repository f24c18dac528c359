package server

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nitrain/nitrain/predict"
	"github.com/nitrain/nitrain/predict/server/internal/oip"
)

// The states of a model in the index of a repository.
const (
	stateReady       = "READY"
	stateLoading     = "LOADING"
	stateUnavailable = "UNAVAILABLE"
)

// Repository is the models that a server knows: those in files and folders, and those that a program adds. It
// may be shared by goroutines. A loaded model that is replaced or unloaded closes when the last request that
// uses it has ended.
type Repository struct {
	open    OpenFunc
	sources []string

	mu      sync.Mutex
	entries map[string]*entry
}

// entry is what is known of one name.
type entry struct {
	name, version string
	state, reason string
	model         *served
	stats         statistics
	loading       sync.Mutex // one load or unload at a time
}

// served is a model in use. Its counts are guarded by the repository's lock.
type served struct {
	*Model
	name, version string
	predictor     *predict.Predictor // nil without a Spec
	stats         *statistics
	users         int
	retired       bool
}

// NewRepository returns a repository of .onnx files and of folders that hold some: FOLDER/NAME.onnx,
// FOLDER/NAME/model.onnx, or FOLDER/NAME/VERSION/model.onnx, of which the highest version is served. A file's
// model is called as the file without its ending. Nothing is opened before [Repository.LoadAll].
func NewRepository(open OpenFunc, sources ...string) (*Repository, error) {
	r := &Repository{open: open, sources: sources, entries: map[string]*entry{}}
	found, err := scan(sources)
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		if r.entries[f.name] != nil {
			return nil, fmt.Errorf("server: %s: there are two models of the name %q", f.path, f.name)
		}
		r.entries[f.name] = &entry{name: f.name, version: f.version, state: stateUnavailable, reason: "not loaded"}
	}
	return r, nil
}

// Add puts a model that is open already into the repository, in place of one of the same name.
func (r *Repository) Add(name string, m *Model) error {
	if !validName(name) {
		return fmt.Errorf("server: model name %q: want letters, digits, dots, dashes and underscores", name)
	}
	r.mu.Lock()
	e := r.entries[name]
	if e == nil {
		e = &entry{name: name, version: "1"}
		r.entries[name] = e
	}
	r.mu.Unlock()
	return r.install(e, m, "1")
}

// LoadAll loads every model that is not loaded. It goes on after one that does not load, and returns all errors.
func (r *Repository) LoadAll() error {
	var errs []error
	for _, e := range r.list() {
		if e.State != stateReady {
			errs = append(errs, r.Load(e.Name))
		}
	}
	return errors.Join(errs...)
}

// Load opens a model, or opens it again; the one that is loaded serves until the new one can. A name that was
// not there when the repository was made is looked for in its sources.
func (r *Repository) Load(name string) error {
	e, from, err := r.find(name)
	if err != nil {
		return err
	}
	e.loading.Lock()
	defer e.loading.Unlock()
	r.mu.Lock()
	if e.model == nil {
		e.state, e.reason, e.version = stateLoading, "", from.version
	}
	r.mu.Unlock()
	m, err := r.open(from.path)
	if err == nil {
		err = r.install(e, m, from.version)
	}
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		e.reason = "the last load did not work: " + err.Error()
		if e.model == nil {
			e.state = stateUnavailable
		}
		return fmt.Errorf("model %q: %w", name, err)
	}
	return nil
}

// find looks for a name in the sources, where it may be new or have a newer version.
func (r *Repository) find(name string) (*entry, source, error) {
	found, err := scan(r.sources)
	if err != nil {
		return nil, source{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[name]
	at := slices.IndexFunc(found, func(f source) bool { return f.name == name })
	switch {
	case at < 0 && e == nil:
		return nil, source{}, unknownModel(name)
	case at < 0:
		return nil, source{}, oip.Faultf(http.StatusNotFound, "model %q is in no file any more", name)
	case e == nil:
		e = &entry{name: name, version: found[at].version, state: stateUnavailable}
		r.entries[name] = e
	}
	return e, found[at], nil
}

// install makes m the model that e serves.
func (r *Repository) install(e *entry, m *Model, version string) error {
	s := &served{Model: m, name: e.name, stats: &e.stats}
	if m.Spec != nil {
		p, err := predict.New(*m.Spec, m.Run)
		if err != nil {
			return errors.Join(err, s.close())
		}
		s.predictor = p
	}
	r.mu.Lock()
	e.version = version
	s.version = version
	old := e.model
	e.model, e.state, e.reason = s, stateReady, ""
	r.mu.Unlock()
	return r.retire(old)
}

// Unload lets go of a model; it stays in the index.
func (r *Repository) Unload(name string) error {
	r.mu.Lock()
	e := r.entries[name]
	r.mu.Unlock()
	if e == nil {
		return unknownModel(name)
	}
	e.loading.Lock()
	defer e.loading.Unlock()
	r.mu.Lock()
	old := e.model
	e.model, e.state, e.reason = nil, stateUnavailable, "unloaded"
	r.mu.Unlock()
	return r.retire(old)
}

// Close unloads every model.
func (r *Repository) Close() error {
	var errs []error
	for _, e := range r.list() {
		errs = append(errs, r.Unload(e.Name))
	}
	return errors.Join(errs...)
}

// acquire returns a loaded model, which the caller must release. An empty version is the one that is served.
func (r *Repository) acquire(name, version string) (*served, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[name]
	switch {
	case e == nil:
		return nil, unknownModel(name)
	case version != "" && version != e.version:
		return nil, oip.Faultf(http.StatusNotFound, "model %q has no version %q", name, shorten(version))
	case e.model == nil && e.state == stateLoading:
		return nil, &oip.Fault{Status: http.StatusServiceUnavailable, Text: fmt.Sprintf("model %q is loading", name), Retry: time.Second}
	case e.model == nil:
		return nil, oip.Faultf(http.StatusServiceUnavailable, "model %q is not loaded", name)
	}
	e.model.users++
	return e.model, nil
}

func (r *Repository) release(s *served) error {
	r.mu.Lock()
	s.users--
	last := s.retired && s.users == 0
	r.mu.Unlock()
	if last {
		return s.close()
	}
	return nil
}

func (r *Repository) retire(s *served) error {
	if s == nil {
		return nil
	}
	r.mu.Lock()
	s.retired = true
	idle := s.users == 0
	r.mu.Unlock()
	if idle {
		return s.close()
	}
	return nil
}

func (s *served) close() error {
	if s.Close == nil {
		return nil
	}
	return s.Close()
}

// indexed is one line of a repository's index.
type indexed struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	State   string `json:"state"`
	Reason  string `json:"reason"`
}

// list returns the index, sorted by name.
func (r *Repository) list() []indexed {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]indexed, 0, len(r.entries))
	for _, e := range r.entries {
		out = append(out, indexed{e.name, e.version, e.state, e.reason})
	}
	slices.SortFunc(out, func(a, b indexed) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// ready reports whether every model that is wanted can answer: none is loading and one is loaded.
func (r *Repository) ready() bool {
	some := false
	for _, e := range r.list() {
		if e.State == stateLoading {
			return false
		}
		some = some || e.State == stateReady
	}
	return some
}

func unknownModel(name string) error {
	return oip.Faultf(http.StatusNotFound, "unknown model %q", shorten(name))
}
