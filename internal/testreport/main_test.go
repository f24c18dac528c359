package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	in := `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: no GPU here\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:9: want 1, got 2\n"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p","Test":"TestC"}
{"Action":"fail","Package":"p","Elapsed":1.5}
go: something is wrong
`
	r := report{output: map[string][]string{}, reasons: map[string][]string{}}
	var out strings.Builder
	if err := r.read(strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	r.summary(&out)
	for _, want := range []string{"b_test.go:9: want 1, got 2", "no GPU here: p.TestA", "fail     1.5s  p", "go: something is wrong", "1 passed, 1 failed, 1 skipped"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("report lacks %q:\n%s", want, out.String())
		}
	}
	if !r.broken {
		t.Error("a failed package must fail the report")
	}
}

func TestBuildFailureIsFailure(t *testing.T) {
	r := report{output: map[string][]string{}, reasons: map[string][]string{}}
	var out strings.Builder
	in := `{"ImportPath":"p","Action":"build-output","Output":"p.go:1: syntax error\n"}` + "\n" + `{"ImportPath":"p","Action":"build-fail"}` + "\n"
	if err := r.read(strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	if !r.broken || !strings.Contains(out.String(), "syntax error") {
		t.Errorf("broken %v, output %q", r.broken, out.String())
	}
}
