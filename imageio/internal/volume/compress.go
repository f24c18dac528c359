package volume

import (
	"bytes"
	"encoding/binary"
	"hash"
	"hash/adler32"
	"hash/crc32"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/flate"
)

// blockSize is how many bytes are compressed at a time: matches do not reach beyond, which costs less than 1 %.
const blockSize = 512 << 10

// Compressor writes gzip or zlib data whose blocks all processors compress. Any reader sees a single stream.
type Compressor struct {
	w       io.Writer
	level   int
	sum     hash.Hash32
	trailer func(sum hash.Hash32, size uint64) []byte
	size    uint64
	block   []byte
	queue   chan chan result // of blocks on their way, in order
	done    chan error       // of the goroutine that writes
	spare   sync.Pool
}

type result struct {
	data *bytes.Buffer
	err  error
}

// NewCompressor returns a gzip writer of a level from 1, fast, to 9, small. Close ends the stream and not w.
func NewCompressor(w io.Writer, level int) (*Compressor, error) {
	head := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}
	return newCompressor(w, level, head, crc32.NewIEEE(), func(sum hash.Hash32, size uint64) []byte {
		return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, sum.Sum32()), uint32(size))
	})
}

// NewZlib is NewCompressor for the format that MetaImage uses.
func NewZlib(w io.Writer, level int) (*Compressor, error) {
	return newCompressor(w, level, []byte{0x78, 0x9c}, adler32.New(), func(sum hash.Hash32, _ uint64) []byte {
		return binary.BigEndian.AppendUint32(nil, sum.Sum32())
	})
}

func newCompressor(w io.Writer, level int, head []byte, sum hash.Hash32, trailer func(hash.Hash32, uint64) []byte) (*Compressor, error) {
	if _, err := flate.NewWriter(io.Discard, level); err != nil {
		return nil, err
	}
	if _, err := w.Write(head); err != nil {
		return nil, err
	}
	c := &Compressor{w: w, level: level, sum: sum, trailer: trailer, queue: make(chan chan result, runtime.GOMAXPROCS(0)-1), done: make(chan error, 1)}
	go c.collect()
	return c, nil
}

// collect writes the blocks in order. After an error it only empties the queue.
func (c *Compressor) collect() {
	var err error
	for next := range c.queue {
		r := <-next
		if err == nil {
			err = r.err
		}
		if err == nil {
			_, err = c.w.Write(r.data.Bytes())
		}
	}
	c.done <- err
}

// Write compresses p, as soon as a block is full.
func (c *Compressor) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if c.block == nil {
			c.block = make([]byte, 0, blockSize)
		}
		m := min(len(p), blockSize-len(c.block))
		c.block = append(c.block, p[:m]...)
		p = p[m:]
		if len(c.block) == blockSize {
			c.start(false)
		}
	}
	return n, nil
}

// start lets a goroutine compress the block and waits while too many are on their way.
func (c *Compressor) start(last bool) {
	block := c.block
	c.block = nil
	ready := make(chan result, 1)
	c.queue <- ready
	go func() {
		var b bytes.Buffer
		b.Grow(len(block)/2 + 64)
		err := c.compress(&b, block, last)
		ready <- result{&b, err}
	}()
	_, _ = c.sum.Write(block) // a hash does not fail
	c.size += uint64(len(block))
}

func (c *Compressor) compress(b *bytes.Buffer, block []byte, last bool) error {
	z, ok := c.spare.Get().(*flate.Writer)
	if !ok {
		var err error
		if z, err = flate.NewWriter(b, c.level); err != nil {
			return err
		}
	}
	z.Reset(b)
	defer c.spare.Put(z)
	if _, err := z.Write(block); err != nil {
		return err
	}
	if last {
		return z.Close()
	}
	return z.Flush()
}

// Close writes what is left, and the checksum.
func (c *Compressor) Close() error {
	c.start(true)
	close(c.queue)
	if err := <-c.done; err != nil {
		return err
	}
	_, err := c.w.Write(c.trailer(c.sum, c.size))
	return err
}
