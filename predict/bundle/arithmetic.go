package bundle

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
)

func (r *resolver) binary(n *node) (any, error) {
	a, err := r.evaluate(n.kids[0])
	if err != nil {
		return nil, err
	}
	if n.text == "and" || n.text == "or" {
		is, known := truth(a)
		if !known {
			return nil, fmt.Errorf("whether %s holds is not known", describe(a))
		}
		if is == (n.text == "or") {
			return a, nil
		}
		return r.evaluate(n.kids[1])
	}
	b, err := r.evaluate(n.kids[1])
	if err != nil {
		return nil, err
	}
	switch n.text {
	case "==", "!=", "<", "<=", ">", ">=":
		return compare(n.text, a, b)
	case "is", "is not":
		if b == nil {
			return (a == nil) == (n.text == "is"), nil
		}
	case "+", "-", "*", "/", "//", "%":
		return r.arithmetic(n.text, a, b)
	}
	return nil, fmt.Errorf("operator %s is not understood", n.text)
}

func compare(op string, a, b any) (any, error) {
	var c int
	x, xn := float(a)
	y, yn := float(b)
	s, sn := a.(string)
	t, tn := b.(string)
	switch {
	case xn && yn:
		switch {
		case x < y:
			c = -1
		case x > y:
			c = 1
		}
	case sn && tn:
		c = strings.Compare(s, t)
	case a == nil || b == nil || sn != tn && (xn || yn):
		same := a == nil && b == nil
		if op == "==" || op == "!=" {
			return same == (op == "=="), nil
		}
		fallthrough
	default:
		return nil, fmt.Errorf("%s between %s and %s is not understood", op, kindOf(a), kindOf(b))
	}
	switch op {
	case "==":
		return c == 0, nil
	case "!=":
		return c != 0, nil
	case "<":
		return c < 0, nil
	case "<=":
		return c <= 0, nil
	case ">":
		return c > 0, nil
	}
	return c >= 0, nil
}

// float returns a number's or truth value's value, as Python counts with them.
func float(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

func (r *resolver) arithmetic(op string, a, b any) (any, error) {
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok && op == "+" {
			return x + y, r.budget.text(x + y)
		}
	case []any:
		switch y := b.(type) {
		case []any:
			if op == "+" {
				return r.repeat(append(append([]any{}, x...), y...), 1)
			}
		case int64:
			if op == "*" {
				return r.repeat(x, y)
			}
		}
	case int64:
		if y, ok := b.([]any); ok && op == "*" {
			return r.repeat(y, x)
		}
		if y, ok := b.(int64); ok && op != "/" {
			return whole(op, x, y)
		}
	}
	x, xn := float(a)
	y, yn := float(b)
	if !xn || !yn {
		return nil, fmt.Errorf("%s %s %s is not understood", kindOf(a), op, kindOf(b))
	}
	return real(op, x, y)
}

// repeat returns a list several times over, within the budget.
func (r *resolver) repeat(list []any, times int64) (any, error) {
	if times <= 0 || len(list) == 0 {
		return []any{}, nil
	}
	if times > int64(r.budget.nodes/len(list)) {
		return nil, errBudget
	}
	r.budget.nodes -= len(list) * int(times)
	out := make([]any, 0, len(list)*int(times))
	for range times {
		out = append(out, list...)
	}
	return out, nil
}

// whole computes with whole numbers; results beyond 64 bits are errors.
func whole(op string, a, b int64) (any, error) {
	x, y, z := big.NewInt(a), big.NewInt(b), new(big.Int)
	switch op {
	case "+":
		z.Add(x, y)
	case "-":
		z.Sub(x, y)
	case "*":
		z.Mul(x, y)
	case "//", "%":
		if b == 0 {
			return nil, errors.New("division by zero")
		}
		q, m := new(big.Int).DivMod(x, y, new(big.Int)) // Euclidean: m is never negative
		if b < 0 && m.Sign() > 0 {                      // Python's m has the sign of b
			q.Sub(q, big.NewInt(1))
			m.Add(m, y)
		}
		z = q
		if op == "%" {
			z = m
		}
	}
	if !z.IsInt64() {
		return nil, errors.New("a number beyond 64 bits")
	}
	return z.Int64(), nil
}

func real(op string, a, b float64) (any, error) {
	var z float64
	switch op {
	case "+":
		z = a + b
	case "-":
		z = a - b
	case "*":
		z = a * b
	default:
		if b == 0 {
			return nil, errors.New("division by zero")
		}
		switch op {
		case "/":
			z = a / b
		case "//":
			z = math.Floor(a / b)
		default:
			z = a - b*math.Floor(a/b)
		}
	}
	if math.IsInf(z, 0) || math.IsNaN(z) {
		return nil, errors.New("a number beyond all bounds")
	}
	return z, nil
}
