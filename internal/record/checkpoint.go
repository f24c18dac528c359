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

// Array is a named array of float32, C order.
type Array struct {
	Name  string
	Shape []int
	Data  []float32
}

type checkpointHeader struct {
	State  json.RawMessage `json:"state"`
	Arrays []arrayHeader   `json:"arrays"`
}

type arrayHeader struct {
	Name  string `json:"name"`
	DType string `json:"dtype"`
	Shape []int  `json:"shape"`
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
		if n := product(a.Shape); n != len(a.Data) {
			return fmt.Errorf("array %q of shape %v: want %d values, got %d", a.Name, a.Shape, n, len(a.Data))
		}
		h.Arrays[i] = arrayHeader{a.Name, "float32", a.Shape}
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
	buf := make([]byte, 0, 1<<16)
	for _, a := range c.Arrays {
		for rest := a.Data; len(rest) > 0; {
			n := min(len(rest), cap(buf)/4)
			buf, err = binary.Append(buf[:0], binary.LittleEndian, rest[:n])
			if err != nil {
				return err
			}
			if _, err := to.Write(buf); err != nil {
				return err
			}
			rest = rest[n:]
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
		count := product(a.Shape)
		if a.DType != "float32" || count < 0 || count > len(body)/4 {
			return nil, fmt.Errorf("array %q: %s of shape %v: want float32 within the file", a.Name, a.DType, a.Shape)
		}
		data := make([]float32, count)
		if _, err := binary.Decode(body[:4*count], binary.LittleEndian, data); err != nil {
			return nil, err
		}
		body = body[4*count:]
		c.Arrays = append(c.Arrays, Array{a.Name, a.Shape, data})
	}
	if len(body) > 0 {
		return nil, fmt.Errorf("%d bytes behind the last array", len(body))
	}
	return c, nil
}

// product multiplies sizes; -1 when one is negative or the product is beyond any file.
func product(shape []int) int {
	n := 1
	for _, s := range shape {
		if s < 0 || s > 0 && n > (1<<40)/s {
			return -1
		}
		n *= s
	}
	return n
}
