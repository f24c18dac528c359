package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Config is a model in brief: what `hub show` needs without fetching the model. Its media type is ConfigType.
type Config struct {
	Version    int         `json:"version"` // 1
	Model      ModelFacts  `json:"model"`
	Task       string      `json:"task,omitempty"`
	Labels     []string    `json:"labels,omitempty"` // of the Spec, without background
	Provenance *Provenance `json:"provenance,omitempty"`
	Run        *RunFacts   `json:"run,omitempty"`
}

// ModelFacts say what a model's file is.
type ModelFacts struct {
	File       string `json:"file"`
	SHA256     string `json:"sha256"` // hexadecimal
	Size       int64  `json:"size"`
	IRVersion  int    `json:"ir_version"`
	Opset      int    `json:"opset"`
	Producer   string `json:"producer,omitempty"`
	Inputs     []Port `json:"inputs"`
	Outputs    []Port `json:"outputs"`
	Parameters int64  `json:"parameters"` // elements of initializers
}

// Port is an input or output; a free axis has its name or "?".
type Port struct {
	Name  string   `json:"name"`
	Type  string   `json:"type"`
	Shape []string `json:"shape"`
}

// Provenance says where a model comes from. It is the Spec's, so it stands inside the model's file too and
// outlives fine-tuning and export.
type Provenance struct {
	Source  string   `json:"source,omitempty"`
	SHA256  string   `json:"sha256,omitempty"` // of the model that this one was made from
	Tool    string   `json:"tool,omitempty"`
	Licence string   `json:"licence,omitempty"`
	Trained *Trained `json:"trained,omitempty"`
}

// Trained sums up the training that made the weights.
type Trained struct {
	Cases  int     `json:"cases"`
	Epochs float64 `json:"epochs,omitempty"`
	Steps  int     `json:"steps,omitempty"`
	Score  float64 `json:"score,omitempty"`
	Data   string  `json:"data,omitempty"` // SHA-256 of the list of cases
}

// RunFacts identify the run that made the weights.
type RunFacts struct {
	SHA256  string `json:"sha256"` // of the run folder's run.json
	Created string `json:"created,omitempty"`
	Tool    string `json:"tool,omitempty"`
	Seed    uint64 `json:"seed"`
	Steps   int    `json:"steps,omitempty"`
	State   string `json:"state,omitempty"`
}

// FileEntry is one file of a model.
type FileEntry struct {
	Name   string `json:"name"`
	Role   Role   `json:"role"`
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
}

// ErrNotModel is wrapped by the error for an artifact that is not one of nitrain's models, or one that
// contradicts itself.
var ErrNotModel = errors.New("not a nitrain model")

// manifest is a manifest whose parts have been checked against each other.
type manifest struct {
	raw  []byte
	desc ocispec.Descriptor
	ocispec.Manifest
	files []FileEntry // parallel to Layers
}

// newManifest makes a manifest. The same files give the same bytes.
func newManifest(config ocispec.Descriptor, layers []ocispec.Descriptor, annotations map[string]string) (*manifest, error) {
	raw, err := json.Marshal(ocispec.Manifest{
		Versioned:    specs.Versioned{SchemaVersion: 2},
		MediaType:    ocispec.MediaTypeImageManifest,
		ArtifactType: ArtifactType,
		Config:       config,
		Layers:       layers,
		Annotations:  annotations,
	})
	if err != nil {
		return nil, err
	}
	return parseManifest(raw)
}

// parseManifest reads a manifest and refuses one that is not a model, whose files could leave their folder, or
// that contradicts itself. All faults are in the error.
func parseManifest(raw []byte) (*manifest, error) {
	m := &manifest{raw: raw, desc: ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageManifest, ArtifactType: ArtifactType,
		Digest: digest.FromBytes(raw), Size: int64(len(raw)),
	}}
	if err := json.Unmarshal(raw, &m.Manifest); err != nil {
		return nil, fmt.Errorf("hub: manifest: %w: %w", ErrNotModel, err)
	}
	if m.ArtifactType != ArtifactType || m.SchemaVersion != 2 || m.MediaType != "" && m.MediaType != ocispec.MediaTypeImageManifest {
		return nil, fmt.Errorf("hub: manifest: %w: want the artifact type %s, got %q", ErrNotModel, ArtifactType, m.ArtifactType)
	}
	if len(m.Layers) > maxLayers {
		return nil, fmt.Errorf("hub: manifest: %w: want at most %d files, got %d", ErrNotModel, maxLayers, len(m.Layers))
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("hub: manifest: %w: %w", ErrNotModel, err)
	}
	return m, nil
}

func (m *manifest) check() error {
	var faults []error
	faultf := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if err := checkDescriptor(m.Config); err != nil || m.Config.MediaType != ConfigType || m.Config.Size > maxDocument {
		faultf("config: want %s of at most %d bytes, got %s of %d", ConfigType, maxDocument, m.Config.MediaType, m.Config.Size)
	}
	count := map[Role]int{}
	seen := map[string]bool{}
	for _, d := range m.Layers {
		name := d.Annotations[ocispec.AnnotationTitle]
		role, known := roleOf(d.MediaType)
		folded := strings.ToLower(name)
		switch err := errors.Join(checkDescriptor(d), checkFileName(name)); {
		case err != nil:
			faultf("file %q: %w", name, err)
		case !known:
			faultf("file %q: unknown media type %q", name, d.MediaType)
		case seen[folded]:
			faultf("file %q: the name stands twice", name)
		case role.document() && d.Size > maxDocument:
			faultf("file %q: want at most %d bytes, got %d", name, maxDocument, d.Size)
		}
		seen[folded] = true
		count[role]++
		m.files = append(m.files, FileEntry{name, role, string(d.Digest), d.Size})
	}
	for role, n := range count {
		if n > 1 && role != RoleData {
			faultf("want one file of role %q, got %d", role, n)
		}
	}
	if count[RoleModel] == 0 {
		faultf("want a file of role %q, got none", RoleModel)
	}
	return errors.Join(faults...)
}

// checkDescriptor refuses digests and sizes that could not be kept in a hub.
func checkDescriptor(d ocispec.Descriptor) error {
	if !validDigest(string(d.Digest)) {
		return fmt.Errorf("want a digest sha256: with 64 hexadecimal digits, got %q", d.Digest)
	}
	if d.Size < 0 {
		return fmt.Errorf("want a size, got %d", d.Size)
	}
	return nil
}

// total returns the bytes of all files.
func (m *manifest) total() int64 {
	n := m.Config.Size
	for _, d := range m.Layers {
		if d.Size > (1<<62)-n {
			return 1 << 62
		}
		n += d.Size
	}
	return n
}

// layer returns the file of a role that a model has at most one of.
func (m *manifest) layer(role Role) (ocispec.Descriptor, string, bool) {
	for i, f := range m.files {
		if f.Role == role {
			return m.Layers[i], f.Name, true
		}
	}
	return ocispec.Descriptor{}, "", false
}

// parts lists the config and the layers with their names, each digest once.
func (m *manifest) parts() ([]ocispec.Descriptor, []string) {
	descs, names := []ocispec.Descriptor{m.Config}, []string{"config"}
	seen := map[digest.Digest]bool{m.Config.Digest: true}
	for i, d := range m.Layers {
		if !seen[d.Digest] {
			seen[d.Digest] = true
			descs, names = append(descs, d), append(names, m.files[i].Name)
		}
	}
	return descs, names
}

// parseConfig reads a config and holds it against its manifest.
func (m *manifest) parseConfig(raw []byte) (Config, error) {
	var c Config
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, fmt.Errorf("hub: config: %w: %w", ErrNotModel, err)
	}
	if c.Version != 1 {
		return c, fmt.Errorf("hub: config: want version 1, got %d", c.Version)
	}
	d, name, _ := m.layer(RoleModel)
	if c.Model.SHA256 != d.Digest.Encoded() || c.Model.File != name || c.Model.Size != d.Size {
		return c, fmt.Errorf("hub: config: %w: it describes %s %s, the model is %s %s",
			ErrNotModel, c.Model.File, c.Model.SHA256, name, d.Digest.Encoded())
	}
	return c, nil
}
