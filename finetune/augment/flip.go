package augment

import (
	"fmt"
	"math/rand/v2"

	"github.com/nitrain/nitrain/imageio"
	"github.com/nitrain/nitrain/imageio/transform"
)

// Flip mirrors the content along a voxel axis; the grid stays, so that left becomes right.
type Flip struct {
	Axis int // 0, 1 or 2
}

// Draw returns the mirror.
func (f Flip) Draw(*rand.Rand) transform.Transform { return mirror{f.Axis} }

type mirror struct{ axis int }

// Apply mirrors every channel.
func (m mirror) Apply(im *imageio.Image) (*imageio.Image, error) {
	if m.axis < 0 || m.axis > 2 {
		return nil, fmt.Errorf("augment: flip: want axis 0, 1 or 2, got %d", m.axis)
	}
	out := *im
	out.Data = make([]float32, len(im.Data))
	size := im.Grid.Size
	stride := 1
	for i := range m.axis {
		stride *= size[i]
	}
	n := size[m.axis]
	for block := 0; block < len(im.Data); block += stride * n {
		for i := range n {
			copy(out.Data[block+i*stride:][:stride], im.Data[block+(n-1-i)*stride:][:stride])
		}
	}
	return &out, nil
}
