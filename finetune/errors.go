package finetune

import (
	"fmt"
	"math"
	"strings"
)

// ConfigError says what is wrong with a Config, everything at once.
type ConfigError struct{ Faults []string }

// Error lists the faults.
func (e *ConfigError) Error() string { return "finetune: " + strings.Join(e.Faults, "; ") }

func (e *ConfigError) add(format string, args ...any) {
	e.Faults = append(e.Faults, fmt.Sprintf(format, args...))
}

// from0 refuses negative and infinite numbers.
func (e *ConfigError) from0(name string, v float64) {
	if !(v >= 0) || math.IsInf(v, 0) {
		e.add("%s: want a finite number from 0, got %g", name, v)
	}
}

// share refuses what is not between 0 and 1.
func (e *ConfigError) share(name string, v float64) {
	if !(v >= 0 && v <= 1) {
		e.add("%s: want 0 to 1, got %g", name, v)
	}
}

// err returns e when it has faults.
func (e *ConfigError) err() error {
	if len(e.Faults) == 0 {
		return nil
	}
	return e
}

// DivergedError says that the loss or its gradient became infinite or not a number.
type DivergedError struct {
	Step  int
	Cases []string
	Loss  float64
	Norm  float64
	Where string // the first layer whose values are not finite, where it was found
}

// Error names step and cases.
func (e *DivergedError) Error() string {
	what, v := "loss", e.Loss
	if e.Loss-e.Loss == 0 {
		what, v = "gradient", e.Norm
	}
	where := ""
	if e.Where != "" {
		where = ", from " + e.Where + " on"
	}
	return fmt.Sprintf("finetune: step %d (%s): the %s is %g%s", e.Step, strings.Join(e.Cases, ", "), what, v, where)
}

// Hint says what usually helps.
func (e *DivergedError) Hint() string {
	return "look at these cases, lower --lr, or set --clip 1; the last checkpoint is from before"
}

// hinted adds a hint to an error.
type hinted struct {
	error
	hint string
}

// Unwrap returns the error itself.
func (h *hinted) Unwrap() error { return h.error }

// Hint says what to do.
func (h *hinted) Hint() string { return h.hint }
