package onnx_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/nitrain/nitrain/onnx"
)

// sparse writes a model with n tensors of size bytes each; the data are holes in the file.
func sparse(t testing.TB, n int, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "large.onnx")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var head []byte // of one initializer's body, up to its raw data
	head = protowire.AppendTag(head, 1, protowire.VarintType)
	head = protowire.AppendVarint(head, uint64(size/4))
	head = protowire.AppendTag(head, 2, protowire.VarintType)
	head = protowire.AppendVarint(head, 1)
	head = protowire.AppendTag(head, 8, protowire.BytesType)
	head = protowire.AppendBytes(head, []byte("w00000"))
	head = protowire.AppendTag(head, 9, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(size))
	body := uint64(len(head)) + uint64(size)
	record := protowire.AppendVarint(protowire.AppendTag(nil, 5, protowire.BytesType), body)
	graph := uint64(n) * (uint64(len(record)) + body)
	start := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 8)
	start = protowire.AppendVarint(protowire.AppendTag(start, 7, protowire.BytesType), graph)
	if _, err := f.Write(start); err != nil {
		t.Fatal(err)
	}
	at := int64(len(start))
	for range n {
		b := append(append([]byte{}, record...), head...)
		if _, err := f.WriteAt(b, at); err != nil {
			t.Fatal(err)
		}
		at += int64(len(b)) + size
	}
	if err := f.Truncate(at); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestLargeOpensAtOnce opens a model of 500 MB. The measured time is well below a millisecond and the heap a
// few kB; the limits leave room for a busy machine.
func TestLargeOpensAtOnce(t *testing.T) {
	path := sparse(t, 50, 10<<20)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	m, err := onnx.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	used := after.TotalAlloc - before.TotalAlloc
	t.Logf("500 MB: %v, %d kB allocated", took, used>>10)
	if took > 100*time.Millisecond || used > 4<<20 {
		t.Errorf("want at most 100 ms and 4 MB, got %v and %d kB", took, used>>10)
	}
	if b, err := m.Graph().Initializers[49].Tensor.Bytes(); err != nil || len(b) != 10<<20 {
		t.Errorf("want 10 MiB, got %d (%v)", len(b), err)
	}
}

func BenchmarkReadFile500MB(b *testing.B) {
	path := sparse(b, 50, 10<<20)
	b.ReportAllocs()
	for b.Loop() {
		m, err := onnx.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		m.Close()
	}
}

// TestMemoryIsJustified reads files that claim more than they hold.
func TestMemoryIsJustified(t *testing.T) {
	short := filepath.Join(t.TempDir(), "short.onnx")
	data, err := os.ReadFile(sparse(t, 1, 4096))
	if err != nil {
		t.Fatal(err)
	}
	for n := range data[:64] {
		if err := os.WriteFile(short, data[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if m, err := onnx.ReadFile(short); err == nil {
			t.Errorf("%d bytes of %d: want an error", n, len(data))
			m.Close()
		}
	}
	many := manyNodes(t, 8<<20) // each node takes 2 bytes in the file and hundreds in memory
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m, err := onnx.ReadFile(many)
	runtime.ReadMemStats(&after)
	if err == nil {
		m.Close()
		t.Error("a file of empty nodes: want an error")
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 600<<20 {
		t.Errorf("an 8 MB file took %d MB", used>>20)
	}
}

// manyNodes writes a graph of empty nodes.
func manyNodes(t *testing.T, size int) string {
	t.Helper()
	graph := make([]byte, 0, size)
	for len(graph) < size {
		graph = append(graph, 0x0a, 0x00)
	}
	path := filepath.Join(t.TempDir(), "many.onnx")
	data := protowire.AppendBytes(protowire.AppendTag(nil, 7, protowire.BytesType), graph)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
