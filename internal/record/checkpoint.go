package record

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// magic begins a checkpoint; the last byte is the version of the format.
const magic = "nitrainC\x01"

// maxHeader bounds what a damaged length can make us read.
const maxHeader = 1 << 30

// Checkpoint is the state of a run: any JSON value and named arrays.
type Checkpoint struct {
	// State is what the run needs beside arrays: step, scores, history.
	State json.RawMessage
	// Arrays hold weights, optimizer moments and the like.
	Arrays []Array
}

// Array is a named array.
type Array struct {
	Name  string
	DType string // "float32", "int64", ...: numpy's name
	Shape []int
	Data  []byte // little endian, C order
}

type checkpointHeader struct {
	State  json.RawMessage `json:"state"`
	Arrays []arrayHeader   `json:"arrays"`
}

type arrayHeader struct {
	Name  string `json:"name"`
	DType string `json:"dtype"`
	Shape []int  `json:"shape"`
	Bytes int    `json:"bytes"`
}

// WriteCheckpoint replaces a checkpoint: atomically, and on the disk when it returns.
func (d *Dir) WriteCheckpoint(name string, c *Checkpoint) error {
	return d.Write(name, c.encode)
}

// ReadCheckpoint reads a checkpoint of a run folder and verifies its digest. A missing one wraps
// fs.ErrNotExist.
func ReadCheckpoint(dir, name string) (*Checkpoint, error) {
	path := filepath.Join(dir, filepath.FromSlash(name))
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	c, err := decodeCheckpoint(raw)
	if err != nil {
		return nil, fmt.Errorf("record: %s: %w", path, err)
	}
	return c, nil
}

func (c *Checkpoint) encode(w io.Writer) error {
	h := checkpointHeader{State: c.State, Arrays: make([]arrayHeader, len(c.Arrays))}
	for i, a := range c.Arrays {
		h.Arrays[i] = arrayHeader{a.Name, a.DType, a.Shape, len(a.Data)}
	}
	header, err := json.Marshal(h)
	if err != nil {
		return err
	}
	digest := sha256.New()
	to := io.MultiWriter(w, digest)
	start := binary.LittleEndian.AppendUint64([]byte(magic), uint64(len(header)))
	if _, err := to.Write(append(start, header...)); err != nil {
		return err
	}
	for _, a := range c.Arrays {
		if _, err := to.Write(a.Data); err != nil {
			return err
		}
	}
	_, err = w.Write(digest.Sum(nil))
	return err
}

func decodeCheckpoint(raw []byte) (*Checkpoint, error) {
	if len(raw) < len(magic)+8+sha256.Size || string(raw[:len(magic)-1]) != magic[:len(magic)-1] {
		return nil, errors.New("not a checkpoint of a run")
	}
	if v := raw[len(magic)-1]; v != magic[len(magic)-1] {
		return nil, fmt.Errorf("want version %d of the format, got %d", magic[len(magic)-1], v)
	}
	body, sum := raw[:len(raw)-sha256.Size], raw[len(raw)-sha256.Size:]
	if want := sha256.Sum256(body); !bytes.Equal(want[:], sum) {
		return nil, errors.New("damaged: the digest at its end does not fit")
	}
	body = body[len(magic):]
	n := binary.LittleEndian.Uint64(body)
	body = body[8:]
	if n > maxHeader || n > uint64(len(body)) {
		return nil, fmt.Errorf("header of %d bytes: want at most %d", n, len(body))
	}
	var h checkpointHeader
	if err := json.Unmarshal(body[:n], &h); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	body = body[n:]
	c := &Checkpoint{State: h.State}
	for _, a := range h.Arrays {
		if a.Bytes < 0 || a.Bytes > len(body) {
			return nil, fmt.Errorf("array %q: %d bytes: want at most the %d that are left", a.Name, a.Bytes, len(body))
		}
		c.Arrays = append(c.Arrays, Array{a.Name, a.DType, a.Shape, body[:a.Bytes:a.Bytes]})
		body = body[a.Bytes:]
	}
	if len(body) > 0 {
		return nil, fmt.Errorf("%d bytes behind the last array", len(body))
	}
	return c, nil
}
