package onnx

import (
	"compress/gzip"
	_ "embed" // the operator table
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// schemaData is the table of the standard's operators; testdata/gen/schemas.py makes it.
//
//go:embed schemas.tsv.gz
var schemaData string

// schema is what the standard says of one version of an operator.
type schema struct {
	since                  int
	minIn, maxIn           int // -1: no limit
	minOut, maxOut         int
	deprecated             bool
	attrs                  map[string]AttrKind
	required               []string
	domain, name, attrText string
}

// schemas holds the versions of every operator, oldest first, and the newest version of every domain.
type schemas struct {
	ops    map[[2]string][]schema
	newest map[string]int
}

func readSchemas() (*schemas, error) {
	gz, err := gzip.NewReader(strings.NewReader(schemaData))
	if err != nil {
		return nil, fmt.Errorf("onnx: operator table: %w", err)
	}
	r := csv.NewReader(gz)
	r.Comma = '\t'
	r.ReuseRecord = true
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("onnx: operator table: %w", err)
	}
	out := &schemas{ops: make(map[[2]string][]schema, 256), newest: map[string]int{}}
	for _, row := range rows {
		s, err := parseSchema(row)
		if err != nil {
			return nil, fmt.Errorf("onnx: operator table: %w", err)
		}
		key := [2]string{s.domain, s.name}
		out.ops[key] = append(out.ops[key], s)
		out.newest[s.domain] = max(out.newest[s.domain], s.since)
	}
	return out, nil
}

func parseSchema(row []string) (schema, error) {
	s := schema{domain: row[0], name: row[1], deprecated: row[7] == "1", attrText: row[8]}
	for i, dst := range []*int{&s.since, &s.minIn, &s.maxIn, &s.minOut, &s.maxOut} {
		v, err := strconv.Atoi(row[2+i])
		if err != nil {
			return s, err
		}
		*dst = v
	}
	return s, nil
}

// find returns the version of an operator that holds in an opset; nil where there is none. The second result
// says whether the domain is one of the standard's.
func (t *schemas) find(domain, op string, opset int) (*schema, bool) {
	domain = standard(domain)
	var found *schema
	list := t.ops[[2]string{domain, op}]
	for i := range list {
		if list[i].since <= opset {
			found = &list[i]
		}
	}
	_, known := t.newest[domain]
	if found != nil {
		found.parseAttrs()
	}
	return found, known
}

func (s *schema) parseAttrs() {
	if s.attrs != nil {
		return
	}
	s.attrs = map[string]AttrKind{}
	for part := range strings.SplitSeq(s.attrText, ",") {
		name, number, ok := strings.Cut(part, ":")
		if !ok {
			continue
		}
		n, must := strings.CutSuffix(number, "!")
		kind, _ := strconv.Atoi(n)
		s.attrs[name] = AttrKind(kind)
		if must {
			s.required = append(s.required, name)
		}
	}
	slices.Sort(s.required)
}
