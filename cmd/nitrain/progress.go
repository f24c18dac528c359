package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// progress shows how far a long piece of work has come: a line that rewrites itself on a terminal, JSON
// lines with --json, and elsewhere one line at most every ten seconds.
type progress struct {
	a     *app
	live  bool
	start time.Time
	last  time.Time
	width int
}

func (a *app) progress() *progress {
	file, ok := a.err.(*os.File)
	return &progress{a: a, live: ok && term.IsTerminal(int(file.Fd())), start: time.Now()}
}

// begin starts the clock anew, for the next of several pieces of work.
func (p *progress) begin() { p.start = time.Now() }

// show reports done of total steps of what, and the time that the rest should take; text is added behind
// the bar, fields to the JSON line.
func (p *progress) show(what string, done, total int, text string, fields map[string]any) {
	if done > 0 && done < total {
		left := time.Duration(float64(time.Since(p.start)) / float64(done) * float64(total-done))
		text += "  " + left.Round(time.Second).String() + " left"
	}
	p.line(what, done, total, text, fields)
}

// line is show without an estimate of its own.
func (p *progress) line(what string, done, total int, text string, fields map[string]any) {
	if p.a.quiet {
		return
	}
	now := time.Now()
	if p.a.json {
		line := map[string]any{"progress": what, "done": done, "total": total}
		maps.Copy(line, fields)
		raw, err := json.Marshal(line)
		if err == nil {
			fmt.Fprintln(p.a.err, string(raw))
		}
		return
	}
	every := 10 * time.Second
	if p.live {
		every = 100 * time.Millisecond
	}
	if now.Sub(p.last) < every && done < total {
		return
	}
	p.last = now
	line := fmt.Sprintf("%s %s %d/%d", what, bar(done, total), done, total)
	if text != "" {
		line += "  " + text
	}
	p.print(line)
}

func (p *progress) print(line string) {
	if !p.live {
		fmt.Fprintln(p.a.err, line)
		return
	}
	fill := max(0, p.width-len(line))
	fmt.Fprintf(p.a.err, "\r%s%s", line, strings.Repeat(" ", fill))
	p.width = len(line)
}

// note prints a line of its own without disturbing the bar.
func (p *progress) note(text string) {
	if p.a.quiet || p.a.json {
		return
	}
	p.clear()
	fmt.Fprintln(p.a.err, text)
}

// clear removes the line, so that results start on a clean one.
func (p *progress) clear() {
	if p.live && p.width > 0 {
		fmt.Fprintf(p.a.err, "\r%s\r", strings.Repeat(" ", p.width))
		p.width = 0
	}
}

func bar(done, total int) string {
	const width = 20
	filled := 0
	if total > 0 {
		filled = width * done / total
	}
	return "[" + strings.Repeat("=", filled) + strings.Repeat(" ", width-filled) + "]"
}
