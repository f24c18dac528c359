package finetune

import (
	"testing"

	"github.com/nitrain/nitrain/predict"
)

func TestBatchSamples(t *testing.T) {
	p := &plan{spec: predict.Spec{Input: predict.Input{Channels: make([]predict.Channel, 4)}}}
	p.Batch, p.Patch = 100_000_000, [3]int{16, 16, 16}
	if got := p.batchSamples(); got != 4*100_000_000*4096 {
		t.Errorf("want 1.6384e12 samples, got %g", got)
	}
	p.Patch = [3]int{}
	if got := p.batchSamples(); got != 0 {
		t.Errorf("whole images: want 0 samples, got %g", got)
	}
}
