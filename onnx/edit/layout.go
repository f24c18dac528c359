package edit

// layout says where a value has its classes: on axis at of rank, whose size is before x classes x after
// (before outermost), as in front of a split into halves or of a DepthToSpace.
type layout struct{ at, rank, before, after int }

func (l layout) size(classes int) int { return l.before * classes * l.after }

// on returns the layout with the axis elsewhere.
func (l layout) on(at, rank int) layout { return layout{at, rank, l.before, l.after} }

// sources returns, for each new place of the axis, the old one to copy from, -1 for none.
func (l layout) sources(was, now int, from map[int]int) []int {
	out := make([]int, 0, l.size(now))
	for b := range l.before {
		for c := range now {
			old, ok := from[c]
			for a := range l.after {
				if ok {
					out = append(out, (b*was+old)*l.after+a)
				} else {
					out = append(out, -1)
				}
			}
		}
	}
	return out
}
