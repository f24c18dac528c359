package convert

import (
	"slices"

	"github.com/gomlx/gomlx/core/graph"
)

// opDet is the determinant of square matrices, expanded along the rows: sound for every matrix, and small
// for the sizes that networks use.
func opDet(c *call) []*value {
	x := c.x(0)
	s := dims(x)
	n := s[len(s)-1]
	if len(s) < 2 || s[len(s)-2] != n {
		fail("want square matrices, got shape %v", s)
	}
	if n > maxDet {
		refuse("determinants of more than %d rows are not supported", maxDet)
	}
	batch := slices.Clone(s[:len(s)-2])
	entry := func(i, j int) *graph.Node {
		y := cut(cut(x, len(s)-2, i, i+1, 1), len(s)-1, j, j+1, 1)
		return reshape(y, batch...)
	}
	// minors[set] is the determinant of the last rows in the columns of the set.
	minors := map[int]*graph.Node{0: broadcast(scalar(x, 1), batch)}
	for rows := 1; rows <= n; rows++ {
		next := map[int]*graph.Node{}
		for set := range 1 << n {
			minor := minors[set]
			for j := range n {
				if minor == nil || set>>j&1 == 1 {
					continue
				}
				term := graph.Mul(entry(n-rows, j), minor)
				// The sign counts the columns of the set left of j.
				if left := set & (1<<j - 1); odd(left) {
					term = graph.Neg(term)
				}
				if old := next[set|1<<j]; old != nil {
					term = graph.Add(old, term)
				}
				next[set|1<<j] = term
			}
		}
		minors = next
	}
	return c.out(minors[1<<n-1])
}

// maxDet bounds the rows of a determinant.
const maxDet = 8

// odd says whether an odd number of bits is set.
func odd(set int) bool {
	n := 0
	for ; set != 0; set &= set - 1 {
		n++
	}
	return n%2 == 1
}
