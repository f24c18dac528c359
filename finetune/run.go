package finetune

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/nitrain/nitrain/convert"
)

// autosave is the longest time between checkpoints. When they are written changes nothing in the training.
const autosave = time.Minute

// Run trains to the end: a validation at the start, steps, validations in between and at the end. on is told
// of every [Event], from the goroutine of the call; nil is told nothing. When ctx is cancelled Run saves
// everything and returns an error that wraps ctx's; after any other error the last checkpoint stays as it
// was. A loss or gradient that is not finite gives a *[DivergedError].
func (t *Trainer) Run(ctx context.Context, on func(Event)) error {
	if on == nil {
		on = func(Event) {}
	}
	t.started, t.first, t.saved = time.Now(), t.state.Step, time.Now()
	if n := len(t.history); t.state.Finished && n > 0 && t.history[n-1].Kind == Finished {
		return nil
	}
	if err := t.open(); err != nil {
		return err
	}
	var err error
	if !t.state.Finished {
		err = t.loop(ctx, on)
	}
	switch {
	case err == nil:
		err = t.finish(on)
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		err = t.interrupted(err, on)
	default:
		err = errors.Join(t.withHint(err), t.failed(err, on))
	}
	t.state.Elapsed += time.Since(t.started).Seconds()
	return errors.Join(err, t.close())
}

func (t *Trainer) loop(ctx context.Context, on func(Event)) error {
	first := Event{Kind: Started, Settings: t.Settings()}
	if t.state.Step > 0 {
		first = Event{Kind: Resumed}
	}
	if err := t.emit(first, on); err != nil {
		return err
	}
	loading, stop := context.WithCancel(ctx)
	loads := t.batches.ahead(loading, t.state.Step, t.plan.Steps)
	defer func() {
		stop()
		for range loads { // the loader is gone when this ends
		}
	}()
	for {
		if t.plan.due(t.state.Step) && t.state.Validated < t.state.Step {
			if err := t.validate(ctx, on); err != nil {
				return err
			}
		}
		if t.state.Step == t.plan.Steps || t.plan.EarlyStop > 0 && t.state.Since >= t.plan.EarlyStop {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		l, ok := <-loads
		if !ok {
			return ctx.Err()
		}
		if l.err != nil { // a case that can no longer be read: what was learned stays
			return errors.Join(l.err, t.save())
		}
		if t.state.Step == t.first {
			if err := t.fit(l, on); err != nil {
				return err
			}
		}
		if err := t.advance(ctx, l, on); err != nil {
			return err
		}
	}
}

// advance makes one step.
func (t *Trainer) advance(ctx context.Context, l load, on func(Event)) error {
	rate := t.plan.rates().at(t.state.Step)
	res, err := t.step.Run(ctx, rate, l.batches...)
	if diverged, ok := errors.AsType[*convert.NonFiniteError](err); ok {
		return &DivergedError{Step: t.state.Step + 1, Cases: l.cases, Loss: diverged.Loss, Norm: diverged.Norm, Where: diverged.Where}
	}
	if err != nil {
		return fmt.Errorf("finetune: step %d: %w", t.state.Step+1, err)
	}
	if bad(res.Loss) || bad(res.Norm) {
		return &DivergedError{Step: t.state.Step + 1, Cases: l.cases, Loss: res.Loss, Norm: res.Norm}
	}
	t.state.Step++
	if err := t.emit(Event{Kind: Stepped, Loss: res.Loss, Rate: rate, Norm: res.Norm, Cases: l.cases}, on); err != nil {
		return err
	}
	if time.Since(t.saved) > autosave {
		return t.save()
	}
	return nil
}

func bad(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }

// emit completes an event, appends it to the records and tells it.
func (t *Trainer) emit(e Event, on func(Event)) error {
	e.Time, e.Step, e.Steps = time.Now().UTC(), t.state.Step, t.plan.Steps
	session := time.Since(t.started)
	e.Elapsed = t.state.Elapsed + session.Seconds()
	if done := t.state.Step - t.first; done > 0 {
		e.Left = session.Seconds() / float64(done) * float64(t.plan.Steps-t.state.Step)
	}
	t.history = appendEvent(t.history, e)
	if t.dir != nil {
		if err := t.dir.Append(e); err != nil {
			return err
		}
		if err := t.tell(e, "running", false); err != nil {
			return err
		}
	}
	on(e)
	return nil
}

// finish ends a run that is done.
func (t *Trainer) finish(on func(Event)) error {
	t.state.Finished = true
	text := "all steps done"
	if t.state.Step < t.plan.Steps {
		text = fmt.Sprintf("stopped early: %d validations without a better score", t.state.Since)
	}
	if err := t.save(); err != nil {
		return err
	}
	return t.conclude(Event{Kind: Finished, Text: text}, "finished", on)
}

// interrupted saves a run that was cancelled, and passes the reason on.
func (t *Trainer) interrupted(why error, on func(Event)) error {
	err := t.save()
	if err == nil {
		err = t.conclude(Event{Kind: Interrupted, Text: "interrupted; everything is saved"}, "interrupted", on)
	}
	return errors.Join(&hinted{fmt.Errorf("finetune: interrupted after step %d: %w", t.state.Step, why), t.resumeHint()}, err)
}

// failed records why a run could not go on; the last checkpoint stays.
func (t *Trainer) failed(why error, on func(Event)) error {
	return t.conclude(Event{Kind: Failed, Text: why.Error()}, "failed", on)
}

// withHint says how to go on after an error that says nothing about that itself.
func (t *Trainer) withHint(err error) error {
	var h interface{ Hint() string }
	if errors.As(err, &h) && h.Hint() != "" || t.path == "" {
		return err
	}
	return &hinted{err, "when the cause is gone, " + t.resumeHint()}
}

// conclude records the last event of a session and rewrites what is derived from the events.
func (t *Trainer) conclude(e Event, status string, on func(Event)) error {
	if err := t.emit(e, on); err != nil {
		return err
	}
	if t.dir == nil {
		return nil
	}
	return errors.Join(t.derive(), t.tell(t.history[len(t.history)-1], status, true))
}
