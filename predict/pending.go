package predict

// pending reports the first key of a Spec that is understood and not carried out.
func (s *Spec) pending() error {
	key := ""
	switch {
	case s.Decode.RestoreRule != RestoreCentres:
		key = "decode.restore_rule"
	case s.Tile != nil && s.Tile.SkipBelow != nil:
		key = "tile.skip_below"
	}
	for i, c := range s.picks() {
		if c.channel != i && key == "" && s.Task == Segmentation {
			key = "labels.channel in another order than the labels"
		}
	}
	if key == "" {
		return nil
	}
	return &UnsupportedError{What: key}
}
