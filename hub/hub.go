// Package hub keeps models under names, with everything that tells where they come from, and moves them.
//
// A [Hub] is a folder in the OCI image layout: content-addressed blobs and an index of names. Push packs a
// model's file with its external data, Spec, card, run and evaluation into one manifest; Pull fetches one from
// a registry, Hugging Face, a file or another hub. Every byte is checked against its SHA-256 on the way in and
// by Verify; a file appears whole or not at all, so that a process killed at any moment leaves a hub that
// verifies. Nothing in a model is ever executed. docs/hub.md describes the layout.
package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/nitrain/nitrain/internal/filelock"
	"github.com/nitrain/nitrain/internal/native"
)

// Options say where a hub is and how it reaches others. The zero value works.
type Options struct {
	// Dir is the hub's folder; "" is "hub" in nitrain's home folder.
	Dir string
	// MaxBytes is the largest model, all its files together; 0: 64 GiB.
	MaxBytes int64
	// PlainHTTP allows http:// to registries that are not on this machine.
	PlainHTTP bool
	// HuggingFace says how Hugging Face is reached; zero fields are taken from the environment, as
	// huggingface_hub does.
	HuggingFace HuggingFaceOptions
	// Transport makes connections; nil: the standard one, with the proxies of the environment.
	Transport http.RoundTripper
	// Progress is told how far a transfer is, from the goroutine of the call; may be nil.
	Progress func(Progress)
}

// Progress is how far the transfer of one file is.
type Progress struct {
	Verb        string // "pull", "push", "pack", "verify"
	File        string
	Done, Total int64 // bytes
}

// Hub is a folder of models. Its methods may be called by goroutines and by several processes on one folder.
type Hub struct {
	dir string
	o   Options
}

// The defaults.
const (
	defaultMaxBytes = 64 << 30
	maxManifest     = 4 << 20
	maxDocument     = 16 << 20 // a Spec, a card, a run, an evaluation, a config
	maxLayers       = 1024
	staleTemporary  = time.Hour
	stalePartial    = 30 * 24 * time.Hour
)

// Open returns the hub in a folder, which need not exist yet.
func Open(o Options) (*Hub, error) {
	if o.Dir == "" {
		home, err := native.Home()
		if err != nil {
			return nil, err
		}
		o.Dir = filepath.Join(home, "hub")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("hub: %w", err)
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	return &Hub{dir: dir, o: o}, nil
}

// Dir returns the hub's folder.
func (h *Hub) Dir() string { return h.dir }

// prepare makes the folder's skeleton and removes what killed processes left long ago.
func (h *Hub) prepare() error {
	for _, dir := range []string{h.blobs(), h.ingest()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("hub: %w", err)
		}
	}
	layout := filepath.Join(h.dir, layoutFile)
	if _, err := os.Stat(layout); errors.Is(err, fs.ErrNotExist) {
		if err := replace(layout, []byte(layoutText), 0o644); err != nil {
			return fmt.Errorf("hub: %w", err)
		}
	}
	h.sweep()
	return nil
}

// sweep removes temporary files that nobody can be writing any more.
func (h *Hub) sweep() {
	entries, _ := os.ReadDir(h.ingest()) // an unreadable folder is reported by whoever needs it
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue
		}
		age := time.Since(info.ModTime())
		stale := filepath.Ext(e.Name()) == temporaryEnd && age > staleTemporary ||
			(filepath.Ext(e.Name()) == partialEnd || filepath.Ext(e.Name()) == sessionEnd) && age > stalePartial
		if stale {
			_ = os.Remove(filepath.Join(h.ingest(), e.Name()))
		}
	}
}

// lock takes one of the hub's locks: "index", or the first digits of blobs' digests.
func (h *Hub) lock(ctx context.Context, name string) (release func(), err error) {
	release, err = filelock.Wait(ctx, filepath.Join(h.ingest(), "lock-"+name))
	if err != nil {
		return nil, fmt.Errorf("hub: lock: %w", err)
	}
	return release, nil
}
