package server

import (
	"sync"
	"time"

	"github.com/nitrain/nitrain/predict/server/internal/pb"
)

// statistics counts what was asked of one name, over all the models that it stood for.
type statistics struct {
	mu                                           sync.Mutex
	last                                         time.Time
	success, fail, queue, input, compute, output tally
	inferences                                   uint64
}

type tally struct {
	count uint64
	time  time.Duration
}

func (t *tally) add(d time.Duration) {
	t.count++
	t.time += d
}

// spent is where the time of one inference went.
type spent struct {
	queue, input, compute, output time.Duration
}

// done counts an inference that ended well, of batch elements.
func (s *statistics) done(d spent, batch int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Now()
	s.inferences += uint64(max(batch, 1))
	s.success.add(d.queue + d.input + d.compute + d.output)
	s.queue.add(d.queue)
	s.input.add(d.input)
	s.compute.add(d.compute)
	s.output.add(d.output)
}

func (s *statistics) failed(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail.add(d)
}

func (t tally) proto() *pb.StatisticDuration {
	return &pb.StatisticDuration{Count: t.count, Ns: uint64(t.time)}
}

// proto returns the counts as the protocol's statistics extension has them.
func (s *statistics) proto(name, version string) *pb.ModelStatistics {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &pb.ModelStatistics{
		Name: name, Version: version, InferenceCount: s.inferences, ExecutionCount: s.success.count,
		InferenceStats: &pb.InferStatistics{
			Success: s.success.proto(), Fail: s.fail.proto(), Queue: s.queue.proto(), ComputeInput: s.input.proto(),
			ComputeInfer: s.compute.proto(), ComputeOutput: s.output.proto(),
			CacheHit: &pb.StatisticDuration{}, CacheMiss: &pb.StatisticDuration{},
		},
	}
	if !s.last.IsZero() {
		m.LastInference = uint64(s.last.UnixMilli())
	}
	return m
}

// statsOf returns the counts of one model or, without a name, of all.
func (r *Repository) statsOf(name, version string) ([]*pb.ModelStatistics, error) {
	var out []*pb.ModelStatistics
	for _, e := range r.list() {
		if name != "" && (e.Name != name || version != "" && e.Version != version) {
			continue
		}
		r.mu.Lock()
		stats := &r.entries[e.Name].stats
		r.mu.Unlock()
		out = append(out, stats.proto(e.Name, e.Version))
	}
	if len(out) == 0 && name != "" {
		return nil, unknownModel(name)
	}
	return out, nil
}
