package predict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/nitrain/nitrain/imageio/transform"
)

// ParseSpec reads a Spec from its JSON form and validates it. All unknown and missing keys are reported
// at once, each with its path.
func ParseSpec(data []byte) (Spec, error) {
	var s Spec
	if err := json.Unmarshal(data, &s); err != nil {
		if _, ok := errors.AsType[*SpecError](err); ok {
			return Spec{}, err
		}
		return Spec{}, &SpecError{Faults: []error{fmt.Errorf("predict: spec: %w", err)}}
	}
	return s, s.Validate()
}

// UnmarshalJSON reads the strict form: exactly the keys of this version, none missing that has no
// default. It does not validate values; [ParseSpec] does.
func (s *Spec) UnmarshalJSON(data []byte) error {
	if v := versionOf(data); v > Version {
		return &SpecError{Newer: true, Faults: []error{fmt.Errorf("predict: spec: version: want %d, got %d", Version, v)}}
	}
	var f faults
	checkKeys(&f, "", data, reflect.TypeFor[Spec]())
	if len(f.all) > 0 {
		return &SpecError{Faults: f.all, Newer: f.newer}
	}
	type plain Spec // without this method
	var p plain
	if err := json.Unmarshal(data, &p); err != nil {
		var step *transform.FormatError
		return &SpecError{Newer: errors.As(err, &step) && step.Unknown, Faults: []error{fmt.Errorf("predict: spec: %w", err)}}
	}
	*s = Spec(p)
	return nil
}

// MarshalJSON writes the form that UnmarshalJSON reads.
func (s Spec) MarshalJSON() ([]byte, error) {
	type plain Spec
	p := plain(s)
	if p.Prepare == nil {
		p.Prepare = p.Prepare[:0:0]
	}
	if p.Input.Channels == nil {
		p.Input.Channels = []Channel{}
	}
	if p.Labels == nil {
		p.Labels = []Label{}
	}
	return json.Marshal(p)
}

// versionOf returns the version that a Spec of any version names; 0 where there is none.
func versionOf(data []byte) int {
	var v struct {
		Version int `json:"version"`
	}
	if json.Unmarshal(data, &v) != nil {
		return 0
	}
	return v.Version
}

// checkKeys compares the keys of a JSON value with the fields of the Go type that it is for. Types that
// read themselves are left alone, but for the Spec itself.
func checkKeys(f *faults, path string, data []byte, t reflect.Type) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	own := reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]())
	switch {
	case own && path != "":
		return
	case t.Kind() == reflect.Struct:
		checkObject(f, path, data, t)
	case t.Kind() == reflect.Slice || t.Kind() == reflect.Array:
		checkList(f, path, data, t)
	case isNull(data):
		f.add("%s: null", path)
	}
}

func isNull(data []byte) bool { return string(bytes.TrimSpace(data)) == "null" }

func checkList(f *faults, path string, data []byte, t reflect.Type) {
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil || items == nil {
		f.add("%s: want a list", path)
		return
	}
	if t.Kind() == reflect.Array && len(items) != t.Len() {
		f.add("%s: want %d values, got %d", path, t.Len(), len(items))
	}
	for i, item := range items {
		checkKeys(f, fmt.Sprintf("%s[%d]", path, i), item, t.Elem())
	}
}

// member is one key of a JSON object and its value.
type member struct {
	key   string
	value json.RawMessage
}

// members returns an object's keys in the order of the text, repeated ones repeatedly.
func members(data []byte) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("want an object")
	}
	var all []member
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		m := member{key: fmt.Sprint(key)}
		if err := dec.Decode(&m.value); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

func checkObject(f *faults, path string, data []byte, t reflect.Type) {
	object, err := members(data)
	if err != nil {
		if path == "" {
			path = "(root)"
		}
		f.add("%s: want an object", path)
		return
	}
	seen := map[string]bool{}
	for _, m := range object {
		field, known := fieldOf(t, m.key)
		switch {
		case seen[m.key]:
			f.add("%s: stands twice", join(path, m.key))
		case !known:
			f.newer = true
			f.add("%s: unknown key", join(path, m.key))
		default:
			checkKeys(f, join(path, m.key), m.value, field.Type)
		}
		seen[m.key] = true
	}
	for field := range t.Fields() {
		key, option, _ := strings.Cut(field.Tag.Get("json"), ",")
		if option == "" && !seen[key] {
			f.add("%s: missing", join(path, key))
		}
	}
}

// fieldOf returns the field that a key stands for, whose case must be right.
func fieldOf(t reflect.Type, key string) (reflect.StructField, bool) {
	for field := range t.Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name == key {
			return field, true
		}
	}
	return reflect.StructField{}, false
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
