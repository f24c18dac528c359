package hub

import (
	"bytes"
	"context"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Pushed is what a push did.
type Pushed struct {
	Ref      string `json:"ref"`    // where it is, with the digest
	Name     string `json:"name"`   // in the local hub
	Digest   string `json:"digest"` // of the manifest
	Size     int64  `json:"size"`   // of all files
	Replaced string `json:"replaced,omitempty"`
}

// Push packs a model into the hub, under the name of the reference, and when that is an OCI or a file
// reference also brings it there. The same files always give the same digest.
func (h *Hub) Push(ctx context.Context, src Source, to Ref) (*Pushed, error) {
	if err := pushable(to); err != nil {
		return nil, err
	}
	m, err := h.pack(ctx, src, to)
	if err != nil {
		return nil, err
	}
	local := to.Local()
	replaced, err := h.name(ctx, local, m.desc, "")
	if err != nil {
		return nil, err
	}
	p := &Pushed{Ref: local.String() + "@" + string(m.desc.Digest), Name: local.String(), Digest: string(m.desc.Digest), Size: m.total(), Replaced: replaced}
	if to.Scheme == Local {
		return p, nil
	}
	return p, h.bring(ctx, m, to, p)
}

// Copy brings a model of the hub to an OCI or file reference, or gives it another name in the hub.
func (h *Hub) Copy(ctx context.Context, from, to Ref) (*Pushed, error) {
	if err := pushable(to); err != nil {
		return nil, err
	}
	if from.Scheme != Local {
		return nil, fmt.Errorf("hub: %s: want a model of the local hub; pull it first", from)
	}
	m, err := h.manifestOf(from)
	if err != nil {
		return nil, err
	}
	p := &Pushed{Name: from.String(), Digest: string(m.desc.Digest), Size: m.total()}
	if to.Scheme == Local {
		p.Ref, p.Name = to.String()+"@"+p.Digest, to.String()
		p.Replaced, err = h.name(ctx, to, m.desc, "")
		return p, err
	}
	return p, h.bring(ctx, m, to, p)
}

// pushable refuses references that nothing can be pushed to.
func pushable(to Ref) error {
	switch {
	case to.Digest != "":
		return &RefError{to.String(), "a push gives the digest; want a name and a tag"}
	case to.Scheme == HuggingFace:
		return &RefError{to.String(), "want a place to push to; Hugging Face is only pulled from"}
	case to.Scheme == File && to.Name == "":
		return &RefError{to.String(), "want a hub's folder and a name, file:///path/hub#name:tag"}
	}
	return nil
}

// bring copies a model of the hub elsewhere: blobs first, the name last, so that what is named is whole.
func (h *Hub) bring(ctx context.Context, m *manifest, to Ref, p *Pushed) error {
	p.Ref = to.String() + "@" + p.Digest
	descs, names := m.parts()
	if to.Scheme == File {
		other, err := Open(Options{Dir: to.Path, MaxBytes: h.o.MaxBytes, Progress: h.o.Progress})
		if err != nil {
			return err
		}
		_, p.Replaced, err = other.take(ctx, h, m, Ref{Name: to.Name, Tag: to.Tag}, "")
		return err
	}
	g, err := h.registry(ctx, to)
	if err != nil {
		return err
	}
	for i, d := range descs {
		if err := h.push(ctx, g, d, names[i]); err != nil {
			return err
		}
	}
	return g.tag(ctx, m)
}

// tag pushes the manifest under the reference's tag.
func (g *registry) tag(ctx context.Context, m *manifest) error {
	desc := ocispec.Descriptor{MediaType: m.desc.MediaType, Digest: m.desc.Digest, Size: m.desc.Size}
	for failed := 1; ; failed++ {
		err := g.repo.Manifests().PushReference(ctx, desc, bytes.NewReader(m.raw), g.ref.Tag)
		if err == nil || ctx.Err() != nil || failed == attempts || refused(err) {
			return g.wrap(err)
		}
		if err := sleep(ctx, pause<<(failed-1)); err != nil {
			return err
		}
	}
}
