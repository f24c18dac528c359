package cpu

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"sync"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// Buffer is an array in memory that is aligned to 64 bytes. Its memory is freed with it: at once by Finalize, else when
// the garbage collector finds it.
type Buffer struct {
	backend *Backend
	shape   shapes.Shape
	mu      sync.Mutex
	block   block
	gone    bool
	cleanup runtime.Cleanup
}

var errGone = errors.New("cpu: buffer: want one in use, got one that was finalized or donated")

func (b *Backend) newBuffer(shape shapes.Shape) (*Buffer, error) {
	if !shape.Ok() || shape.IsDynamic() {
		return nil, fmt.Errorf("cpu: buffer: want a static shape, got %s", shape)
	}
	mem, err := b.heap.take(shape.ByteSize())
	if err != nil {
		return nil, fmt.Errorf("cpu: buffer of %s: %w", shape, err)
	}
	return b.adopt(mem, shape), nil
}

// adopt makes memory a buffer's.
func (b *Backend) adopt(mem block, shape shapes.Shape) *Buffer {
	buf := &Buffer{backend: b, shape: shape.Clone(), block: mem}
	buf.cleanup = runtime.AddCleanup(buf, func(m block) { b.heap.put(m) }, mem)
	return buf
}

// Backend returns the backend that made the buffer.
func (b *Buffer) Backend() compute.Backend { return b.backend }

// Finalize frees the memory. It may be called again.
func (b *Buffer) Finalize() error {
	if mem, err := b.surrender(); err == nil {
		b.backend.heap.put(mem)
	}
	return nil
}

// surrender ends the buffer and returns its memory, which the caller frees or gives to another buffer.
func (b *Buffer) surrender() (block, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		return block{}, errGone
	}
	b.gone = true
	b.cleanup.Stop()
	mem := b.block
	b.block = block{}
	return mem, nil
}

// bytes returns the memory of a buffer that is in use.
func (b *Buffer) bytes() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		return nil, errGone
	}
	return b.block.bytes, nil
}

// Shape returns the buffer's shape.
func (b *Buffer) Shape() (shapes.Shape, error) {
	if _, err := b.bytes(); err != nil {
		return shapes.Invalid(), err
	}
	return b.shape, nil
}

// DeviceNum returns 0.
func (b *Buffer) DeviceNum() (compute.DeviceNum, error) { return 0, nil }

// ToFlatData copies the elements to flat.
func (b *Buffer) ToFlatData(flat any) error {
	if err := matches(flat, b.shape); err != nil {
		return err
	}
	from, err := b.bytes()
	if err != nil {
		return err
	}
	copy(bytesOf(flat), from)
	runtime.KeepAlive(b)
	return nil
}

// Data returns the elements themselves, valid as long as the buffer.
func (b *Buffer) Data() (any, error) {
	if _, err := b.bytes(); err != nil {
		return nil, err
	}
	return b.flat(), nil
}

// CopyToDevice copies the buffer on the one device.
func (b *Buffer) CopyToDevice(device compute.DeviceNum) (compute.Buffer, error) {
	if err := b.backend.usable(device); err != nil {
		return nil, err
	}
	from, err := b.bytes()
	if err != nil {
		return nil, err
	}
	to, err := b.backend.newBuffer(b.shape)
	if err != nil {
		return nil, err
	}
	copy(to.block.bytes, from)
	runtime.KeepAlive(b)
	return to, nil
}

// flat returns the elements as a slice of their type.
func (b *Buffer) flat() any {
	n := b.shape.Size()
	if n == 0 {
		return dtypes.MakeAnySlice(b.shape.DType, 0)
	}
	return dtypes.UnsafeAnySliceFromBytes(unsafe.Pointer(unsafe.SliceData(b.block.bytes)), b.shape.DType, n)
}

// matches wants a slice with the type and the length of a shape.
func matches(flat any, shape shapes.Shape) error {
	if !shape.Ok() || shape.IsDynamic() {
		return fmt.Errorf("cpu: want a static shape, got %s", shape)
	}
	t := reflect.TypeOf(flat)
	if t == nil || t.Kind() != reflect.Slice {
		return fmt.Errorf("cpu: elements of %s: want a slice, got %T", shape, flat)
	}
	want, length := shape.DType.GoType(), shape.Size()
	if shape.DType.IsPacked() {
		want, length = reflect.TypeFor[byte](), int(shape.ByteSize())
	}
	got := t.Elem()
	if got != want && dtypes.FromGoType(got) != shape.DType {
		return fmt.Errorf("cpu: elements of %s: want []%s, got %T", shape, want, flat)
	}
	if n := reflect.ValueOf(flat).Len(); n != length {
		return fmt.Errorf("cpu: elements of %s: want %d, got %d", shape, length, n)
	}
	return nil
}

// bytesOf returns the memory of a slice of numbers.
func bytesOf(flat any) []byte { return dtypes.UnsafeByteSliceFromAny(flat) }
