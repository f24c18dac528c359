package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/nitrain/nitrain/onnx"
)

// Source is what is pushed.
type Source struct {
	// Model is the path of an .onnx file. Its external data is found through it, its Spec inside it.
	Model string
	// Run is the run folder that the weights come from; it must fit the provenance of the Spec. "": none.
	Run string
	// Evaluation is the JSON report of an evaluation; "": none.
	Evaluation string
	// Card is a README.md in place of the one that is generated; "": none.
	Card string
	// Licence and Description are for the card; "" takes the licence of the Spec's provenance.
	Licence, Description string

	from   string                              // where it was pulled from
	beside func(name string) (*os.File, error) // opens external data; nil: in the model's folder
}

// part is a file on the way into a hub.
type part struct {
	name string
	role Role
	path string // of a file that is opened by its path
	open func() (*os.File, error)
	raw  []byte // of a document
}

// pack copies a model and its documents into the hub and returns its manifest, which has no name yet.
func (h *Hub) pack(ctx context.Context, src Source, name Ref) (*manifest, error) {
	if err := h.prepare(); err != nil {
		return nil, err
	}
	c, parts, err := describe(src)
	if err != nil {
		return nil, err
	}
	return h.packParts(ctx, src, c, parts, name)
}

// MakeCard returns the card of a model's file, which is generated unless src.Card names one.
func MakeCard(src Source) ([]byte, error) {
	c, _, err := describe(src)
	if err != nil {
		return nil, err
	}
	if c.card != nil {
		return c.card, nil
	}
	f, err := os.Open(src.Model)
	if err != nil {
		return nil, fmt.Errorf("hub: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	if c.config.Model.Size, err = io.Copy(sum, f); err != nil {
		return nil, fmt.Errorf("hub: %s: %w", src.Model, err)
	}
	c.config.Model.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return c.makeCard(Ref{Scheme: File, Path: src.Model}, src).Markdown(), nil
}

// contents is what the documents of a model say.
type contents struct {
	config     Config
	spec       *Spec
	run        *Run
	evaluation *Evaluation
	card       []byte
}

// describe reads what there is to know about a model and lists its files.
func describe(src Source) (*contents, []part, error) {
	m, err := onnx.ReadFile(src.Model)
	if err != nil {
		return nil, nil, fmt.Errorf("hub: %w", err)
	}
	defer m.Close()
	c := &contents{config: Config{Version: 1, Model: factsOf(m)}}
	c.config.Model.File = filepath.Base(src.Model)
	parts := []part{{name: c.config.Model.File, role: RoleModel, path: src.Model}}
	for _, location := range m.ExternalFiles() {
		name := path.Clean(location)
		if err := checkFileName(name); err != nil {
			return nil, nil, fmt.Errorf("hub: %s: external data: %w", src.Model, err)
		}
		parts = append(parts, part{name: name, role: RoleData, open: func() (*os.File, error) {
			if src.beside != nil {
				return src.beside(name)
			}
			return openBeside(filepath.Dir(src.Model), name)
		}})
	}
	if text, ok := m.Metadata()[SpecKey]; ok {
		if c.spec, err = parseSpec([]byte(text)); err != nil {
			return nil, nil, fmt.Errorf("hub: %s: %w", src.Model, err)
		}
		parts = append(parts, part{name: "spec.json", role: RoleSpec, raw: []byte(text)})
		c.config.Task, c.config.Labels, c.config.Provenance = c.spec.Task, c.spec.names(), c.spec.Provenance
	}
	if c.config.Provenance == nil && src.from != "" {
		c.config.Provenance = &Provenance{Source: src.from}
	}
	return c, parts, c.read(src)
}

// read fills in the documents that lie beside the model.
func (c *contents) read(src Source) (err error) {
	if src.Run != "" {
		if c.run, err = ReadRun(src.Run); err != nil {
			return err
		}
		if err := c.run.matches(c.config.Provenance); err != nil {
			return err
		}
		c.config.Run = c.run.facts()
	}
	if src.Evaluation != "" {
		if c.evaluation, err = ReadEvaluation(src.Evaluation); err != nil {
			return err
		}
	}
	if src.Card != "" {
		if c.card, err = readSmall(src.Card, maxDocument); err != nil {
			return fmt.Errorf("hub: card: %w", err)
		}
	}
	return nil
}

func (h *Hub) packParts(ctx context.Context, src Source, c *contents, parts []part, name Ref) (*manifest, error) {
	left := h.o.MaxBytes
	var layers []ocispec.Descriptor
	add := func(p part) error {
		d, err := h.addPart(ctx, p, left)
		if err != nil {
			return err
		}
		left -= d.Size
		layers = append(layers, d)
		return nil
	}
	for _, p := range parts {
		if err := add(p); err != nil {
			return nil, err
		}
	}
	c.config.Model.SHA256, c.config.Model.Size = layers[0].Digest.Encoded(), layers[0].Size
	documents, err := c.documents(src, name)
	if err != nil {
		return nil, err
	}
	for _, p := range documents {
		if err := add(p); err != nil {
			return nil, err
		}
	}
	raw, err := json.Marshal(c.config)
	if err != nil {
		return nil, fmt.Errorf("hub: config: %w", err)
	}
	config, err := h.addBytes(ctx, ConfigType, raw)
	if err != nil {
		return nil, fmt.Errorf("hub: config: %w", err)
	}
	m, err := newManifest(config, layers, c.annotations(src))
	if err != nil {
		return nil, err
	}
	if _, err := h.addBytes(ctx, m.desc.MediaType, m.raw); err != nil {
		return nil, fmt.Errorf("hub: manifest: %w", err)
	}
	return m, nil
}

// addPart copies one file into the hub.
func (h *Hub) addPart(ctx context.Context, p part, limit int64) (ocispec.Descriptor, error) {
	d := ocispec.Descriptor{MediaType: p.role.MediaType(), Annotations: map[string]string{ocispec.AnnotationTitle: p.name}}
	var r io.Reader = strings.NewReader(string(p.raw))
	total := int64(len(p.raw))
	if p.raw == nil {
		f, err := p.file()
		if err != nil {
			return d, fmt.Errorf("hub: %s: %w", p.name, err)
		}
		defer f.Close()
		st, err := f.Stat()
		if err != nil {
			return d, fmt.Errorf("hub: %s: %w", p.name, err)
		}
		if !st.Mode().IsRegular() {
			return d, fmt.Errorf("hub: %s: want a regular file", p.name)
		}
		r, total = f, st.Size()
	}
	if total > limit {
		return d, fmt.Errorf("hub: %s: want at most %d bytes in all, it has %d", p.name, limit, total)
	}
	var err error
	d.Digest, d.Size, err = h.add(ctx, r, limit, func(n int64) {
		h.o.Progress(Progress{"pack", p.name, n, max(n, total)})
	})
	if err != nil {
		return d, fmt.Errorf("hub: %s: %w", p.name, err)
	}
	return d, nil
}

func (p part) file() (*os.File, error) {
	if p.open != nil {
		return p.open()
	}
	return os.Open(p.path)
}

// openBeside opens a file inside dir; links out of it are refused.
func openBeside(dir, name string) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	st, err := root.Lstat(name)
	if err == nil && st.Mode()&fs.ModeSymlink != 0 {
		err = errors.New("it is a symbolic link")
	}
	if err != nil {
		return nil, err
	}
	return root.Open(name)
}

// documents lists the files that the hub writes itself, the card last of all to be made.
func (c *contents) documents(src Source, name Ref) ([]part, error) {
	var out []part
	if c.card == nil {
		c.card = c.makeCard(name, src).Markdown()
	}
	out = append(out, part{name: "README.md", role: RoleCard, raw: c.card})
	for _, d := range []struct {
		name  string
		role  Role
		value any
		there bool
	}{
		{"run.json", RoleRun, c.run, c.run != nil},
		{"evaluation.json", RoleEvaluation, c.evaluation, c.evaluation != nil},
	} {
		if !d.there {
			continue
		}
		raw, err := json.Marshal(d.value)
		if err != nil {
			return nil, fmt.Errorf("hub: %s: %w", d.name, err)
		}
		out = append(out, part{name: d.name, role: d.role, raw: raw})
	}
	return out, nil
}

// annotations make the provenance readable in a registry, without fetching anything but the manifest.
func (c *contents) annotations(src Source) map[string]string {
	a := map[string]string{}
	set := func(key, value string) {
		if value != "" {
			a[key] = value
		}
	}
	set(annotationTask, c.config.Task)
	set(ocispec.AnnotationDescription, src.Description)
	licence := src.Licence
	if p := c.config.Provenance; p != nil {
		set(annotationSource, p.Source)
		set(annotationSHA256, p.SHA256)
		if licence == "" {
			licence = p.Licence
		}
		if p.Trained != nil {
			set(annotationData, p.Trained.Data)
		}
	}
	if c.run != nil {
		set(annotationRun, c.run.SHA256)
	}
	set(ocispec.AnnotationLicenses, licence)
	return a
}

// factsOf describes a model; its file is for the caller to fill in.
func factsOf(m *onnx.Model) ModelFacts {
	f := ModelFacts{IRVersion: m.IRVersion, Opset: m.Opset(""), Inputs: ports(m.Inputs()), Outputs: ports(m.Outputs())}
	f.Producer = strings.TrimSpace(m.ProducerName + " " + m.ProducerVersion)
	for _, i := range m.Graph().Initializers {
		f.Parameters += int64(i.Tensor.Len())
	}
	return f
}

func ports(values []onnx.ValueInfo) []Port {
	out := []Port{}
	for _, v := range values {
		p := Port{Name: v.Name, Type: v.DType.String(), Shape: []string{}}
		for i, n := range v.Shape {
			axis := strconv.Itoa(n)
			if n < 0 {
				axis = "?"
				if i < len(v.Dims) && v.Dims[i] != "" {
					axis = v.Dims[i]
				}
			}
			p.Shape = append(p.Shape, axis)
		}
		out = append(out, p)
	}
	return out
}
