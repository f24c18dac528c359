package main

import "testing"

func TestTriple(t *testing.T) {
	for text, want := range map[string][3]int{"": {}, "16": {16, 16, 16}, "52,48": {52, 48, 1}, "1, 2,3": {1, 2, 3}} {
		if got, err := triple("--patch", text); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"0", "a", "1,2,3,4", "1,,2"} {
		if _, err := triple("--patch", text); err == nil {
			t.Errorf("%q: want an error", text)
		}
	}
}
