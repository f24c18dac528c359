package child

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nitrain/nitrain/internal/proc"
)

const variable = "NITRAIN_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(variable) {
	case "":
		os.Exit(m.Run())
	case "talk":
		fmt.Print(strings.Repeat("x", 100_000))
		fmt.Fprint(os.Stderr, "words")
		os.Exit(3)
	case "wait":
		EndWithParent()
	case "memory":
		if err := LimitMemory(512 << 20); err != nil {
			fmt.Print(err)
			os.Exit(1)
		}
		_ = make([]byte, 4<<30)
		fmt.Print("allocated")
		os.Exit(0)
	}
}

func TestRunReturnsTheFirstWords(t *testing.T) {
	stdout, stderr, err := Run(t.Context(), variable, "talk", nil)
	if len(stdout) != 64<<10 || string(stderr) != "words" || err == nil || !strings.Contains(err.Error(), "3") {
		t.Errorf("want 64 KiB, words and status 3; got %d bytes, %q, %v", len(stdout), stderr, err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, _, err := Run(ctx, variable, "wait", nil); err == nil || time.Since(start) > 10*time.Second {
		t.Errorf("want the child ended, got %v after %v", err, time.Since(start))
	}
}

// A child whose input is closed has lost its parent.
func TestChildEndsWithItsParent(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, _, err := Run(ctx, variable, "wait", []byte{}); ctx.Err() != nil || err == nil {
		t.Errorf("want the child to end by itself, got %v", err)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	if proc.Peak() == 0 {
		t.Skip("this system does not tell what memory a process has had, and bounds none")
	}
	stdout, _, err := Run(t.Context(), variable, "memory", nil)
	if string(stdout) != "" || err == nil {
		t.Errorf("want 4 GiB refused, got %q, %v", stdout, err)
	}
}
