package cpu

import (
	"fmt"
	"strconv"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"

	"github.com/nitrain/nitrain/convert/internal/engine/ir"
)

// fallback is a graph of one operation for the interpreter.
type fallback struct {
	interpreter compute.Backend
	inner       compute.Executable
	ins         []shapes.Shape
	node        *ir.Node
}

// newFallback compiles the graph of a node's operation.
func (b *Backend) newFallback(n *ir.Node) (f *fallback, err error) {
	defer trap(&err)
	if n.Op >= ir.Kernel {
		return nil, fmt.Errorf("cpu: node %d: want an operation of GoMLX, got %d", n.ID, n.Op)
	}
	f = &fallback{interpreter: b.interpreter, node: n}
	builder := b.interpreter.Builder(n.Op.Of().String())
	main := builder.Main()
	in := make([]compute.Value, len(n.Inputs))
	for i, x := range n.Inputs {
		f.ins = append(f.ins, x.Shape)
		if in[i], err = main.Parameter(strconv.Itoa(i), x.Shape, nil); err != nil {
			return nil, err
		}
	}
	out, err := emit(main, n, in)
	if err != nil {
		return nil, err
	}
	if err := main.Return(out, nil); err != nil {
		return nil, err
	}
	f.inner, err = builder.Compile()
	return f, err
}

// run computes the operation on copies of its inputs. What panics in the interpreter is returned.
func (f *fallback) run(outs, ins [][]byte) (err error) {
	defer trap(&err)
	inner := make([]compute.Buffer, len(ins))
	donate := make([]bool, len(ins))
	for i, shape := range f.ins {
		buf, flat, err := f.interpreter.NewSharedBuffer(0, shape)
		if err != nil {
			return err
		}
		copy(bytesOf(flat), ins[i])
		inner[i], donate[i] = buf, true
	}
	results, err := f.inner.Execute(inner, donate, 0)
	if err != nil {
		return err
	}
	for i, r := range results {
		flat, err := r.Data()
		if err != nil {
			return err
		}
		from := bytesOf(flat)
		if len(from) != len(outs[i]) {
			return fmt.Errorf("output %d: want %d bytes, got %d", i, len(outs[i]), len(from))
		}
		copy(outs[i], from)
		_ = r.Finalize() // its memory is Go's
	}
	return nil
}
