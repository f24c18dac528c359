package plan

// within plans the program for so many bytes.
func (p *program) within(bytes int64, whole *Plan) (*Plan, error) {
	return nil, &MemoryError{whole.Memory.Total(), bytes}
}
