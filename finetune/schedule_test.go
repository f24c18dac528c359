package finetune

import (
	"math"
	"testing"
)

// TestSchedules compares with PyTorch, whose recursive forms round differently: 1e-9 of the highest rate.
func TestSchedules(t *testing.T) {
	var ref struct {
		Runs []struct {
			Kind          Schedule
			High          float64
			Warmup, Steps int
			Rates         []float64
		}
	}
	readRef(t, "testdata/ref/schedules.json", &ref)
	for _, run := range ref.Runs {
		r := rates{run.Kind, run.High, run.Warmup, run.Steps}
		for step, want := range run.Rates {
			if got := r.at(step); math.Abs(got-want) > 1e-9*run.High {
				t.Errorf("%s, warm-up %d of %d: step %d: want %g, got %g", run.Kind, run.Warmup, run.Steps, step, want, got)
			}
		}
	}
}
