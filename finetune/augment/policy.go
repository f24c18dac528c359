// Package augment draws random changes of training samples.
//
// A [Policy] is no transform: drawing from it gives one, which is deterministic and is applied to the image
// and its label alike. So a random change cannot get into a Spec, and a run that is resumed draws the same.
package augment

import (
	"math/rand/v2"

	"github.com/nitrain/nitrain/imageio/transform"
)

// Policy draws changes.
type Policy interface {
	// Draw takes what it needs from rng and returns a change that no longer depends on it. The change
	// keeps an image's grid; it leaves the intensities of label images alone.
	Draw(rng *rand.Rand) transform.Transform
}

// All draws from each policy in turn; nil changes nothing.
type All []Policy

// Draw returns the changes of all policies, one after another.
func (a All) Draw(rng *rand.Rand) transform.Transform {
	p := make(transform.Pipeline, len(a))
	for i, policy := range a {
		p[i] = policy.Draw(rng)
	}
	return p
}

// Sometimes draws from a policy with a probability, and nothing otherwise.
type Sometimes struct {
	P      float64 // 0 to 1
	Policy Policy
}

// Draw returns the policy's change or none.
func (s Sometimes) Draw(rng *rand.Rand) transform.Transform {
	if rng.Float64() >= s.P {
		return transform.Pipeline(nil)
	}
	return s.Policy.Draw(rng)
}

// Light suits fine-tuning on few scans: mirrors along the given voxel axes in half of the samples, and small
// changes of contrast, brightness, gamma and noise.
func Light(mirror ...int) Policy {
	var all All
	for _, axis := range mirror {
		all = append(all, Sometimes{0.5, Flip{axis}})
	}
	return append(all,
		Sometimes{0.5, Scale{0.1}},
		Sometimes{0.5, Shift{0.1}},
		Sometimes{0.3, Gamma{0.25}},
		Sometimes{0.3, Noise{0.1}},
	)
}
