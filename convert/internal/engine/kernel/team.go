package kernel

// Team is a fixed number of threads that share the work of one operation at a time.
type Team struct{}
