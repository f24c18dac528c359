package bundle

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestYAML(t *testing.T) {
	v, err := readYAML([]byte(`
a: &base {x: 1, y: [2, 3.5, true, yes, 'yes', No, null, ~, off, "no"]}
b:
  <<: *base
  x: 9
c: *base
d: '@a#x'
e: $@a#x + 1   # a comment
f: 2001-01-01
7: seven
g: 0x10
`), newBudget())
	if err != nil {
		t.Fatal(err)
	}
	r := newResolver(v.(*Object), newBudget())
	y := []any{int64(2), 3.5, true, true, "yes", false, nil, nil, false, "no"}
	for id, want := range map[string]any{"a#y": y, "b#x": int64(9), "b#y": y, "c#x": int64(1), "d": int64(1), "e": int64(2), "f": "2001-01-01", "7": "seven", "g": int64(16)} {
		if got := r.value(id); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", id, got, want)
		}
	}
}

func TestRefusedYAML(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&bomb, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	for _, c := range []struct{ name, text, why string }{
		{"anchor bomb", bomb.String(), "sensible size"},
		{"anchor that holds itself", "a: &a [*a]", "holds itself"},
		{"python object", "a: !!python/object/apply:os.system ['true']", "refused"},
		{"own tag", "a: !Spacing {pixdim: 1}", "refused"},
		{"binary", "a: !!binary aGk=", "refused"},
		{"set", "a: !!set {b, c}", "refused"},
		{"two documents", "a: 1\n---\nb: 2\n", "one YAML document"},
		{"deep", strings.Repeat("[", 200) + strings.Repeat("]", 200), "deeper"},
		{"infinite", "a: .inf", "range"},
		{"list as key", "[1, 2]: 3", "text as the key"},
		{"no YAML", "a: [", ""},
	} {
		if _, err := readYAML([]byte(c.text), newBudget()); err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: got %v, want it to say %q", c.name, err, c.why)
		}
	}
}

func TestRefusedJSON(t *testing.T) {
	for _, c := range []struct{ name, text, why string }{
		{"deep", strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000), "deeper"},
		{"huge", "[" + strings.Repeat("1,", 1<<21) + "1]", "sensible size"},
		{"NaN", `{"a": NaN}`, ""},
		{"out of range", `{"a": 1e999}`, "range"},
		{"two values", `{} {}`, "text after"},
		{"ends", `{"a": [1`, "too early"},
		{"bytes", "{\"a\": \"\xff\"}", "UTF-8"},
	} {
		if _, err := readJSON([]byte(c.text), newBudget()); err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: got %v, want it to say %q", c.name, err, c.why)
		}
	}
}
