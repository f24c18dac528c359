package explain

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/internal/native"
	"github.com/nitrain/nitrain/onnx"
	"github.com/nitrain/nitrain/onnx/ort"
)

// gradientVersion changes when gradient models are made in another way, so that old ones are not used any more.
const gradientVersion = 1

// gradients makes gradient models when they are asked for, and keeps them in files and open.
type gradients struct {
	owner  *Explainer
	mu     sync.Mutex
	digest string
	graph  *convert.Graph
	model  *onnx.Model
	open   map[string]*ort.Session
}

// get returns the session of a gradient model for images of a shape.
func (g *gradients) get(method convert.GradientMethod, o convert.GradientOptions, shape []int) (*ort.Session, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	o.Shape, o.Output = shape, g.owner.output
	o.Library, o.Threads = g.owner.options.Library, g.owner.options.Threads
	name, err := g.name(method, o)
	if err != nil {
		return nil, err
	}
	if s := g.open[name]; s != nil {
		return s, nil
	}
	s, err := g.session(name, method, o)
	if err != nil {
		return nil, err
	}
	if g.open == nil {
		g.open = map[string]*ort.Session{}
	}
	g.open[name] = s
	return s, nil
}

// name is that of a gradient model's file: method, shape and a digest of all that it depends on.
func (g *gradients) name(method convert.GradientMethod, o convert.GradientOptions) (string, error) {
	if g.digest == "" {
		d, err := fileDigest(g.owner.path)
		if err != nil {
			return "", err
		}
		g.digest = d
	}
	o.Library, o.Threads = "", 0
	key, err := json.Marshal(map[string]any{"version": gradientVersion, "model": g.digest, "options": o})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(key)
	sizes := strings.Trim(strings.ReplaceAll(fmt.Sprint(o.Shape), " ", "x"), "[]")
	return fmt.Sprintf("%s_%s_%s.onnx", method, sizes, hex.EncodeToString(sum[:8])), nil
}

// fileDigest is the SHA-256 of a model's file and of those with its external data.
func fileDigest(path string) (string, error) {
	m, err := onnx.ReadFile(path)
	if err != nil {
		return "", err
	}
	files := m.ExternalFiles()
	if err := m.Close(); err != nil {
		return "", err
	}
	sort.Strings(files)
	h := sha256.New()
	paths := []string{path}
	for _, f := range files {
		paths = append(paths, filepath.Join(filepath.Dir(path), f))
	}
	for _, p := range paths {
		f, err := os.Open(p)
		if err != nil {
			return "", err
		}
		_, err = io.Copy(h, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// session opens a gradient model from the cache, or makes it. One that cannot be kept is used all the same.
func (g *gradients) session(name string, method convert.GradientMethod, o convert.GradientOptions) (*ort.Session, error) {
	options := g.owner.options.Options
	for _, dir := range g.folders() {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			if s, err := ort.Open(path, options); err == nil {
				return s, nil
			}
		}
	}
	m, err := g.make(method, o)
	if err != nil {
		return nil, err
	}
	options.Untrusted = false // made here
	for _, dir := range g.folders() {
		path := filepath.Join(dir, name)
		if os.MkdirAll(dir, 0o755) == nil && onnx.WriteFile(path, m) == nil {
			return ort.Open(path, options)
		}
	}
	raw, err := onnx.Encode(m)
	if err != nil {
		return nil, err
	}
	return ort.OpenBytes(raw, options)
}

// make builds a gradient model.
func (g *gradients) make(method convert.GradientMethod, o convert.GradientOptions) (*onnx.Model, error) {
	if g.graph == nil {
		m, err := onnx.ReadFile(g.owner.path)
		if err != nil {
			return nil, err
		}
		graph, err := convert.Import(m, convert.ImportOptions{InputShapes: map[string][]int{g.owner.input.Name: append([]int{1}, o.Shape...)}})
		if err != nil {
			return nil, errors.Join(err, m.Close())
		}
		g.model, g.graph = m, graph
	}
	return g.graph.GradientModel(method, o)
}

// folders are those where gradient models are looked for and put, the preferred one first.
func (g *gradients) folders() []string {
	if dir := g.owner.options.Cache; dir != "" {
		return []string{dir}
	}
	list := []string{g.owner.path + ".explain"}
	if home, err := native.Home(); err == nil {
		list = append(list, filepath.Join(home, "explain"))
	}
	return list
}

func (g *gradients) close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var errs []error
	for _, s := range g.open {
		errs = append(errs, s.Close())
	}
	if g.model != nil {
		errs = append(errs, g.model.Close())
	}
	g.open, g.model, g.graph = nil, nil, nil
	return errors.Join(errs...)
}
