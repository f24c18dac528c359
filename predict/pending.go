package predict

// pending reports the first key of a Spec that is understood and not carried out.
func (s *Spec) pending() error {
	key := ""
	switch {
	case s.Task == Regression || s.Task == ImageToImage:
		key = "task " + string(s.Task)
	case s.Input.Cascade():
		key = "input.channels.value"
	case s.Decode.RestoreRule != RestoreCentres:
		key = "decode.restore_rule"
	case s.Tile != nil && s.Tile.SkipBelow != nil:
		key = "tile.skip_below"
	}
	for i, c := range s.picks() {
		if c.channel != i && key == "" {
			key = "labels.channel in another order than the labels"
		}
	}
	if key == "" {
		return nil
	}
	return &MismatchError{What: "its " + key + " cannot be carried out"}
}
