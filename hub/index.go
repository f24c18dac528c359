package hub

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The layout's files, as the OCI image specification names them.
const (
	layoutFile = ocispec.ImageLayoutFile
	layoutText = `{"imageLayoutVersion":"1.0.0"}`
	indexFile  = ocispec.ImageIndexFile
)

// NotFoundError says that a hub has no model of that name.
type NotFoundError struct {
	Ref  string
	Near []string // names that it has
}

func (e *NotFoundError) Error() string { return fmt.Sprintf("hub: %s: no such model", e.Ref) }

// Is makes it one of the errors about what does not exist.
func (e *NotFoundError) Is(target error) bool { return target == fs.ErrNotExist }

// Hint lists what there is.
func (e *NotFoundError) Hint() string {
	if len(e.Near) == 0 {
		return "nitrain hub list shows the models that are there"
	}
	return "there are " + strings.Join(e.Near, ", ")
}

// DamageError says that the hub's own files are not as they were written.
type DamageError struct{ File, Problem string }

func (e *DamageError) Error() string { return fmt.Sprintf("hub: %s: %s", e.File, e.Problem) }

// Hint says what to do.
func (e *DamageError) Hint() string {
	return "nitrain hub verify says what else is damaged; move the folder away and pull the models again, or restore " + indexFile
}

// encodeIndex writes an index with a checksum over itself, so that damage to names and digests is found too:
// the SHA-256 of the text in which the checksum's digits are zeros.
func encodeIndex(ix ocispec.Index) ([]byte, error) {
	ix.Versioned = specs.Versioned{SchemaVersion: 2}
	ix.MediaType = ocispec.MediaTypeImageIndex
	ix.Annotations = map[string]string{annotationIndex: strings.Repeat("0", 2*sha256.Size)}
	if ix.Manifests == nil {
		ix.Manifests = []ocispec.Descriptor{}
	}
	raw, err := json.Marshal(ix)
	if err != nil {
		return nil, err
	}
	at, _ := checksumAt(raw)
	if at < 0 {
		return nil, errors.New("index without a place for its checksum")
	}
	sum := sha256.Sum256(raw)
	hex.Encode(raw[at:], sum[:])
	return raw, nil
}

// checksumAt returns where the digits of an index's checksum stand, -1 where there are none.
func checksumAt(raw []byte) (int, string) {
	key := []byte(`"` + annotationIndex + `":"`)
	at := bytes.Index(raw, key)
	if at < 0 || bytes.Count(raw, key) != 1 || len(raw) < at+len(key)+2*sha256.Size {
		return -1, ""
	}
	at += len(key)
	return at, string(raw[at : at+2*sha256.Size])
}

// checkIndex reports whether an index carries a checksum, and an error when it is wrong.
func checkIndex(raw []byte) (carries bool, err error) {
	at, want := checksumAt(raw)
	if at < 0 {
		return false, nil
	}
	blank := bytes.Clone(raw)
	copy(blank[at:], strings.Repeat("0", 2*sha256.Size))
	sum := sha256.Sum256(blank)
	if got := hex.EncodeToString(sum[:]); got != want {
		return true, &DamageError{indexFile, fmt.Sprintf("its checksum says %s, its text has %s", want, got)}
	}
	return true, nil
}

// index reads the index; where there is no file it is empty.
func (h *Hub) index() (ocispec.Index, error) {
	raw, err := readSmall(filepath.Join(h.dir, indexFile), maxDocument)
	if errors.Is(err, fs.ErrNotExist) {
		return ocispec.Index{}, nil
	}
	if err != nil {
		return ocispec.Index{}, fmt.Errorf("hub: %w", err)
	}
	if _, err := checkIndex(raw); err != nil {
		return ocispec.Index{}, err
	}
	var ix ocispec.Index
	if err := json.Unmarshal(raw, &ix); err != nil {
		return ocispec.Index{}, &DamageError{indexFile, err.Error()}
	}
	for _, d := range ix.Manifests {
		if err := checkDescriptor(d); err != nil {
			return ocispec.Index{}, &DamageError{indexFile, err.Error()}
		}
	}
	return ix, nil
}

// readSmall reads a file of at most limit bytes.
func readSmall(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("%s: want at most %d bytes", path, limit)
	}
	return raw, err
}

// find returns the index's entry for a local name.
func (h *Hub) find(r Ref) (ocispec.Descriptor, error) {
	ix, err := h.index()
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	var near []string
	for _, d := range ix.Manifests {
		full := d.Annotations[ocispec.AnnotationRefName]
		name, _, _ := strings.Cut(full, ":")
		matches := full == r.Name+":"+r.Tag || r.Tag == "" && name == r.Name
		if matches && (r.Digest == "" || r.Digest == string(d.Digest)) {
			return d, nil
		}
		if name == r.Name {
			near = append(near, full)
		}
	}
	return ocispec.Descriptor{}, &NotFoundError{r.String(), near}
}

// name gives a manifest a name in the index, in place of what had it, and returns the digest that it replaced.
// When from is not empty it says where the model was pulled from: then a name that stands for another model,
// which did not come from there, is not taken away.
func (h *Hub) name(ctx context.Context, r Ref, desc ocispec.Descriptor, from string) (replaced string, err error) {
	release, err := h.lock(ctx, "index")
	if err != nil {
		return "", err
	}
	defer release()
	ix, err := h.index()
	if err != nil {
		return "", err
	}
	full := r.Name + ":" + r.Tag
	desc.Annotations = map[string]string{
		ocispec.AnnotationRefName: full,
		ocispec.AnnotationCreated: time.Now().UTC().Format(time.RFC3339),
	}
	if from != "" {
		desc.Annotations[annotationFrom] = from
	}
	at := slices.IndexFunc(ix.Manifests, func(d ocispec.Descriptor) bool { return d.Annotations[ocispec.AnnotationRefName] == full })
	if at < 0 {
		ix.Manifests = append(ix.Manifests, desc)
	} else {
		was := ix.Manifests[at]
		if was.Digest != desc.Digest {
			if from != "" && was.Annotations[annotationFrom] != from {
				return "", &TakenError{full, was.Annotations[annotationFrom], from}
			}
			replaced = string(was.Digest)
		} else if from == "" { // pushed again as it was pulled
			desc.Annotations = was.Annotations
		}
		ix.Manifests[at] = desc
	}
	slices.SortFunc(ix.Manifests, func(a, b ocispec.Descriptor) int {
		return strings.Compare(a.Annotations[ocispec.AnnotationRefName], b.Annotations[ocispec.AnnotationRefName])
	})
	raw, err := encodeIndex(ix)
	if err != nil {
		return "", fmt.Errorf("hub: %s: %w", indexFile, err)
	}
	if err := replace(filepath.Join(h.dir, indexFile), raw, 0o644); err != nil {
		return "", fmt.Errorf("hub: %w", err)
	}
	return replaced, nil
}

// TakenError says that a pull would take a name away from another model.
type TakenError struct{ Name, From, New string }

func (e *TakenError) Error() string {
	from := "was pushed here"
	if e.From != "" {
		from = "came from " + e.From
	}
	return fmt.Sprintf("hub: %s: the name belongs to another model, which %s, not from %s", e.Name, from, e.New)
}

// Hint offers another name.
func (e *TakenError) Hint() string { return "keep it under another name with --as NAME:TAG" }
