package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// readJSON reads a configuration. Python's NaN and Infinity are no JSON and are refused; of a repeated key the last
// counts, as in Python.
func readJSON(data []byte, b *budget) (any, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		return nil, errors.New("the text is not UTF-8")
	}
	if err := checkNesting(data); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := jsonValue(dec, b)
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, errors.New("JSON ends too early")
		}
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the JSON value")
	}
	return v, nil
}

// checkNesting refuses deep nesting before anything is read recursively.
func checkNesting(data []byte) error {
	depth, quoted, escaped := 0, false, false
	for _, c := range data {
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return fmt.Errorf("nested deeper than %d", maxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

func jsonValue(dec *json.Decoder, b *budget) (any, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if err := b.node(); err != nil {
		return nil, err
	}
	switch t := tok.(type) {
	case json.Number:
		return number(t.String())
	case string:
		return t, b.text(t)
	case json.Delim:
		if t == '[' {
			return jsonList(dec, b)
		}
		return jsonObject(dec, b)
	}
	return tok, nil // bool and nil
}

func jsonList(dec *json.Decoder, b *budget) (any, error) {
	list := []any{}
	for dec.More() {
		v, err := jsonValue(dec, b)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := dec.Token()
	return list, err
}

func jsonObject(dec *json.Decoder, b *budget) (any, error) {
	o := newObject()
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := key.(string)
		v, err := jsonValue(dec, b)
		if err != nil {
			return nil, err
		}
		o.set(name, v)
	}
	_, err := dec.Token()
	return o, err
}

// number reads a whole number as int64 and any other as float64.
func number(s string) (any, error) {
	if !strings.ContainsAny(s, ".eE") {
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return i, nil
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return nil, fmt.Errorf("number %s is out of range", shorten(s))
	}
	return f, nil
}
