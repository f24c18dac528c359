package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Finding is something wrong with a hub.
type Finding struct {
	Path    string   `json:"path"`             // of the file, below the hub's folder
	Models  []string `json:"models,omitempty"` // that need it
	File    string   `json:"file,omitempty"`   // what it is to them
	Problem string   `json:"problem"`
}

// Verification is what Verify found.
type Verification struct {
	Models       int       `json:"models"`
	Blobs        int       `json:"blobs"`
	Bytes        int64     `json:"bytes"` // that were hashed
	Findings     []Finding `json:"findings"`
	Unreferenced []string  `json:"unreferenced"` // whole blobs that no model needs, such as a killed push leaves
	Unfinished   []string  `json:"unfinished"`   // downloads that the next pull goes on with
}

// OK reports whether nothing is wrong; unreferenced and unfinished files are not.
func (v *Verification) OK() bool { return len(v.Findings) == 0 }

// verifier walks through a hub.
type verifier struct {
	h     *Hub
	only  []string // names of models; none: all
	out   Verification
	users map[digest.Digest]*use
	order []digest.Digest
}

// use is who needs a blob and as what.
type use struct {
	desc   ocispec.Descriptor
	file   string
	models []string
}

// Verify hashes every file of the hub anew: the index, manifests, and blobs, also those that no model needs. It
// finds and names whatever is damaged, missing or does not belong there. With names of models it looks only at
// the index and at what these need. An error means that it could not look.
func (h *Hub) Verify(ctx context.Context, only ...Ref) (*Verification, error) {
	v := &verifier{h: h, users: map[digest.Digest]*use{}}
	for _, r := range only {
		d, err := h.find(r)
		if err != nil {
			return nil, err
		}
		v.only = append(v.only, d.Annotations[ocispec.AnnotationRefName])
	}
	v.out.Findings, v.out.Unreferenced, v.out.Unfinished = []Finding{}, []string{}, []string{}
	if !exists(h.dir) {
		return &v.out, nil
	}
	v.layout()
	v.index()
	if err := v.blobs(ctx); err != nil {
		return nil, err
	}
	v.missing()
	if len(v.only) == 0 {
		if err := v.strays(); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(v.out.Findings, func(a, b Finding) int { return strings.Compare(a.Path, b.Path) })
	return &v.out, nil
}

func (v *verifier) findf(path string, u *use, format string, args ...any) {
	f := Finding{Path: path, Problem: fmt.Sprintf(format, args...)}
	if u != nil {
		f.Models, f.File = u.models, u.file
	}
	v.out.Findings = append(v.out.Findings, f)
}

// layout checks the marker file. It must be there as soon as there is an index.
func (v *verifier) layout() {
	raw, err := readSmall(filepath.Join(v.h.dir, layoutFile), 4096)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !exists(filepath.Join(v.h.dir, indexFile)):
	case err != nil:
		v.findf(layoutFile, nil, "%v", err)
	case string(raw) != layoutText && string(raw) != layoutText+"\n":
		v.findf(layoutFile, nil, "want %s, got %.100q", layoutText, raw)
	}
}

// index checks the index and gathers what its models need.
func (v *verifier) index() {
	path := filepath.Join(v.h.dir, indexFile)
	raw, err := readSmall(path, maxDocument)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		v.findf(indexFile, nil, "%v", err)
		return
	}
	v.out.Bytes += int64(len(raw))
	if carries, err := checkIndex(raw); err == nil && !carries {
		v.findf(indexFile, nil, "carries no checksum: it is damaged, or another program wrote it")
	}
	ix, err := v.h.index()
	if err != nil {
		v.findf(indexFile, nil, "%v", err)
		return
	}
	for _, d := range ix.Manifests {
		if len(v.only) == 0 || slices.Contains(v.only, d.Annotations[ocispec.AnnotationRefName]) {
			v.out.Models++
			v.model(d)
		}
	}
}

// model gathers what one model needs.
func (v *verifier) model(d ocispec.Descriptor) {
	name := d.Annotations[ocispec.AnnotationRefName]
	v.need(d, "manifest", name)
	m, err := v.h.load(d)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) && !errors.As(err, new(*DigestError)) { // these are found at the blob
			v.findf(v.blobPath(d.Digest), v.users[d.Digest], "%v", err)
		}
		return
	}
	descs, names := m.parts()
	for i, part := range descs {
		v.need(part, names[i], name)
	}
	raw, err := v.h.read(m.Manifest.Config, "config")
	if err != nil {
		return // found at the blob
	}
	if _, err := m.parseConfig(raw); err != nil {
		v.findf(v.blobPath(m.Manifest.Config.Digest), v.users[m.Manifest.Config.Digest], "%v", err)
	}
}

func (v *verifier) need(d ocispec.Descriptor, file, model string) {
	u := v.users[d.Digest]
	if u == nil {
		u = &use{desc: d, file: file}
		v.users[d.Digest] = u
		v.order = append(v.order, d.Digest)
	}
	if !slices.Contains(u.models, model) {
		u.models = append(u.models, model)
	}
}

func (v *verifier) blobPath(d digest.Digest) string { return "blobs/sha256/" + d.Encoded() }

// blobs hashes every file among the blobs.
func (v *verifier) blobs(ctx context.Context) error {
	entries, err := os.ReadDir(v.h.blobs())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	for _, e := range entries {
		d := digest.Digest("sha256:" + e.Name())
		path := v.blobPath(d)
		if len(v.only) > 0 && v.users[d] == nil {
			continue
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || !validDigest(string(d)) {
			v.findf(path, nil, "want a file named after its SHA-256")
			continue
		}
		if err := v.blob(ctx, d, path, info.Size()); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) blob(ctx context.Context, d digest.Digest, path string, size int64) error {
	u := v.users[d]
	name := path
	if u != nil {
		name = u.file
	}
	err := v.h.verifyBlob(ctx, ocispec.Descriptor{Digest: d, Size: size}, name, func(n int64) {
		v.h.o.Progress(Progress{"verify", name, n, size})
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	v.out.Blobs++
	v.out.Bytes += size
	switch {
	case err != nil:
		v.findf(path, u, "%v", strings.TrimPrefix(err.Error(), "hub: "))
	case u == nil:
		v.out.Unreferenced = append(v.out.Unreferenced, path)
	case u.desc.Size != size:
		v.findf(path, u, "want %d bytes, got %d", u.desc.Size, size)
	}
	return nil
}

// missing names the blobs that models need and that are not there.
func (v *verifier) missing() {
	for _, d := range v.order {
		if !exists(v.h.path(d)) {
			v.findf(v.blobPath(d), v.users[d], "missing")
		}
	}
}

// strays looks at what lies beside the blobs.
func (v *verifier) strays() error {
	entries, err := os.ReadDir(v.h.ingest())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("hub: %w", err)
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) == partialEnd {
			v.out.Unfinished = append(v.out.Unfinished, "ingest/"+e.Name())
		}
	}
	top, err := os.ReadDir(v.h.dir)
	if err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	for _, e := range top {
		switch name := e.Name(); {
		case name == layoutFile, name == indexFile, name == "blobs", name == "ingest", strings.HasSuffix(name, temporaryEnd):
		default:
			v.findf(name, nil, "does not belong to the hub")
		}
	}
	other, err := os.ReadDir(filepath.Join(v.h.dir, "blobs"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("hub: %w", err)
	}
	for _, e := range other {
		if e.Name() != "sha256" {
			v.findf("blobs/"+e.Name(), nil, "does not belong to the hub")
		}
	}
	return nil
}

// verifyModel hashes the files of one model; all that are damaged or missing are in the error.
func (h *Hub) verifyModel(ctx context.Context, m *manifest) error {
	var faults []error
	descs, names := m.parts()
	for i, d := range descs {
		faults = append(faults, h.verifyBlob(ctx, d, names[i], nil))
	}
	return errors.Join(faults...)
}
