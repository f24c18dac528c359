// Package plan decides when each node of a graph is computed and where each value lies, before anything runs.
//
// Values live in one arena, at offsets that only values with disjoint lives share, in memory of the caller's for inputs
// and outputs, or with the constants. Where memory is bounded, values are computed a second time rather than kept.
package plan

import (
	"fmt"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
)

// Options say how a graph is planned.
type Options struct {
	// Threads is how many threads a kernel's scratch memory is for.
	Threads int
	// Memory is how many bytes the run may take: arena, parameters, constants and outputs. 0 sets no bound.
	Memory int64
}

// Space is whose memory a value lies in.
type Space uint8

// The spaces.
const (
	Arena     Space = iota // shared by values with disjoint lives
	Constant               // Plan.Constants[Index]
	Parameter              // the graph's parameter Index
	Output                 // the graph's output Index
)

// Place is where a value lies.
type Place struct {
	Space  Space
	Index  int   // of the constant, parameter or output
	Offset int64 // in the arena
	Size   int64 // bytes
}

// Step computes the outputs of a node.
type Step struct {
	Node      *ir.Node
	Ins, Outs []Place
	Scratch   Place
	Again     bool // computes values that an earlier step computed too
}

// Result says where an output of the graph is found after the last step.
type Result struct {
	Place Place // its own memory, or what is to be copied there
	Reuse int   // the parameter whose memory the output takes if it is donated, -1 for none
}

// Life is a stretch of the arena and the steps, first and last, between which it holds something.
type Life struct {
	Place    Place
	From, To int
}

// Plan is a graph ready to run.
type Plan struct {
	Steps     []Step
	Constants []*ir.Node
	Results   []Result
	Lives     []Life
	Memory    Memory
}

// Memory is what a run takes, in bytes.
type Memory struct {
	Arena      int64
	Parameters int64
	Constants  int64
	Outputs    int64 // those that do not take a donated parameter's memory
	Recomputed int   // how many steps compute again what was not kept
}

// Total is the sum.
func (m Memory) Total() int64 { return m.Arena + m.Parameters + m.Constants + m.Outputs }

// MemoryError tells that a graph cannot be run within its bound.
type MemoryError struct {
	Need, Have int64 // bytes
}

func (e *MemoryError) Error() string {
	return fmt.Sprintf("memory: need %.2f GB, have %.2f GB", float64(e.Need)/1e9, float64(e.Have)/1e9)
}

// Needs returns the least memory that the graph can run in, in bytes.
func (e *MemoryError) Needs() int64 { return e.Need }

// Hint says what to do.
func (e *MemoryError) Hint() string { return "smaller patches or a smaller batch need less" }

// Make plans a graph.
func Make(g *ir.Graph, o Options) (*Plan, error) {
	p, err := build(g, o.Threads)
	if err != nil {
		return nil, err
	}
	p.order()
	whole := p.layout()
	if o.Memory == 0 || whole.Memory.Total() <= o.Memory {
		return whole, nil
	}
	return p.within(o.Memory, whole)
}
