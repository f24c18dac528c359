package predict

// samples makes an image's samples from a channel of the output in place, and tells what 0 becomes. It reports
// false where the output is no number and the Spec does not say what that becomes.
func (d Decode) samples(block []float32, channel int) (zero float32, ok bool) {
	scale, offset := d.linear(channel)
	for i, v := range block {
		switch {
		case v == v:
			block[i] = float32(float64(v)*scale + offset)
		case d.NaN == nil:
			return 0, false
		default:
			block[i] = float32(*d.NaN)
		}
	}
	return float32(offset), true
}
