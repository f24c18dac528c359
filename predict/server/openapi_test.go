package server_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nitrain/nitrain/predict/server"
)

// TestOpenAPI holds that openapi.json has exactly the routes that the code registers.
func TestOpenAPI(t *testing.T) {
	_, url := serve(t, server.Options{}, map[string]*server.Model{"bright": bright(nil)})
	status, _, text := call(t, "GET", url+"/openapi.json", nil)
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(text, &doc); err != nil || status != 200 {
		t.Fatalf("%d %v", status, err)
	}
	var described, registered []string
	for path, methods := range doc.Paths {
		for m := range methods {
			described = append(described, strings.ToUpper(m)+" "+path)
		}
	}
	for _, file := range []string{"v2.go", "volume.go"} {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`add\("([A-Z]+) ?([^"]*)"(\+at)?(?:\+"([^"]*)")?`).FindAllStringSubmatch(string(code), -1) {
			at := []string{m[2] + m[4]}
			if m[3] != "" {
				at = []string{"/v2/models/{model}" + m[4], "/v2/models/{model}/versions/{version}" + m[4]}
			}
			for _, path := range at {
				if path != "/v2/{$}" {
					registered = append(registered, m[1]+" "+path)
				}
			}
		}
	}
	slices.Sort(described)
	slices.Sort(registered)
	if !slices.Equal(described, registered) {
		t.Errorf("described\n%s\nregistered\n%s", strings.Join(described, "\n"), strings.Join(registered, "\n"))
	}
}
