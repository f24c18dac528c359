package transform

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/nitrain/nitrain/imageio"
)

// Channels applies intensity steps to the channels Of alone, counted from 0; the others stay as they are. Steps
// that measure the image measure those channels.
type Channels struct {
	Of    []int          `json:"of"`
	Steps IntensitySteps `json:"steps"`
}

// IntensitySteps is a list of steps inside a step that change samples and no grid.
type IntensitySteps []Transform

// UnmarshalJSON reads steps as strictly as [ParsePrepare].
func (s *IntensitySteps) UnmarshalJSON(data []byte) error {
	p, err := parse(data, intensityOps())
	*s = IntensitySteps(p)
	return err
}

// MarshalJSON writes what [Pipeline] does.
func (s IntensitySteps) MarshalJSON() ([]byte, error) { return json.Marshal(Pipeline(s)) }

func (Channels) op() string    { return "channels" }
func (Channels) leavesLabels() {}

func (c Channels) check() error {
	var faults []error
	if len(c.Of) == 0 {
		faults = append(faults, errors.New("of: want at least one channel"))
	}
	for i, ch := range c.Of {
		if ch < 0 || slices.Contains(c.Of[:i], ch) {
			faults = append(faults, fmt.Errorf("of: want channels counted from 0, each once, got %v", c.Of))
			break
		}
	}
	if len(c.Steps) == 0 {
		faults = append(faults, errors.New("steps: want at least one"))
	}
	for i, t := range c.Steps {
		s, ok := t.(step)
		if !ok {
			faults = append(faults, fmt.Errorf("steps: step %d: %T has no JSON form", i+1, t))
			continue
		}
		if _, ok := t.(intensityStep); !ok || s.op() == c.op() {
			faults = append(faults, fmt.Errorf("steps: step %d: want a step that changes samples alone, got %s", i+1, s.op()))
			continue
		}
		if err := s.check(); err != nil {
			faults = append(faults, fmt.Errorf("steps: step %d: %s: %w", i+1, s.op(), err))
		}
	}
	return errors.Join(faults...)
}

// Apply changes the channels.
func (c Channels) Apply(im *imageio.Image) (*imageio.Image, error) { return apply(c, im) }

func (c Channels) run(im *imageio.Image) (*imageio.Image, error) {
	some, err := SelectChannels{List: c.Of}.run(im)
	if err != nil {
		return nil, err
	}
	if some, err = Pipeline(c.Steps).Apply(some); err != nil {
		return nil, err
	}
	out, err := newImage(im, im.Grid, im.Channels, false)
	if err != nil {
		return nil, err
	}
	copy(out.Data, im.Data)
	for i, ch := range c.Of {
		copy(out.Channel(ch), some.Channel(i))
	}
	return out, nil
}
