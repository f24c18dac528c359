package hub

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Pulled is what a pull brought.
type Pulled struct {
	Name   string `json:"name"`   // in the local hub
	From   string `json:"from"`   // with the digest, or the commit
	Digest string `json:"digest"` // of the manifest
	Size   int64  `json:"size"`   // of all files
	New    int64  `json:"new"`    // bytes that were not here before
}

// Pull brings a model into the hub. A zero as gives it the name that from.Local returns; a name that belongs to
// a model from elsewhere is refused with a *TakenError. Every file is checked against its digest, also those
// that are here already: a damaged one is replaced. A transfer that was cut goes on where it ended.
func (h *Hub) Pull(ctx context.Context, from, as Ref) (*Pulled, error) {
	if as == (Ref{}) {
		as = from.Local()
	}
	if as.Scheme != Local || as.Digest != "" || as.Tag == "" {
		return nil, &RefError{as.String(), "want a local name and tag to keep the model under"}
	}
	if err := h.prepare(); err != nil {
		return nil, err
	}
	switch from.Scheme {
	case OCI:
		return h.pullOCI(ctx, from, as)
	case HuggingFace:
		return h.pullHF(ctx, from, as)
	case File:
		return h.pullFile(ctx, from, as)
	}
	m, err := h.manifestOf(from)
	if err != nil {
		return nil, err
	}
	p := &Pulled{Name: from.String(), From: from.String(), Digest: string(m.desc.Digest), Size: m.total()}
	return p, h.verifyModel(ctx, m)
}

func (h *Hub) pullOCI(ctx context.Context, from, as Ref) (*Pulled, error) {
	g, err := h.registry(ctx, from)
	if err != nil {
		return nil, err
	}
	m, err := g.manifest(ctx)
	if err != nil {
		return nil, err
	}
	p := &Pulled{Name: as.String(), Digest: string(m.desc.Digest), Size: m.total()}
	pinned := from
	pinned.Digest = p.Digest
	p.From = pinned.String()
	if p.New, err = h.receive(ctx, m, g.blob); err != nil {
		return nil, err
	}
	from.Digest = ""
	_, err = h.name(ctx, as, m.desc, from.String())
	return p, err
}

// receive brings the files of a manifest, then the manifest itself, and returns how many bytes were new.
func (h *Hub) receive(ctx context.Context, m *manifest, open func(ocispec.Descriptor) origin) (int64, error) {
	if n := m.total(); n > h.o.MaxBytes {
		return 0, fmt.Errorf("hub: want at most %d bytes, the model has %d", h.o.MaxBytes, n)
	}
	descs, names := m.parts()
	var fresh int64
	for i, d := range descs {
		n, err := h.fetch(ctx, d, names[i], open(d))
		if err != nil {
			return fresh, err
		}
		fresh += n
		if i == 0 {
			raw, err := h.read(d, "config")
			if err != nil {
				return fresh, err
			}
			if _, err := m.parseConfig(raw); err != nil {
				return fresh, err
			}
		}
	}
	_, err := h.addBytes(ctx, m.desc.MediaType, m.raw)
	return fresh, err
}

// fetch brings one blob unless an undamaged one is here, and returns how many bytes it brought. Of several
// processes that want the same blob one fetches it; the others wait and check.
func (h *Hub) fetch(ctx context.Context, d ocispec.Descriptor, name string, open origin) (int64, error) {
	release, err := h.lock(ctx, "pull-"+d.Digest.Encoded()[:2])
	if err != nil {
		return 0, err
	}
	defer release()
	err = h.verifyBlob(ctx, d, name, nil)
	var damaged *DigestError
	if err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.As(err, &damaged) {
		return 0, err
	}
	t := transfer{
		name: name, part: h.partial(d.Digest), size: d.Size, want: d.Digest.Encoded(), hash: sha256.New, open: open,
		told: func(n int64) { h.o.Progress(Progress{"pull", name, n, d.Size}) },
	}
	if err := t.run(ctx); err != nil {
		return 0, err
	}
	return d.Size, install(t.part, h.path(d.Digest))
}

func (h *Hub) pullFile(ctx context.Context, from, as Ref) (*Pulled, error) {
	st, err := os.Stat(from.Path)
	if err != nil {
		return nil, fmt.Errorf("hub: %w", err)
	}
	if !st.IsDir() {
		if from.Name != "" || !strings.EqualFold(filepath.Ext(from.Path), ".onnx") {
			return nil, &RefError{from.String(), "want an .onnx file or a hub's folder"}
		}
		return h.packed(ctx, Source{Model: from.Path}, from, as)
	}
	other, err := Open(Options{Dir: from.Path, MaxBytes: h.o.MaxBytes})
	if err != nil {
		return nil, err
	}
	if !exists(filepath.Join(other.dir, layoutFile)) {
		return nil, &RefError{from.String(), "the folder is no hub"}
	}
	if from.Name == "" {
		return nil, &RefError{from.String(), "want the name of one of its models, file://" + filepath.ToSlash(from.Path) + "#name:tag"}
	}
	m, err := other.manifestOf(Ref{Name: from.Name, Tag: from.Tag, Digest: from.Digest})
	if err != nil {
		return nil, err
	}
	p := &Pulled{Name: as.String(), From: from.String(), Digest: string(m.desc.Digest), Size: m.total()}
	p.New, _, err = h.take(ctx, other, m, as, from.String())
	return p, err
}

// take copies a model from another hub of this machine. It returns how many bytes were new and the digest that
// the name had before.
func (h *Hub) take(ctx context.Context, other *Hub, m *manifest, as Ref, from string) (fresh int64, replaced string, err error) {
	if err := h.prepare(); err != nil {
		return 0, "", err
	}
	fresh, err = h.receive(ctx, m, func(d ocispec.Descriptor) origin {
		return func(_ context.Context, offset int64) (io.ReadCloser, int64, error) {
			f, err := os.Open(other.path(d.Digest))
			if err != nil {
				return nil, 0, permanentError{err}
			}
			if _, err := f.Seek(offset, io.SeekStart); err != nil {
				f.Close()
				return nil, 0, permanentError{err}
			}
			return f, offset, nil
		}
	})
	if err != nil {
		return fresh, "", err
	}
	replaced, err = h.name(ctx, as, m.desc, from)
	return fresh, replaced, err
}

// packed packs a file that is pulled and names it.
func (h *Hub) packed(ctx context.Context, src Source, from, as Ref) (*Pulled, error) {
	m, err := h.pack(ctx, src, as)
	if err != nil {
		return nil, err
	}
	p := &Pulled{Name: as.String(), From: or(src.from, from.String()), Digest: string(m.desc.Digest), Size: m.total(), New: m.total()}
	_, err = h.name(ctx, as, m.desc, from.String())
	return p, err
}
