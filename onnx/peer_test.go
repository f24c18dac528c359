package onnx_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/internal/shared"
	"github.com/nitrain/nitrain/onnx"
)

// peerEdge leads from an output to the input that stands at a place of its node.
type peerEdge struct {
	Output, Input string
	Place         int
}

// peerValue is a tensor that the file holds.
type peerValue struct {
	Name, Type string
	Shape      []int
	Digest     string
}

// peerModel is what internal/peers/onnxgo prints of a model.
type peerModel struct {
	Path   string
	Error  string
	Values []string
	Edges  []peerEdge
	Stored []peerValue
}

// TestPeerDecoder reads the ONNX backend suite and what is written of it after a change with
// owulveryck/onnx-go, a decoder of which no line is ours, and compares values, edges and stored tensors. What
// it cannot read (graphs as attributes, half precision, strings ...) is counted, by its own reason.
func TestPeerDecoder(t *testing.T) {
	archive := shared.Dir(t, "onnx-backend-tests.tar.gz")
	peer := filepath.Join(t.TempDir(), "onnxgo")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", peer, "./onnxgo")
	build.Dir = filepath.Join("..", "internal", "peers")
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("the peer does not build here (it needs its modules): %v: %.200s", err, out)
	}
	dir := t.TempDir()
	every := 8
	if os.Getenv("NITRAIN_ACCEPTANCE") != "" {
		every = 1
	}
	var paths []string
	for i, raw := range suiteModels(t, archive) {
		if i%every != 0 {
			continue
		}
		m, err := onnx.Read(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			t.Errorf("model %d: %v", i, err)
			continue
		}
		m.SetMetadata("peer", "changed")
		path := filepath.Join(dir, fmt.Sprintf("%d.onnx", i))
		if err := onnx.WriteFile(path, m); err != nil {
			t.Errorf("model %d: %v", i, err)
			continue
		}
		paths = append(paths, path)
	}
	agreed, reasons := 0, map[string]int{}
	for _, got := range runPeer(t, peer, paths) {
		if got.Error != "" {
			reasons[got.Error[:min(len(got.Error), 40)]]++
			continue
		}
		m, err := onnx.ReadFile(got.Path)
		if err != nil {
			t.Fatal(err)
		}
		comparePeer(t, m, got)
		m.Close()
		agreed++
	}
	t.Logf("%d of %d models are decoded by the peer; reasons of the others: %v", agreed, len(paths), reasons)
	if agreed*4 < len(paths)*3 {
		t.Errorf("only %d of %d models are compared", agreed, len(paths))
	}
}

// suiteModels returns the models of the suite, in the order of the archive.
func suiteModels(t *testing.T, path string) (out [][]byte) {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(h.Name, "/model.onnx") {
			continue
		}
		raw, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, raw)
	}
}

// runPeer decodes models in the peer's process; a model that ends it is left out and it starts again.
func runPeer(t *testing.T, peer string, paths []string) (out []peerModel) {
	for left := paths; len(left) > 0; {
		cmd := exec.CommandContext(t.Context(), peer)
		cmd.Stdin = strings.NewReader(strings.Join(left, "\n") + "\n")
		raw, err := cmd.Output()
		list := bufio.NewReader(bytes.NewReader(raw))
		n := 0
		for d := json.NewDecoder(list); ; n++ {
			var m peerModel
			if d.Decode(&m) != nil {
				break
			}
			out = append(out, m)
		}
		left = left[n:]
		if err == nil {
			break
		}
		if len(left) > 0 {
			out = append(out, peerModel{Path: left[0], Error: "the process ended"})
			left = left[1:]
		}
	}
	return out
}

// comparePeer compares a model as we read it with what the peer found.
func comparePeer(t *testing.T, m *onnx.Model, got peerModel) {
	t.Helper()
	edges := map[[2]string]int{}
	for _, n := range m.Graph().Nodes {
		inputs := n.Inputs
		if len(inputs) == 0 {
			inputs = []string{n.Name + "/input"}
		}
		for _, o := range n.Outputs {
			for place, in := range inputs {
				edges[[2]string{o, in}] = place // the peer keeps the last of several edges between two values
			}
		}
	}
	for _, e := range got.Edges {
		place, ok := edges[[2]string{e.Output, e.Input}]
		if !ok || place != e.Place {
			t.Errorf("%s: the peer has an edge from %q to %q at %d, we %v %d", got.Path, e.Output, e.Input, e.Place, ok, place)
		}
		delete(edges, [2]string{e.Output, e.Input})
	}
	for e := range edges {
		t.Errorf("%s: the peer misses the edge %v", got.Path, e)
	}
	stored := map[string]peerValue{}
	for _, v := range got.Stored {
		stored[v.Name] = v
	}
	for _, i := range m.Graph().Initializers {
		v, ok := stored[i.Name]
		if !ok {
			t.Errorf("%s: the peer misses initializer %q", got.Path, i.Name)
			continue
		}
		raw, err := i.Tensor.Bytes()
		if err != nil {
			t.Error(err)
			continue
		}
		sum := sha256.Sum256(raw)
		if v.Digest != hex.EncodeToString(sum[:]) || !slices.Equal(v.Shape, i.Tensor.Shape()) || v.Type != i.Tensor.DType().String() {
			t.Errorf("%s: initializer %q is %v %v for the peer, %v %v for us", got.Path, i.Name, v.Type, v.Shape, i.Tensor.DType(), i.Tensor.Shape())
		}
	}
}
