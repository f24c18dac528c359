package transform

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// ParsePrepare reads the steps that a Spec's prepare list may hold. The reading is strict: an unknown op,
// an unknown, repeated or missing key and a bad value are errors that name it; all faults come at once.
func ParsePrepare(data []byte) (Pipeline, error) { return parse(data, prepareOps()) }

// ParseSteps reads the steps of ParsePrepare and those that only make sense outside a Spec, as strictly.
func ParseSteps(data []byte) (Pipeline, error) {
	return parse(data, append(prepareOps(), extraOps()...))
}

// UnmarshalJSON is [ParsePrepare].
func (p *Pipeline) UnmarshalJSON(data []byte) error {
	steps, err := ParsePrepare(data)
	if err == nil {
		*p = steps
	}
	return err
}

// MarshalJSON writes the steps with their keys in the order of docs/steps.md, optional keys at their
// defaults left out unless they were set. Only the steps of this package have a JSON form.
func (p Pipeline) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('[')
	for i, t := range p {
		s, ok := t.(step)
		if !ok {
			return nil, fmt.Errorf("transform: step %d: %T has no JSON form", i+1, t)
		}
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("transform: step %d: %s: %w", i+1, s.op(), err)
		}
		keys, err := json.Marshal(s)
		if err != nil {
			return nil, fmt.Errorf("transform: step %d: %s: %w", i+1, s.op(), err)
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"op":%q`, s.op())
		if len(keys) > 2 {
			b.WriteByte(',')
		}
		b.Write(keys[1:])
	}
	b.WriteByte(']')
	return b.Bytes(), nil
}

// FormatError is a fault of a list of steps in JSON.
type FormatError struct {
	Step int    // counted from 1; 0 if the fault is not in one step
	Op   string // as far as known
	Key  string // as far as known
	Err  error
	// Unknown says that the op or key is none that this package knows.
	Unknown bool
	hint    string
}

func (e *FormatError) Error() string {
	var b strings.Builder
	b.WriteString("transform")
	if e.Step > 0 {
		fmt.Fprintf(&b, ": step %d", e.Step)
	}
	if e.Op != "" {
		fmt.Fprintf(&b, ": %s", e.Op)
	}
	if e.Key != "" {
		fmt.Fprintf(&b, ": %s", e.Key)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	return b.String()
}

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }

// Hint says what may be written instead; it is empty if there is nothing to say.
func (e *FormatError) Hint() string { return e.hint }

func parse(data []byte, table []entry) (Pipeline, error) {
	if err := checkTokens(data); err != nil {
		return nil, &FormatError{Err: err}
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, &FormatError{Err: wantError{"a list of steps", string(bytes.TrimSpace(data))}}
	}
	p := make(Pipeline, 0, len(raw))
	var faults []error
	for i, r := range raw {
		t, errs := parseStep(r, table)
		for _, e := range errs {
			e.Step = i + 1
			faults = append(faults, e)
		}
		p = append(p, t)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return p, nil
}

func parseStep(raw json.RawMessage, table []entry) (Transform, []*FormatError) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keys); err != nil {
		return nil, []*FormatError{{Err: wantError{`an object like {"op":"orient","axes":"RAS"}`, string(raw)}}}
	}
	var op string
	if err := json.Unmarshal(keys["op"], &op); err != nil {
		return nil, []*FormatError{{Key: "op", Err: errors.New("want the name of a step")}}
	}
	delete(keys, "op")
	at := slices.IndexFunc(table, func(e entry) bool { return e.op == op })
	if at < 0 {
		return nil, []*FormatError{unknownOp(op, table)}
	}
	t, errs := table[at].read(keys)
	for _, e := range errs {
		e.Op = op
	}
	return t, errs
}

func unknownOp(op string, table []entry) *FormatError {
	for _, e := range extraOps() {
		if e.op == op {
			return &FormatError{
				Op: op, Err: errors.New("not a step that a model's prepare may hold"),
				hint: "apply it to the files beforehand with nitrain transform --steps",
			}
		}
	}
	names := make([]string, len(table))
	for i, e := range table {
		names[i] = e.op
	}
	return &FormatError{Err: fmt.Errorf("unknown op %q", shorten(op)), Unknown: true, hint: "the steps are " + strings.Join(names, ", ")}
}

// readFields fills the struct that v points to from a JSON object. A field without omitzero in its tag is required.
func readFields(v any, keys map[string]json.RawMessage) []*FormatError {
	val := reflect.ValueOf(v).Elem()
	var faults []*FormatError
	var names []string
	for i := range val.NumField() {
		name, options, _ := strings.Cut(val.Type().Field(i).Tag.Get("json"), ",")
		names = append(names, name)
		raw, ok := keys[name]
		if !ok {
			if options == "" {
				faults = append(faults, &FormatError{Key: name, Err: errors.New("missing")})
			}
			continue
		}
		if err := json.Unmarshal(raw, val.Field(i).Addr().Interface()); err != nil {
			fault := &FormatError{Key: name, Err: valueError(err, val.Field(i).Type(), raw)}
			if inner, ok := errors.AsType[*FormatError](err); ok { // of a step inside a step
				fault.Unknown, fault.hint = inner.Unknown, inner.hint
			}
			faults = append(faults, fault)
		}
	}
	var unknown []string
	for key := range keys {
		if !slices.Contains(names, key) {
			unknown = append(unknown, key)
		}
	}
	slices.Sort(unknown)
	hint := "the keys are " + strings.Join(names, ", ")
	if len(names) == 0 {
		hint = "the step has no keys"
	}
	for _, key := range unknown {
		faults = append(faults, &FormatError{Err: fmt.Errorf("unknown key %q", shorten(key)), Unknown: true, hint: hint})
	}
	return faults
}

// valueError says in the user's words what a value should have been.
func valueError(err error, t reflect.Type, raw []byte) error {
	if w, ok := errors.AsType[wantError](err); ok {
		return w
	}
	if f, ok := errors.AsType[*FormatError](err); ok { // of a step inside a step
		return f
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	want := "something else"
	switch t.Kind() {
	case reflect.Int:
		want = "a whole number"
	case reflect.Float64, reflect.Float32:
		want = "a number"
	case reflect.Bool:
		want = "true or false"
	case reflect.String:
		want = "a text"
	case reflect.Slice:
		want = "a list of whole numbers"
	case reflect.Map:
		want = `an object of whole numbers like {"1":2}`
	}
	return wantError{want, string(raw)}
}

// checkTokens refuses what encoding/json lets pass: a key that comes twice, null, and text after the value.
func checkTokens(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := checkValue(dec); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.New("JSON ends too early")
		}
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("text after the list of steps")
	}
	return nil
}

func checkValue(dec *json.Decoder) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	if tok == nil {
		return errors.New("null is not a value; leave the key out")
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for dec.More() {
		if delim == '{' {
			key, err := dec.Token()
			if err != nil {
				return err
			}
			name, _ := key.(string)
			if seen[name] {
				return fmt.Errorf("key %q comes twice", shorten(name))
			}
			seen[name] = true
		}
		if err := checkValue(dec); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}
