package hub

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Entry is a line of a hub's list.
type Entry struct {
	Name    string `json:"name"`
	Digest  string `json:"digest"`
	Size    int64  `json:"size"` // of all files; 0 where Problem says why it is not known
	Task    string `json:"task,omitempty"`
	Created string `json:"created,omitempty"` // when it got its name
	From    string `json:"from,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// Model is everything that a hub knows about a model without reading its weights.
type Model struct {
	Entry
	Facts       ModelFacts        `json:"model"`
	Labels      []string          `json:"labels,omitempty"`
	Provenance  *Provenance       `json:"provenance,omitempty"`
	Parents     []string          `json:"parents,omitempty"` // the model it was made from, where this hub has it
	Files       []FileEntry       `json:"files"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Run         *Run              `json:"run,omitempty"`
	Evaluation  *Evaluation       `json:"evaluation,omitempty"`
	Spec        *Spec             `json:"-"`
}

// List returns the models of the hub in the order of their names. One whose manifest is damaged has a Problem.
func (h *Hub) List() ([]Entry, error) {
	ix, err := h.index()
	if err != nil {
		return nil, err
	}
	out := []Entry{}
	for _, d := range ix.Manifests {
		e := entryOf(d)
		if m, err := h.load(d); err != nil {
			e.Problem = err.Error()
		} else {
			e.Size, e.Task = m.total(), m.Annotations[annotationTask]
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func entryOf(d ocispec.Descriptor) Entry {
	a := d.Annotations
	return Entry{Name: a[ocispec.AnnotationRefName], Digest: string(d.Digest), Created: a[ocispec.AnnotationCreated], From: a[annotationFrom]}
}

// Show returns what is known about a model of the hub, of another hub's folder, or of a registry, of which only
// the small files are fetched. A damaged file is an error.
func (h *Hub) Show(ctx context.Context, r Ref) (*Model, error) {
	switch {
	case r.Scheme == OCI:
		return h.showOCI(ctx, r)
	case r.Scheme == File && r.Name != "":
		other, err := Open(Options{Dir: r.Path})
		if err != nil {
			return nil, err
		}
		return other.Show(ctx, Ref{Name: r.Name, Tag: r.Tag, Digest: r.Digest})
	case r.Scheme != Local:
		return nil, &RefError{r.String(), "want a model of a hub or a registry; pull it first"}
	}
	d, err := h.find(r)
	if err != nil {
		return nil, err
	}
	m, err := h.load(d)
	if err != nil {
		return nil, err
	}
	out, err := m.model(entryOf(d), func(d ocispec.Descriptor, name string) ([]byte, error) { return h.read(d, name) })
	if err == nil && out.Provenance != nil {
		out.Parents, err = h.holders(out.Provenance.SHA256)
	}
	return out, err
}

// holders names the models of the hub whose file has a SHA-256.
func (h *Hub) holders(sha256 string) ([]string, error) {
	ix, err := h.index()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, d := range ix.Manifests {
		m, err := h.load(d)
		if err != nil {
			continue // found by Verify
		}
		if f, _, ok := m.layer(RoleModel); ok && f.Digest.Encoded() == sha256 {
			out = append(out, entryOf(d).Name)
		}
	}
	return out, nil
}

func (h *Hub) showOCI(ctx context.Context, r Ref) (*Model, error) {
	g, err := h.registry(ctx, r)
	if err != nil {
		return nil, err
	}
	m, err := g.manifest(ctx)
	if err != nil {
		return nil, err
	}
	return m.model(Entry{Name: r.String(), Digest: string(m.desc.Digest)}, func(d ocispec.Descriptor, name string) ([]byte, error) {
		return g.small(ctx, d, name)
	})
}

// small fetches a document.
func (g *registry) small(ctx context.Context, d ocispec.Descriptor, name string) ([]byte, error) {
	body, _, err := g.blob(d)(ctx, 0)
	if err != nil {
		return nil, g.wrap(err)
	}
	defer body.Close()
	raw, err := io.ReadAll(io.LimitReader(body, min(d.Size, maxDocument)+1))
	if err != nil {
		return nil, g.wrap(err)
	}
	if got := d.Digest.Algorithm().FromBytes(raw); got != d.Digest {
		return nil, &DigestError{name, string(d.Digest), string(got)}
	}
	return raw, nil
}

// Read returns a document of a model: its Spec, card, run or evaluation. Where the model has none, ok is false.
func (h *Hub) Read(r Ref, role Role) (raw []byte, ok bool, err error) {
	if !role.document() {
		return nil, false, fmt.Errorf("hub: want a document, got the role %q", role)
	}
	m, err := h.manifestOf(r)
	if err != nil {
		return nil, false, err
	}
	d, name, ok := m.layer(role)
	if !ok {
		return nil, false, nil
	}
	raw, err = h.read(d, name)
	return raw, true, err
}

// manifestOf returns the manifest of a local name.
func (h *Hub) manifestOf(r Ref) (*manifest, error) {
	d, err := h.find(r)
	if err != nil {
		return nil, err
	}
	return h.load(d)
}

// load reads the manifest that an entry of the index names.
func (h *Hub) load(d ocispec.Descriptor) (*manifest, error) {
	name := d.Annotations[ocispec.AnnotationRefName] + ": manifest"
	if d.Size > maxManifest {
		return nil, fmt.Errorf("hub: %s: want at most %d bytes, got %d", name, maxManifest, d.Size)
	}
	raw, err := h.read(d, name)
	if err != nil {
		return nil, err
	}
	return parseManifest(raw)
}

// model reads the documents of a manifest.
func (m *manifest) model(e Entry, read func(ocispec.Descriptor, string) ([]byte, error)) (*Model, error) {
	raw, err := read(m.Manifest.Config, e.Name+": config")
	if err != nil {
		return nil, err
	}
	c, err := m.parseConfig(raw)
	if err != nil {
		return nil, err
	}
	e.Size, e.Task = m.total(), c.Task
	out := &Model{Entry: e, Facts: c.Model, Labels: c.Labels, Provenance: c.Provenance, Files: m.files, Annotations: m.Annotations}
	for i, f := range m.files {
		if !f.Role.document() || f.Role == RoleCard {
			continue
		}
		raw, err := read(m.Layers[i], f.Name)
		if err != nil {
			return nil, err
		}
		if err := out.document(f.Role, raw); err != nil {
			return nil, fmt.Errorf("hub: %s: %s: %w", e.Name, f.Name, err)
		}
	}
	return out, nil
}

func (m *Model) document(role Role, raw []byte) (err error) {
	switch role {
	case RoleSpec:
		m.Spec, err = parseSpec(raw)
	case RoleRun:
		m.Run, err = parseRun(raw)
	case RoleEvaluation:
		m.Evaluation, err = parseEvaluation(raw)
	}
	return err
}

// Card returns the card that these facts give.
func (m *Model) Card() Card {
	c := Card{
		Name: m.Name, Ref: m.Name, Description: m.Annotations[ocispec.AnnotationDescription],
		Licence: m.Annotations[ocispec.AnnotationLicenses], Model: m.Facts, Spec: m.Spec, Run: m.Run, Evaluation: m.Evaluation,
	}
	if m.From != "" {
		c.Ref = m.From
	}
	return c
}
