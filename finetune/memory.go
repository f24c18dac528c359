package finetune

import (
	"errors"
	"fmt"

	"github.com/nitrain/nitrain/convert"
	"github.com/nitrain/nitrain/internal/native"
	"github.com/nitrain/nitrain/internal/proc"
)

// Recompute says whether values may be computed twice so that a step takes less memory.
type Recompute string

// The ways of recomputation.
const (
	RecomputeAuto Recompute = "auto" // where the step would not fit otherwise
	RecomputeOff  Recompute = "off"
)

// Estimate is what the run takes, known before its first step.
type Estimate struct {
	// Need is the memory of the whole process while it trains, Have what it may take, both in bytes; Have is 0 where
	// that is not known.
	Need int64 `json:"need"`
	Have int64 `json:"have,omitempty"`
	// Recomputed is the number of operations that run twice in a step so that it fits.
	Recomputed int `json:"recomputed,omitempty"`
}

func (e Estimate) String() string {
	text := "a step needs " + gigabytes(e.Need)
	if e.Have > 0 {
		text += ", there are " + gigabytes(e.Have)
	}
	if e.Recomputed > 0 {
		text += fmt.Sprintf("; %d operations run twice for that", e.Recomputed)
	}
	return text
}

func gigabytes(n int64) string { return fmt.Sprintf("%.1f GB", float64(n)/1e9) }

// MemoryError tells that a training does not fit.
type MemoryError struct {
	Estimate
	Patch     [3]int // 0 for whole images
	Recompute Recompute
}

// Error says what is needed and what is there.
func (e *MemoryError) Error() string {
	return fmt.Sprintf("finetune: memory: needs %s, have %s", gigabytes(e.Need), gigabytes(e.Have))
}

// Hint says what takes less.
func (e *MemoryError) Hint() string {
	text := "use a smaller --patch or --batch"
	if e.Patch[0] >= 32 {
		smaller := e.Patch
		for i := range smaller {
			smaller[i] = max(16, smaller[i]*3/4/16*16)
		}
		text = fmt.Sprintf("use --patch %d,%d,%d", smaller[0], smaller[1], smaller[2])
	}
	if e.Recompute == RecomputeOff {
		text += " or --recompute auto"
	}
	return text
}

// fit foretells the memory of the run from its first batch. Where that is not there, values are computed twice if the
// Config lets them; a run that cannot fit ends here. Nothing is known of other engines than the CPU's.
func (t *Trainer) fit(l load, on func(Event)) error {
	need, ok, err := t.step.Memory(l.batches...)
	if err != nil || !ok {
		return err
	}
	resident := proc.Resident()
	e := Estimate{Need: resident + need.Total(), Have: t.allowed(resident)}
	if e.Have > 0 && e.Need > e.Have {
		if t.plan.Recompute == RecomputeOff {
			return &MemoryError{e, t.plan.Patch, t.plan.Recompute}
		}
		if need, err = t.shrink(l, e.Have-resident, need); err != nil {
			return err
		}
		e.Need, e.Recomputed = resident+need.Total(), need.Recomputed
		if e.Need > e.Have {
			return &MemoryError{e, t.plan.Patch, t.plan.Recompute}
		}
	}
	return t.emit(Event{Kind: Estimated, Estimate: &e}, on)
}

// shrink makes the step fit into so many bytes, or as few as it can.
func (t *Trainer) shrink(l load, bytes int64, whole convert.Memory) (convert.Memory, error) {
	t.step.Bound(max(1, bytes))
	need, ok, err := t.step.Memory(l.batches...)
	var least interface{ Needs() int64 }
	switch {
	case errors.As(err, &least):
		whole.Work += least.Needs() - whole.Total()
		return whole, nil
	case err != nil || !ok:
		return whole, err
	}
	return need, nil
}

// allowed returns how many bytes the process may take in all.
func (t *Trainer) allowed(resident int64) int64 {
	m := native.MachineMemory()
	have := int64(0)
	if m.Available > 0 {
		have = resident + m.Available
	}
	for _, limit := range []int64{m.Limit, t.plan.Memory} {
		if limit > 0 && (have == 0 || limit < have) {
			have = limit
		}
	}
	return have
}
