package transform

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nitrain/nitrain/imageio"
)

// Other is a second image that a step needs: in JSON the path of a file, relative to the working folder, which is
// read when the step runs; in Go also an image at hand, which has no JSON form. A model's prepare holds no such step,
// so reading a model never opens a file.
type Other struct {
	Path  string
	Image *imageio.Image
}

// UnmarshalJSON reads a path.
func (o *Other) UnmarshalJSON(data []byte) error {
	var path string
	if err := json.Unmarshal(data, &path); err != nil || path == "" {
		return wantError{"the path of an image", string(data)}
	}
	*o = Other{Path: path}
	return nil
}

// MarshalJSON writes the path.
func (o Other) MarshalJSON() ([]byte, error) {
	if o.Path == "" {
		return nil, errors.New("image: one that is only in memory has no JSON form")
	}
	return json.Marshal(o.Path)
}

// IsZero reports whether there is no image.
func (o Other) IsZero() bool { return o.Path == "" && o.Image == nil }

// load returns the image, read if need be.
func (o Other) load() (*imageio.Image, error) {
	if o.Image != nil {
		return o.Image, o.Image.Validate()
	}
	return imageio.Read(o.Path)
}

// beside returns the image if it lies on im's grid to 0.01 mm and has one channel or as many as im.
func (o Other) beside(im *imageio.Image) (*imageio.Image, error) {
	other, err := o.load()
	if err != nil {
		return nil, err
	}
	if !other.Grid.Same(im.Grid, 0.01) {
		return nil, &otherGridError{im.Grid, other.Grid}
	}
	if other.Channels != 1 && other.Channels != im.Channels {
		return nil, fmt.Errorf("image: want 1 or %d channels, got %d", im.Channels, other.Channels)
	}
	return other, nil
}

// channelOf returns the channel of other that belongs to channel c: its only one, or the same.
func channelOf(other *imageio.Image, c int) []float32 {
	if other.Channels == 1 {
		return other.Data
	}
	return other.Channel(c)
}

// otherGridError is a second image that lies elsewhere.
type otherGridError struct{ want, got imageio.Grid }

func (e *otherGridError) Error() string {
	if e.want.Size != e.got.Size {
		return fmt.Sprintf("image: want %v voxels, got %v", e.want.Size, e.got.Size)
	}
	return fmt.Sprintf("image: has the same size %v but lies elsewhere", e.want.Size)
}

// Hint says what to do.
func (*otherGridError) Hint() string {
	return "put it on this image's grid beforehand: nitrain transform OTHER -o OUT --like SCAN"
}
