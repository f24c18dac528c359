package bundle

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// nodeKind says what a node of an expression's syntax tree is.
type nodeKind uint8

const (
	nameNode      nodeKind = iota // text
	numberNode                    // text
	textNode                      // text
	referenceNode                 // text: the id
	listNode                      // list and tuple alike
	dictNode                      // keys and values in turn
	attributeNode                 // .text of kids[0]
	callNode                      // kids[0] of the others; a keyword argument is a keywordNode
	keywordNode                   // text=kids[0]
	indexNode                     // kids[0][kids[1]]
	sliceNode                     // kids[0]:kids[1]:kids[2]; an emptyNode where one is left out
	emptyNode                     //
	unaryNode                     // text: -, +, ~, not
	binaryNode                    // text: the operator, "and", "or", "in", "is" included
	choiceNode                    // kids[0] if kids[1] else kids[2]
	lambdaNode                    // names are the parameters, kids[0] the body
)

// node is a piece of an expression.
type node struct {
	kind  nodeKind
	text  string
	names []string
	kids  []*node
}

// parser reads Python's expressions but for comprehensions, star arguments, formatted texts and the like.
type parser struct {
	tokens []token
	at     int
	depth  int
}

// parse reads an expression.
func parse(s string) (*node, error) {
	tokens, err := lex(s)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	n, err := p.expressions()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != endToken {
		return nil, fmt.Errorf("unexpected %q", shorten(t.text))
	}
	return n, nil
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) is(text string) bool {
	t := p.peek()
	return t.text == text && (t.kind == signToken || t.kind == nameToken)
}

func (p *parser) take(text string) bool {
	if p.is(text) {
		p.at++
		return true
	}
	return false
}

func (p *parser) want(text string) error {
	if p.take(text) {
		return nil
	}
	t := p.peek()
	if t.kind == endToken {
		return fmt.Errorf("the expression ends where %q should come", text)
	}
	return fmt.Errorf("want %q, got %q", text, shorten(t.text))
}

// expressions reads one expression, or several with commas between as a list.
func (p *parser) expressions() (*node, error) {
	first, err := p.expression()
	if err != nil || !p.is(",") {
		return first, err
	}
	list := &node{kind: listNode, kids: []*node{first}}
	for p.take(",") {
		if p.peek().kind == endToken || p.is(")") || p.is("]") {
			break
		}
		n, err := p.expression()
		if err != nil {
			return nil, err
		}
		list.kids = append(list.kids, n)
	}
	return list, nil
}

func (p *parser) expression() (*node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	if p.is("lambda") {
		return p.lambda()
	}
	n, err := p.binary(0)
	if err != nil || !p.take("if") {
		return n, err
	}
	cond, err := p.binary(0)
	if err != nil {
		return nil, err
	}
	if err := p.want("else"); err != nil {
		return nil, err
	}
	other, err := p.expression()
	return &node{kind: choiceNode, kids: []*node{n, cond, other}}, err
}

func (p *parser) lambda() (*node, error) {
	p.at++
	n := &node{kind: lambdaNode}
	for !p.take(":") {
		t := p.peek()
		if t.kind != nameToken {
			return nil, errors.New("a lambda with other than plain parameters is not understood")
		}
		n.names = append(n.names, t.text)
		p.at++
		if !p.is(":") {
			if err := p.want(","); err != nil {
				return nil, err
			}
		}
	}
	body, err := p.expression()
	n.kids = []*node{body}
	return n, err
}

// levels are the binary operators from the loosest to the tightest.
func levels() [][]string {
	return [][]string{
		{"or"},
		{"and"},
		{"not"}, // unary, between and and the comparisons
		{"==", "!=", "<=", ">=", "<", ">", "in", "is"},
		{"|"},
		{"^"},
		{"&"},
		{"<<", ">>"},
		{"+", "-"},
		{"*", "//", "/", "%"},
	}
}

func (p *parser) binary(level int) (*node, error) {
	table := levels()
	if level == len(table) {
		return p.unary()
	}
	if table[level][0] == "not" {
		return p.not(level)
	}
	n, err := p.binary(level + 1)
	if err != nil {
		return nil, err
	}
	for count := 0; ; count++ {
		op := p.peek()
		if !slices.Contains(table[level], op.text) || op.kind != signToken && op.kind != nameToken {
			return n, nil
		}
		if count > maxExpression/2 {
			return nil, errors.New("the expression is too long")
		}
		p.at++
		text := op.text
		if text == "is" && p.take("not") {
			text = "is not"
		}
		right, err := p.binary(level + 1)
		if err != nil {
			return nil, err
		}
		n = &node{kind: binaryNode, text: text, kids: []*node{n, right}}
	}
}

func (p *parser) not(level int) (*node, error) {
	if !p.take("not") {
		return p.binary(level + 1)
	}
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	n, err := p.not(level)
	return &node{kind: unaryNode, text: "not", kids: []*node{n}}, err
}

func (p *parser) unary() (*node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	for _, sign := range []string{"-", "+", "~"} {
		if p.take(sign) {
			n, err := p.unary()
			return &node{kind: unaryNode, text: sign, kids: []*node{n}}, err
		}
	}
	n, err := p.postfix()
	if err != nil || !p.take("**") {
		return n, err
	}
	right, err := p.unary()
	return &node{kind: binaryNode, text: "**", kids: []*node{n, right}}, err
}

func (p *parser) postfix() (*node, error) {
	n, err := p.atom()
	for steps := 0; err == nil; steps++ {
		if steps > maxDepth {
			return nil, fmt.Errorf("nested deeper than %d", maxDepth)
		}
		switch {
		case p.take("."):
			t := p.peek()
			if t.kind != nameToken {
				return nil, errors.New("want a name after the dot")
			}
			p.at++
			n = &node{kind: attributeNode, text: t.text, kids: []*node{n}}
		case p.take("("):
			n, err = p.call(n)
		case p.take("["):
			n, err = p.index(n)
		default:
			return n, nil
		}
	}
	return nil, err
}

func (p *parser) call(f *node) (*node, error) {
	n := &node{kind: callNode, kids: []*node{f}}
	for !p.take(")") {
		arg, err := p.argument()
		if err != nil {
			return nil, err
		}
		n.kids = append(n.kids, arg)
		if !p.is(")") {
			if err := p.want(","); err != nil {
				return nil, err
			}
		}
	}
	return n, nil
}

func (p *parser) argument() (*node, error) {
	if t := p.peek(); t.kind == nameToken && p.tokens[p.at+1] == (token{signToken, "="}) {
		p.at += 2
		v, err := p.expression()
		return &node{kind: keywordNode, text: t.text, kids: []*node{v}}, err
	}
	return p.expression()
}

func (p *parser) index(of *node) (*node, error) {
	var items []*node
	for {
		item, err := p.slice()
		if err != nil {
			return nil, err
		}
		items = append(items, item)
		if !p.take(",") {
			break
		}
	}
	at := items[0]
	if len(items) > 1 {
		at = &node{kind: listNode, kids: items}
	}
	return &node{kind: indexNode, kids: []*node{of, at}}, p.want("]")
}

func (p *parser) slice() (*node, error) {
	parts := []*node{{kind: emptyNode}, {kind: emptyNode}, {kind: emptyNode}}
	colons := 0
	for {
		switch {
		case p.is("]") || p.is(","):
		case p.is(":"):
			p.at++
			if colons++; colons > 2 {
				return nil, errors.New("a slice has three parts")
			}
			continue
		default:
			n, err := p.expression()
			if err != nil {
				return nil, err
			}
			parts[colons] = n
			if p.is(":") {
				continue
			}
		}
		if colons == 0 {
			if parts[0].kind == emptyNode {
				return nil, errors.New("want an index")
			}
			return parts[0], nil
		}
		return &node{kind: sliceNode, kids: parts}, nil
	}
}

func (p *parser) atom() (*node, error) {
	t := p.peek()
	p.at++
	switch t.kind {
	case referenceToken:
		return &node{kind: referenceNode, text: t.text}, nil
	case numberToken:
		return &node{kind: numberNode, text: t.text}, nil
	case textToken:
		return p.texts(t.text)
	case nameToken:
		if keyword(t.text) {
			return nil, fmt.Errorf("%q is not understood here", t.text)
		}
		return &node{kind: nameNode, text: t.text}, nil
	case signToken:
		return p.bracket(t.text)
	}
	p.at--
	return nil, errors.New("the expression ends too early")
}

// texts joins texts that stand side by side, as Python does.
func (p *parser) texts(first string) (*node, error) {
	var b strings.Builder
	b.WriteString(first)
	for p.peek().kind == textToken {
		b.WriteString(p.peek().text)
		p.at++
	}
	return &node{kind: textNode, text: b.String()}, nil
}

func keyword(s string) bool {
	return slices.Contains([]string{
		"if", "else", "for", "in", "is", "not", "and", "or", "lambda", "import", "from", "as", "def", "class", "while",
		"with", "yield", "await", "async", "return", "exec", "global", "nonlocal", "del", "try", "raise", "assert",
	}, s)
}

func (p *parser) bracket(sign string) (*node, error) {
	switch sign {
	case "(":
		if p.take(")") {
			return &node{kind: listNode}, nil
		}
		n, err := p.expressions()
		if err != nil {
			return nil, err
		}
		return n, p.want(")")
	case "[":
		list := &node{kind: listNode}
		for !p.take("]") {
			n, err := p.expression()
			if err != nil {
				return nil, err
			}
			list.kids = append(list.kids, n)
			if !p.is("]") {
				if err := p.want(","); err != nil {
					return nil, err
				}
			}
		}
		return list, nil
	case "{":
		return p.dict()
	}
	return nil, fmt.Errorf("unexpected %q", sign)
}

func (p *parser) dict() (*node, error) {
	n := &node{kind: dictNode}
	for !p.take("}") {
		for i := range 2 {
			kid, err := p.expression()
			if err != nil {
				return nil, err
			}
			n.kids = append(n.kids, kid)
			if i == 0 {
				if err := p.want(":"); err != nil {
					return nil, err
				}
			}
		}
		if !p.is("}") {
			if err := p.want(","); err != nil {
				return nil, err
			}
		}
	}
	return n, nil
}
