// Package register finds the affine map that brings two images of heads, or of anything else that is nearly rigid, to
// lie on each other, and reads, writes and applies such maps as ITK does.
//
// The measure is Mattes' mutual information, so that the images may be of different kinds (T1 and T2, MR and CT);
// it is climbed from coarse to fine by a quasi-Newton method. Every result is a function of its arguments alone:
// the points that are compared are drawn from a fixed seed, and sums do not depend on the number of processors.
package register

import (
	"context"
	"errors"
	"fmt"

	"github.com/nitrain/nitrain/imageio"
)

// Kind says which maps are allowed.
type Kind string

// The kinds.
const (
	Rigid      Kind = "rigid"      // rotation and translation: 6 numbers
	Similarity Kind = "similarity" // and one scale: 7
	Full       Kind = "affine"     // and three scales and shear: 12
)

// Options says how to register. The zero value is an affine registration of brain-sized images.
type Options struct {
	Kind Kind // default Full
	// Start is a first guess; nil tries centres of mass, principal axes, the grids' middles and the files' own
	// coordinates, and rotations about them.
	Start *Map
	// FixedMask limits the points that are compared to where it is not zero; it may lie on any grid.
	FixedMask *imageio.Image
	// Finest is the voxel size in mm of the last level; 0 is the coarser image's own, at least 1 mm.
	Finest float64
	// Samples is how many points are compared at the finer levels; 0 is 120000.
	Samples int
	// Seed draws the points.
	Seed uint64
}

// Result is a map and how well it fits.
type Result struct {
	Map         Map     // from the fixed image's world to the moving image's
	Information float64 // mutual information at the last level, in nats: comparable between maps of the same two images
	Evaluations int     // how often it was computed
}

func (o Options) check() error {
	switch o.Kind {
	case "", Rigid, Similarity, Full:
	default:
		return fmt.Errorf("register: kind: want %s, %s or %s, got %q", Rigid, Similarity, Full, o.Kind)
	}
	if !(o.Finest >= 0 && o.Finest <= 1000) {
		return fmt.Errorf("register: finest: want 0 to 1000 mm, got %v", o.Finest)
	}
	if o.Samples < 0 || o.Samples > 1<<24 {
		return fmt.Errorf("register: samples: want 0 to %d, got %d", 1<<24, o.Samples)
	}
	return nil
}

// Register finds the map from the fixed image's world to the moving image's under which the moving image says most
// about the fixed one. Of several channels the first is looked at. It stops with ctx's error when ctx ends.
func Register(ctx context.Context, fixed, moving *imageio.Image, o Options) (*Result, error) {
	for name, im := range map[string]*imageio.Image{"fixed": fixed, "moving": moving} {
		if im == nil {
			return nil, fmt.Errorf("register: no %s image", name)
		}
		if err := im.Validate(); err != nil {
			return nil, fmt.Errorf("register: %s image: %w", name, err)
		}
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	s, err := newSearch(ctx, fixed, moving, o)
	if err != nil {
		return nil, err
	}
	return s.run()
}

// search is one registration under way.
type search struct {
	ctx    context.Context
	o      Options
	fixed  *pyramid
	moving *pyramid
	mask   *imageio.Image
	body   body // where the fixed image's content is
	evals  int
}

func newSearch(ctx context.Context, fixed, moving *imageio.Image, o Options) (*search, error) {
	s := &search{ctx: ctx, o: o, mask: o.FixedMask}
	if s.o.Kind == "" {
		s.o.Kind = Full
	}
	if s.o.Samples == 0 {
		s.o.Samples = 120000
	}
	var err error
	if s.fixed, err = newPyramid(fixed); err != nil {
		return nil, fmt.Errorf("register: fixed image: %w", err)
	}
	if s.moving, err = newPyramid(moving); err != nil {
		return nil, fmt.Errorf("register: moving image: %w", err)
	}
	if s.mask != nil {
		if err := s.mask.Validate(); err != nil {
			return nil, fmt.Errorf("register: mask: %w", err)
		}
	}
	s.body = s.fixed.content()
	if s.o.Finest == 0 {
		s.o.Finest = max(1, s.fixed.finest, s.moving.finest)
	}
	return s, nil
}

// stage is one step of the schedule: which maps, at which voxel size, with how many points.
type stage struct {
	kind    Kind
	mm      float64
	samples int
}

func (s *search) schedule() []stage {
	size := s.body.radius / 8 // 8 mm for a brain
	coarse, middle := max(size, s.o.Finest), max(size/2, s.o.Finest)
	few := min(s.o.Samples, 15000)
	kinds := []stage{{Rigid, coarse, few}}
	if s.o.Kind != Rigid {
		kinds = append(kinds, stage{Similarity, coarse, few})
	}
	kinds = append(kinds, stage{s.o.Kind, coarse, few}, stage{s.o.Kind, middle, min(s.o.Samples, 30000)})
	if fine := max(size/4, s.o.Finest); fine < middle {
		kinds = append(kinds, stage{s.o.Kind, fine, s.o.Samples})
		if s.o.Finest < 0.75*fine {
			kinds = append(kinds, stage{s.o.Kind, s.o.Finest, s.o.Samples})
		}
	}
	return kinds
}

func (s *search) run() (*Result, error) {
	stages := s.schedule()
	best, err := s.first(stages[0])
	if err != nil {
		return nil, err
	}
	for _, st := range stages[1:] {
		m, err := s.measure(st)
		if err != nil {
			return nil, err
		}
		if best, err = s.climb(m, newModel(st.kind, best.at, s.body), 60); err != nil {
			return nil, err
		}
	}
	at, err := newMap(best.at, s.body.center)
	if err != nil {
		return nil, fmt.Errorf("register: the images could not be matched: %w", err)
	}
	return &Result{Map: at, Information: best.value, Evaluations: s.evals}, nil
}

// peak is a map and its mutual information.
type peak struct {
	at    imageio.Affine
	value float64
}

// first climbs from every start at the coarsest level and returns the highest peak.
func (s *search) first(st stage) (peak, error) {
	m, err := s.measure(st)
	if err != nil {
		return peak{}, err
	}
	var best peak
	found := false
	for _, start := range s.starts() {
		p, err := s.climb(m, newModel(st.kind, start, s.body), 25)
		if err != nil {
			if errors.Is(err, errApart) {
				continue
			}
			return peak{}, err
		}
		if !found || p.value > best.value {
			best, found = p, true
		}
	}
	if !found {
		return peak{}, fmt.Errorf("register: %w", errApart)
	}
	return best, nil
}
