package predict_test

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/imageio/transform"
	"github.com/nitrain/nitrain/predict"
)

// Every key of a Spec stands in the table of its object in docs/spec.md, every step in the table of steps.
func TestSpecIsDocumented(t *testing.T) {
	raw, err := os.ReadFile("../docs/spec.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(raw)
	sections := map[reflect.Type]string{
		reflect.TypeFor[predict.Spec](): "## Top level", reflect.TypeFor[predict.Input](): "## input", reflect.TypeFor[predict.Channel](): "## input",
		reflect.TypeFor[predict.Tile](): "## tile", reflect.TypeFor[predict.Decode](): "## decode", reflect.TypeFor[transform.Keep](): "## decode",
		reflect.TypeFor[predict.Label](): "## labels", reflect.TypeFor[predict.Code](): "## labels",
		reflect.TypeFor[predict.Provenance](): "## provenance", reflect.TypeFor[predict.Trained](): "## provenance",
	}
	seen := map[reflect.Type]bool{}
	var visit func(reflect.Type)
	visit = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] {
			return
		}
		seen[typ] = true
		title, ok := sections[typ]
		if !ok {
			t.Fatalf("no section for %v", typ)
		}
		text := section(doc, title)
		for field := range typ.Fields() {
			key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if !strings.Contains(text, "`"+key+"`") {
				t.Errorf("%s: docs/spec.md has no %s under %q", typ, key, title)
			}
			if field.Type != reflect.TypeFor[transform.Pipeline]() {
				visit(field.Type)
			}
		}
	}
	visit(reflect.TypeFor[predict.Spec]())
	if len(seen) != len(sections) {
		t.Errorf("%d of %d objects were looked at", len(seen), len(sections))
	}
	wantOps(t, section(doc, "## prepare"))
	for _, text := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(doc, -1) {
		if _, err := predict.ParseSpec([]byte(text[1])); err != nil {
			t.Errorf("an example: %v", err)
		}
	}
	for _, text := range regexp.MustCompile(`(?s)\n    (\[\{"value".*?\])\n\n`).FindAllStringSubmatch(doc, -1) {
		var labels []predict.Label
		if err := json.Unmarshal([]byte(text[1]), &labels); err != nil || len(labels) != 4 {
			t.Errorf("example of labels: %v", err)
		}
	}
}

// wantOps compares the table of steps with the steps, whose names the error about an unknown one lists.
func wantOps(t *testing.T, text string) {
	t.Helper()
	_, err := transform.ParsePrepare([]byte(`[{"op":""}]`))
	fault, ok := errors.AsType[*transform.FormatError](err)
	if !ok {
		t.Fatal(err)
	}
	ops := strings.Split(strings.TrimPrefix(fault.Hint(), "the steps are "), ", ")
	rows := regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(text, -1)
	if len(ops) < 10 || len(rows) != len(ops) {
		t.Errorf("%d steps, %d in the table", len(ops), len(rows))
	}
	for _, op := range ops {
		if !strings.Contains(text, "\n| `"+op+"` |") {
			t.Errorf("docs/spec.md has no step %s", op)
		}
	}
}

// section returns the text from a title to the next of its level.
func section(doc, title string) string {
	_, text, _ := strings.Cut(doc, "\n"+title+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}
