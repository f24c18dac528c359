package finetune

import "time"

// Event is one thing that happened in a run; events.jsonl holds one a line. A step that appears again after
// a resume replaces its earlier lines.
type Event struct {
	// Kind says which other fields are set.
	Kind EventKind `json:"event"`
	// Time is when it happened.
	Time time.Time `json:"time"`
	// Step is the number of steps done, of Steps in all.
	Step  int `json:"step"`
	Steps int `json:"steps"`
	// Loss, Rate and Norm (L2 of all gradients before clipping) belong to a step; Cases are its samples' IDs.
	Loss  float64  `json:"loss,omitempty"`
	Rate  float64  `json:"lr,omitempty"`
	Norm  float64  `json:"norm,omitempty"`
	Cases []string `json:"cases,omitempty"`
	// Validation belongs to a validated event.
	Validation *Validation `json:"validation,omitempty"`
	// Elapsed is the time spent on the run, Left the expected rest of it, both in seconds.
	Elapsed float64 `json:"elapsed"`
	Left    float64 `json:"left"`
	// Settings are those of the run, defaults filled in; a started event has them.
	Settings [][2]string `json:"settings,omitempty"`
	// Estimate belongs to an estimated event.
	Estimate *Estimate `json:"estimate,omitempty"`
	// Text is a message for people: why the run stopped.
	Text string `json:"text,omitempty"`
}

// EventKind names what happened.
type EventKind string

// The kinds of events.
const (
	Started     EventKind = "started"
	Resumed     EventKind = "resumed"
	Estimated   EventKind = "estimate" // the memory that the run takes, before its first step
	Stepped     EventKind = "step"
	Validated   EventKind = "validation"
	Finished    EventKind = "finished"    // all steps done, or early stop
	Interrupted EventKind = "interrupted" // the context was cancelled; everything is saved
	Failed      EventKind = "failed"
)

// Validation is the score of the model on the validation cases.
type Validation struct {
	// Score is the mean Dice over cases and foreground labels that occur, 0 to 1.
	Score float64 `json:"score"`
	// Best tells that no earlier validation scored higher.
	Best bool `json:"best"`
	// Dice has the mean by label value.
	Dice map[int]float64 `json:"dice,omitempty"`
	// Cases has the scores of each case.
	Cases []CaseScore `json:"cases,omitempty"`
}

// CaseScore is the score of one validation case.
type CaseScore struct {
	ID    string          `json:"id"`
	Score float64         `json:"score"`
	Dice  map[int]float64 `json:"dice,omitempty"`
}
