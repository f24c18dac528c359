package hub

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/nitrain/nitrain/onnx"
)

// pullHF fetches a model, its external data and its README into the cache that Python shares, checked against
// the digests that the server states, and packs them into the hub.
func (h *Hub) pullHF(ctx context.Context, from, as Ref) (*Pulled, error) {
	f, err := h.hugging(from)
	if err != nil {
		return nil, err
	}
	names, err := f.files(ctx)
	if err != nil {
		return nil, err
	}
	model, err := f.choose(names)
	if err != nil {
		return nil, err
	}
	local, err := f.download(ctx, model)
	if err != nil {
		return nil, err
	}
	pinned := from
	pinned.Tag, pinned.Path = f.commit, model
	src := Source{Model: local, from: pinned.String()}
	if src.beside, err = f.external(ctx, local, model); err != nil {
		return nil, err
	}
	if slices.Contains(names, "README.md") {
		if src.Card, err = f.download(ctx, "README.md"); err != nil {
			return nil, err
		}
		if src.Licence, err = licenceOf(src.Card); err != nil {
			return nil, err
		}
	}
	return h.packed(ctx, src, from, as)
}

// external fetches the data files of a model and returns what opens them.
func (f *huggingFace) external(ctx context.Context, local, model string) (func(string) (*os.File, error), error) {
	m, err := onnx.ReadFile(local)
	if err != nil {
		return nil, fmt.Errorf("hub: %s: %w", model, err)
	}
	defer m.Close()
	places := map[string]string{}
	for _, location := range m.ExternalFiles() {
		name := path.Clean(location)
		if err := checkFileName(name); err != nil {
			return nil, fmt.Errorf("hub: %s: external data: %w", model, err)
		}
		if places[name], err = f.download(ctx, path.Join(path.Dir(model), name)); err != nil {
			return nil, err
		}
	}
	return func(name string) (*os.File, error) { return os.Open(places[name]) }, nil
}

// licenceOf reads the licence from the header of a README.md.
func licenceOf(file string) (string, error) {
	raw, err := readSmall(file, maxDocument)
	if err != nil {
		return "", fmt.Errorf("hub: README.md: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for n := 0; lines.Scan() && n < 1000; n++ {
		line := strings.TrimRight(lines.Text(), " \r")
		if n == 0 && line != "---" || n > 0 && line == "---" {
			break
		}
		if value, ok := strings.CutPrefix(line, "license:"); ok {
			return strings.Trim(strings.TrimSpace(value), `"'`), nil
		}
	}
	return "", nil
}
