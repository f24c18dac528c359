package bundle

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxExpression bounds the length of an expression; the longest of the zoo has 240 characters.
const maxExpression = 1 << 14

// tokenKind says what a token of an expression is.
type tokenKind uint8

const (
	endToken tokenKind = iota
	nameToken
	numberToken
	textToken
	referenceToken // @id#sub, without the @
	signToken
)

type token struct {
	kind tokenKind
	text string
}

// signs of expressions, longer ones first.
func signs() []string {
	return []string{
		"**", "//", "==", "!=", "<=", ">=", "->", ":=", "<<", ">>",
		"(", ")", "[", "]", "{", "}", ",", ":", ".", "+", "-", "*", "/", "%", "<", ">", "=", "&", "|", "^", "~",
	}
}

// lex splits an expression into tokens.
func lex(s string) ([]token, error) {
	if len(s) > maxExpression {
		return nil, fmt.Errorf("the expression is longer than %d characters", maxExpression)
	}
	var tokens []token
	for {
		s = strings.TrimLeft(s, " \t\n\r")
		if s == "" {
			return append(tokens, token{}), nil
		}
		t, n, err := next(s)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		s = s[n:]
	}
}

// next reads the first token of a text that begins with none of the white space.
func next(s string) (token, int, error) {
	r, _ := utf8.DecodeRuneInString(s)
	switch {
	case r == '@':
		n := referenceLength(s)
		return token{referenceToken, s[1:n]}, n, nil
	case r == '\'' || r == '"':
		return lexText(s)
	case r == '_' || unicode.IsLetter(r):
		n := wordLength(s)
		return token{nameToken, s[:n]}, n, nil
	case '0' <= r && r <= '9' || r == '.' && len(s) > 1 && '0' <= s[1] && s[1] <= '9':
		n := numberLength(s)
		return token{numberToken, s[:n]}, n, nil
	}
	for _, sign := range signs() {
		if strings.HasPrefix(s, sign) {
			return token{signToken, sign}, len(sign), nil
		}
	}
	return token{}, 0, fmt.Errorf("unexpected %q", r)
}

func wordLength(s string) int {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return i
		}
	}
	return len(s)
}

// referenceLength is the length of @id#sub::sub, which is how MONAI finds the end of a reference.
func referenceLength(s string) int {
	n := 1 + wordLength(s[1:])
	for {
		switch rest := s[n:]; {
		case strings.HasPrefix(rest, "#"):
			n += 1 + wordLength(rest[1:])
		case strings.HasPrefix(rest, "::"):
			n += 2 + wordLength(rest[2:])
		default:
			return n
		}
	}
}

func numberLength(s string) int {
	for i := range len(s) {
		c := s[i]
		sign := (c == '+' || c == '-') && i > 0 && (s[i-1] == 'e' || s[i-1] == 'E')
		if c != '.' && c != '_' && !sign && (c < '0' || c > '9') && !('a' <= c && c <= 'z') && !('A' <= c && c <= 'Z') {
			return i
		}
	}
	return len(s)
}

// lexText reads a quoted text with Python's plain escapes.
func lexText(s string) (token, int, error) {
	quote := s[0]
	if strings.HasPrefix(s, strings.Repeat(string(quote), 3)) {
		return token{}, 0, errors.New("texts in three quotes are not understood")
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; c {
		case quote:
			return token{textToken, b.String()}, i + 1, nil
		case '\n':
			return token{}, 0, errors.New("a text does not end")
		case '\\':
			if i++; i == len(s) {
				return token{}, 0, errors.New("a text does not end")
			}
			at := strings.IndexByte(`\'"nrt`, s[i])
			if at < 0 {
				return token{}, 0, fmt.Errorf("escape \\%c is not understood", s[i])
			}
			b.WriteByte("\\'\"\n\r\t"[at])
		default:
			b.WriteByte(c)
		}
	}
	return token{}, 0, errors.New("a text does not end")
}
