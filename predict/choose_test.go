package predict

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDecide(t *testing.T) {
	plain := candidate{name: CPU, seconds: 1, peak: 500e6}
	engine := candidate{name: Engine, seconds: 0.5, peak: 300e6, agreement: agreement{deviation: 1e-6}}
	vino := candidate{name: OpenVINO, seconds: 0.45, peak: 700e6}
	fast := candidate{name: OpenVINO, seconds: 0.2, peak: 700e6}
	wrong := candidate{name: OpenVINO, seconds: 0.1, peak: 100e6, fault: "wrong"}
	for name, c := range map[string]struct {
		all     []candidate
		memory  int64
		want    string
		refused int
	}{
		"only plain":                       {[]candidate{plain}, 0, CPU, 0},
		"fastest":                          {[]candidate{plain, engine, fast}, 0, OpenVINO, 2},
		"nearly as fast, less memory":      {[]candidate{plain, engine, vino}, 0, Engine, 2},
		"fastest is too large":             {[]candidate{plain, engine, fast}, 600e6, Engine, 2},
		"fastest is wrong":                 {[]candidate{plain, engine, wrong}, 0, Engine, 2},
		"all are too large: the least one": {[]candidate{plain, engine, fast}, 100e6, Engine, 2},
		"all others are wrong":             {[]candidate{plain, wrong}, 0, CPU, 1},
	} {
		got := decide(c.all, c.memory)
		if got.Name != c.want || len(got.Refused) != c.refused || got.Why == "" {
			t.Errorf("%s: want %s with %d refused, got %+v", name, c.want, c.refused, got)
		}
	}
	if got := decide([]candidate{plain, engine}, 0); got.Deviation != 1e-6 || got.Peak != 300e6 || got.SecondsPerTile != 0.5 {
		t.Errorf("want the figures of the one that is taken, got %+v", got)
	}
}

// A process that shuts its eyes to a damaged file, a full one or none at all forgets, and no more.
func TestMemoryForgets(t *testing.T) {
	home := t.TempDir()
	t.Setenv("NITRAIN_HOME", home)
	model := filepath.Join("..", "testdata", "models", "unet3d_a.onnx")
	m := newMemory([]string{model})
	if _, ok := m.choice("key"); ok || m.opened("library") {
		t.Fatal("want nothing remembered yet")
	}
	m.keep("key", Choice{Name: Engine})
	m.keepOpened("library")
	again := newMemory([]string{model})
	if c, ok := again.choice("key"); !ok || c.Name != Engine || !again.opened("library") || again.opened("other") {
		t.Fatalf("want both remembered, got %+v", again.read())
	}
	if two := newMemory([]string{model, model}); two.path == m.path {
		t.Error("an ensemble is not its first model")
	}
	if err := os.WriteFile(m.path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := m.choice("key"); ok {
		t.Error("want a damaged file to be forgotten")
	}
	m.keep("key", Choice{Name: CPU})
	if c, ok := m.choice("key"); !ok || c.Name != CPU {
		t.Error("want a damaged file to be replaced")
	}
	for i := range maxChoices + 10 {
		m.keep(string(rune('a'+i)), Choice{})
	}
	if n := len(m.read().Choices); n > maxChoices+1 {
		t.Errorf("want at most %d choices, got %d", maxChoices+1, n)
	}
	none := newMemory([]string{"missing.onnx"})
	none.keep("key", Choice{Name: CPU})
	if _, ok := none.choice("key"); ok {
		t.Error("want no memory of a model that is not there")
	}
}
