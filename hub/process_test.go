package hub

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain lets the test's own program be the process that is killed: push or pull, the hub, the source and
// the reference are in childVariable.
func TestMain(m *testing.M) {
	if job := os.Getenv(childVariable); job != "" {
		if err := child(strings.Split(job, "\n")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const childVariable = "NITRAIN_HUB_CHILD"

func child(job []string) error {
	h, err := Open(Options{Dir: job[1]})
	if err != nil {
		return err
	}
	r, err := ParseRef(job[3])
	if err != nil {
		return err
	}
	if job[0] == "push" {
		_, err = h.Push(context.Background(), Source{Model: job[2]}, r)
	} else {
		_, err = h.Pull(context.Background(), r, Ref{})
	}
	return err
}

// start runs a child process.
func start(t *testing.T, job ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+strings.Join(job, "\n"))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// TestConcurrentPulls lets eight processes pull one model into one hub: one good copy must be left.
func TestConcurrentPulls(t *testing.T) {
	registry := debianRegistry(t)
	through := startProxy(t, registry)
	const size = 8 << 20
	model := writeModel(t, size, 5)
	push(t, newHub(t), model, "oci://"+registry+"/brain/unet:v1")
	h := newHub(t)
	before := through.down.Load()
	var children []*exec.Cmd
	for range 8 {
		children = append(children, start(t, "pull", h.dir, "", "oci://"+through.addr+"/brain/unet:v1"))
	}
	for _, c := range children {
		if err := c.Wait(); err != nil {
			t.Errorf("a pull of eight: %v", err)
		}
	}
	same(t, h, "brain/unet:v1", model)
	if v := sound(t, h); v.Models != 1 || len(v.Unreferenced)+len(v.Unfinished) != 0 {
		t.Errorf("want one model and nothing left over, got %+v", v)
	}
	if n := through.down.Load() - before; n > size*3/2 {
		t.Errorf("want the model fetched once, %d bytes came", n)
	}
}

// TestConcurrentGoroutines does the same in one process, and pushes beside it.
func TestConcurrentGoroutines(t *testing.T) {
	other, h := newHub(t), newHub(t)
	model := writeModel(t, 1<<20, 5)
	push(t, other, model, "unet:v1")
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			from := Ref{Scheme: File, Path: other.dir, Name: "unet", Tag: "v1"}
			if _, err := h.Pull(context.Background(), from, Ref{}); err != nil {
				t.Error(err)
			}
			if _, err := h.Push(context.Background(), Source{Model: model}, Ref{Name: fmt.Sprintf("own%d", i), Tag: "v1"}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if v := sound(t, h); v.Models != 9 {
		t.Errorf("want nine models, got %+v", v)
	}
}

// kills returns how often processes are killed.
func kills() int {
	if os.Getenv("NITRAIN_ACCEPTANCE") != "" {
		return 60
	}
	return 4
}

// TestKill kills processes at random moments of a push and of a pull: each time the hub must verify, and in the
// end a process that is left alone must succeed.
func TestKill(t *testing.T) {
	registry := debianRegistry(t)
	model := writeModel(t, 12<<20, 6)
	took := map[string]time.Duration{}
	for _, verb := range []string{"push", "pull"} {
		started := time.Now()
		if err := start(t, verb, newHub(t).dir, model, "oci://"+registry+"/brain/unet:v1").Wait(); err != nil {
			t.Fatal(err)
		}
		took[verb] = time.Since(started) * 9 / 10
	}
	for _, verb := range []string{"push", "pull"} {
		t.Run(verb, func(t *testing.T) {
			h := newHub(t)
			to := "oci://" + registry + "/brain/unet:v1"
			if verb == "push" {
				to = "oci://" + registry + "/brain/killed:v1"
			}
			moments := map[string]int{}
			for range kills() {
				c := start(t, verb, h.dir, model, to)
				time.Sleep(time.Duration(rand.Int64N(int64(took[verb]))))
				_ = c.Process.Kill()
				_ = c.Wait()
				v := sound(t, h)
				moments[fmt.Sprintf("models %d, unreferenced %d, unfinished %d", v.Models, len(v.Unreferenced), len(v.Unfinished))]++
				if v.Models == 1 {
					same(t, h, ref(t, to).Local().String(), model)
					h = newHub(t)
				}
			}
			t.Logf("killed in these states: %v", moments)
			if err := start(t, verb, h.dir, model, to).Wait(); err != nil {
				t.Fatal(err)
			}
			if v := sound(t, h); v.Models != 1 {
				t.Errorf("want the model, got %+v", v)
			}
			fresh := newHub(t)
			pull(t, fresh, to) // the registry has all of it too
			same(t, fresh, ref(t, to).Local().String(), model)
		})
	}
}

func TestSweep(t *testing.T) {
	h := newHub(t)
	push(t, h, writeModel(t, 1024, 1), "unet:v1")
	old := time.Now().Add(-2 * staleTemporary)
	for _, name := range []string{"pack-1.tmp", "young.tmp", "x.part"} {
		path := filepath.Join(h.ingest(), name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if name != "young.tmp" {
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	push(t, h, writeModel(t, 1024, 2), "unet:v2")
	entries, err := os.ReadDir(h.ingest())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "lock-") {
			names = append(names, e.Name())
		}
	}
	if !slices.Equal(names, []string{"x.part", "young.tmp"}) {
		t.Errorf("want the old temporary file gone and the others kept, got %v", names)
	}
}
