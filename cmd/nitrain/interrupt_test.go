package main

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestInterruptible(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	if got, err := interruptible(ctx, func() (int, error) { return 7, nil }); got != 7 || err != nil {
		t.Fatalf("want 7, got %d, %v", got, err)
	}
	release := make(chan struct{})
	defer close(release)
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := interruptible(ctx, func() (int, error) { <-release; return 7, nil }); !errors.Is(err, context.Canceled) {
		t.Fatalf("want the context's error, got %v", err)
	}
	// work that ends with the interruption is not written either
	if _, err := interruptible(ctx, func() (int, error) { return 7, nil }); !errors.Is(err, context.Canceled) {
		t.Fatalf("want the context's error, got %v", err)
	}
}
