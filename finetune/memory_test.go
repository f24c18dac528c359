package finetune

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/internal/proc"
)

// TestMemory wants the memory of a run told before its first step, kept within a bound by computing twice with the same
// losses, and a run that cannot fit refused with what it needs.
func TestMemory(t *testing.T) {
	b, err := convert.NewBackend(convert.BackendOptions{Device: "cpu"})
	if err != nil {
		t.Skipf("the training engine is not there: %v", err)
	}
	t.Cleanup(b.Close)
	cases := tinyCases(t, t.TempDir(), 2)
	train := func(change func(*Config)) ([]float64, *Estimate, error) {
		var losses []float64
		var told *Estimate
		c := tinyConfig(3)
		change(&c)
		tr := newTiny(t, b, cases, nil, c)
		err := tr.Run(context.Background(), func(e Event) {
			switch e.Kind {
			case Stepped:
				losses = append(losses, e.Loss)
			case Estimated:
				told = e.Estimate
			}
		})
		return losses, told, err
	}
	want, free, err := train(func(*Config) {})
	if err != nil {
		t.Fatal(err)
	}
	if free == nil || free.Need < proc.Resident()/4 || free.Recomputed != 0 {
		t.Fatalf("estimate %+v, want what the process takes and nothing computed twice", free)
	}
	var short *MemoryError
	_, _, err = train(func(c *Config) { c.Memory, c.Recompute = 1<<20, RecomputeOff })
	if !errors.As(err, &short) || !strings.Contains(err.Error(), "needs") || !strings.Contains(short.Hint(), "--recompute") {
		t.Errorf("within 1 MB: %v", err)
	}
	got, _, err := train(func(c *Config) { c.Memory = free.Need })
	if err == nil && (len(got) != len(want) || got[len(got)-1] != want[len(want)-1]) {
		t.Errorf("losses %v within a bound, want %v", got, want)
	}
}
