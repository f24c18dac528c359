package bundle

import (
	"reflect"
	"strings"
	"testing"
)

// configOf reads a configuration from JSON.
func configOf(t *testing.T, text string) *resolver {
	t.Helper()
	b := newBudget()
	v, err := readJSON([]byte(text), b)
	if err != nil {
		t.Fatal(err)
	}
	o := v.(*Object)
	if err := (&Bundle{}).expandMacros(o, b); err != nil {
		t.Fatal(err)
	}
	return newResolver(o, b)
}

func TestExpressions(t *testing.T) {
	const config = `{
		"imports": ["$import numpy as np", "$from torch import float32 as f32"],
		"yes": true, "n": 3, "x": 1.5, "list": [1, 2], "name": "a", "deep": {"b": [{"c": 7}]},
		"null": null, "ref": "@deep#b#0#c", "old": "@deep::b::0::c", "sum": "$@n + @ref",
		"off": {"_target_": "X", "_disabled_": true}, "with_off": ["@n", {"_target_": "X", "_disabled_": "$not @no"}], "no": false
	}`
	for _, c := range []struct {
		text string
		want any
	}{
		{"1 + 2 * 3", int64(7)},
		{"(1 + 2) * 3", int64(9)},
		{"-7 // 2", int64(-4)},
		{"7 // -2", int64(-4)},
		{"-7 % 3", int64(2)},
		{"7 / 2", 3.5},
		{"4 / 2", 2.0},
		{"7.5 // 2", 3.0},
		{"2 - -3", int64(5)},
		{"@n * @x", 4.5},
		{"@sum", int64(10)},
		{"@old", int64(7)},
		{"not @yes", false},
		{"not not @yes", true},
		{"(not @yes)", false},
		{"[1.5, 1.5] if @yes else [3.0, 3.0]", []any{1.5, 1.5}},
		{"1 if @list else 2 if @n else 3", int64(1)},
		{"'a' + \"b\" 'c'", "abc"},
		{"@name + '/eval'", "a/eval"},
		{"@list + [3] + [4, 5,]", []any{int64(1), int64(2), int64(3), int64(4), int64(5)}},
		{"[0] * @n", []any{int64(0), int64(0), int64(0)}},
		{"len(@list)", int64(2)},
		{"list(range(2, 9, 3)) + list(range(2))", []any{int64(2), int64(5), int64(8), int64(0), int64(1)}},
		{"np.float32", &Symbol{"numpy.float32"}},
		{"f32", &Symbol{"torch.float32"}},
		{"torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')", &Symbol{"torch.device"}},
		{"monai.utils.CommonKeys.PRED", "pred"},
		{"copy.deepcopy(@list)", []any{int64(1), int64(2)}},
		{"@deep['b'][0]['c']", int64(7)},
		{"@null is None", true},
		{"@n > 2 and @name == 'a'", true},
		{"None", nil},
		{"@with_off", []any{int64(3)}},
		{" @list ", []any{int64(1), int64(2)}},
	} {
		r := configOf(t, config)
		if got := r.resolveText("$" + c.text); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %s, want %v", c.text, describe(got), c.want)
		}
	}
}

// What is not understood has a reason and no value.
func TestRefusedExpressions(t *testing.T) {
	const config = `{"n": 3, "a": "@b", "b": "$@c#d + 1", "c": {"d": "@a"}, "self": "@self", "list": ["@list"],
		"huge": "$[0] * 1000000000", "wide": "$list(range(100000000))", "text": "x"}`
	for _, c := range []struct{ text, why string }{
		{"__import__('os').system('touch /tmp/x')", "call"},
		{"os.system('x')", "a call of os.system"},
		{"open('/etc/passwd').read()", "call"},
		{"().__class__.__bases__[0].__subclasses__()", "call"},
		{"[x for x in (1, 2)]", `"for"`},
		{"{'a': 1}", "an object"},
		{"f'{@n}'", "unexpected"},
		{"lambda x: x", "a function"},
		{"@n.bit_length()", "call"},
		{"@n.real", "attribute"},
		{"@a", "refers to itself"},
		{"@self", "refers to itself"},
		{"@missing", "there is no"},
		{"@huge", "sensible size"},
		{"@wide", "sensible size"},
		{"1 / 0", "zero"},
		{"9223372036854775807 + 1", "64 bits"},
		{"1e308 * 10", "bounds"},
		{"2 ** 3", "**"},
		{"@text * 3", "not understood"},
		{"(", "ends"},
		{"1 +", "ends"},
		{"", "ends"},
		{"'abc", "does not end"},
		{"a b", "unexpected"},
		{"x := 1", "unexpected"},
		{strings.Repeat("(", 500) + "1" + strings.Repeat(")", 500), "deeper"},
		{strings.Repeat("-", 500) + "1", "deeper"},
		{strings.Repeat("not ", 500) + "1", "deeper"},
		{strings.Repeat("1+", 20000) + "1", "longer"},
		{"eval('1')", "call"},
		{"torch.load('x')", "call"},
		{"pathlib.Path('x').read_text()", "call"},
		{"@list[0:1]", "not"},
	} {
		r := configOf(t, config)
		got, ok := r.resolveText("$" + c.text).(*Opaque)
		if !ok {
			t.Errorf("%.60s: got a value %s", c.text, describe(r.resolveText("$"+c.text)))
		} else if !strings.Contains(got.Why, c.why) {
			t.Errorf("%.60s: got %q, want it to say %q", c.text, got.Why, c.why)
		}
	}
}

func TestCycleInList(t *testing.T) {
	r := configOf(t, `{"list": [1, "@list"], "o": {"p": "@o"}}`)
	list, ok := r.value("list").([]any)
	if !ok || len(list) != 2 {
		t.Fatalf("got %v", r.value("list"))
	}
	if o, ok := list[1].(*Opaque); !ok || !strings.Contains(o.Why, "refers to itself") {
		t.Errorf("got %v, want a value that refers to itself", list[1])
	}
}

// Values that repeat each other ten times over at every level cost no more than the levels.
func TestReferenceBomb(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"a0": [1]`)
	for i := range 40 {
		ref := strings.Repeat(`"@a`+string(rune('0'+i/10))+string(rune('0'+i%10))+`",`, 10)
		ref = strings.ReplaceAll(ref, "@a00", "@a0")
		b.WriteString(`,"a` + string(rune('0'+(i+1)/10)) + string(rune('0'+(i+1)%10)) + `": [` + strings.TrimSuffix(ref, ",") + `]`)
	}
	b.WriteString(`}`)
	r := configOf(t, b.String())
	if list, ok := r.value("a40").([]any); !ok || len(list) != 10 {
		t.Fatalf("got %s", describe(r.value("a40")))
	}
	r = configOf(t, `{"a":"$[0]*1000","b":"$@a+@a+@a+@a+@a+@a+@a+@a+@a+@a","c":"$@b*100","d":"$@c*100"}`)
	if o, ok := r.value("d").(*Opaque); !ok || !strings.Contains(o.Why, "sensible size") {
		t.Errorf("got %s, want a refusal by size", describe(r.value("d")))
	}
}

func TestMacrosAndRelativeIDs(t *testing.T) {
	r := configOf(t, `{"A": 1, "B": {"key": "@##A", "v1": 2, "v2": "%#v1", "v3": [3, 4, "@#1"]}, "C": "%B#v3", "D": ["%A", "$@A + 1"]}`)
	for id, want := range map[string]any{"B#key": int64(1), "B#v2": int64(2), "B#v3#2": int64(4), "C": []any{int64(3), int64(4), int64(4)}, "D#1": int64(2)} {
		if got := r.value(id); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", id, got, want)
		}
	}
}

func TestMerge(t *testing.T) {
	b := newBudget()
	read := func(text string) *Object {
		v, err := readJSON([]byte(text), b)
		if err != nil {
			t.Fatal(err)
		}
		return v.(*Object)
	}
	root := newObject()
	for _, part := range []string{
		`{"list": [1], "net": {"a": 1, "b": [1, 2]}, "x": 1}`,
		`{"+list": [2, 3], "+net": {"c": 4}, "x": 2, "net#b#0": 9, "+new": [5]}`,
		`{"net::b::1": 8}`,
	} {
		if err := mergeFile(root, read(part)); err != nil {
			t.Fatal(err)
		}
	}
	if err := override(root, Setting{"net#deep#er", "True"}, b); err != nil {
		t.Fatal(err)
	}
	if err := override(root, Setting{"+list", "[4]"}, b); err != nil {
		t.Fatal(err)
	}
	r := newResolver(root, b)
	for id, want := range map[string]any{
		"list": []any{int64(1), int64(2), int64(3), int64(4)}, "net#c": int64(4), "x": int64(2),
		"net#b": []any{int64(9), int64(8)}, "new": []any{int64(5)}, "net#deep#er": true,
	} {
		if got := r.value(id); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", id, got, want)
		}
	}
	if err := mergeFile(root, read(`{"+x": [1]}`)); err == nil {
		t.Error("a list was merged into a number")
	}
	if err := mergeFile(root, read(`{"no#where": 1}`)); err == nil {
		t.Error("a value was put where there is nothing to put it into")
	}
}
