package convert

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/distributed"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
)

// A step on several devices is one graph over the whole batch whose inputs of the batch are divided along axis 0 and
// whose parameters every device has whole. XLA divides the work and adds what must be added, gradients and the sums of
// BatchNormalization among it: the result is that of the whole batch on one device, up to the order of sums.

// meshAxis is the one axis of the mesh.
const meshAxis = "batch"

// sharding returns where a port's parts are; nil without a mesh.
func (p port) sharding(mesh *distributed.DeviceMesh) *distributed.ShardingSpec {
	switch {
	case mesh == nil:
		return nil
	case p.divided:
		return &distributed.ShardingSpec{Mesh: mesh, Axes: []distributed.AxisSpec{{meshAxis}}}
	}
	return distributed.NewReplicatedShardingSpec(mesh)
}

// divide marks the ports of the batch that can be divided, and returns the mesh, nil when nothing can: then one device
// computes alone.
func (s *stepper) divide(k kind, ports []port, batch map[string]bool) (*distributed.DeviceMesh, error) {
	n := s.backend.devices
	if n < 2 {
		return nil, nil
	}
	some := k == kindApply
	for i, p := range ports {
		if batch[p.name] && p.shape.Rank() > 0 && p.shape.Dimensions[0]%n == 0 {
			ports[i].divided, some = true, true
		}
	}
	if !some {
		return nil, nil
	}
	return distributed.NewDeviceMesh([]int{n}, []string{meshAxis})
}

// replicas are the copies of a tensor on the devices after the first.
type replicas struct {
	of   *tensors.Tensor
	rest []*tensors.Tensor
}

// spread gives each device its inputs: parts of what is divided, copies of the rest. The copies of what lives between
// steps are kept and made anew when the first device's tensor is another one. own is the caller's to free.
func (s *stepper) spread(p *program, feed map[string]*tensors.Tensor) (in []map[string]*tensors.Tensor, own []*tensors.Tensor, err error) {
	defer recoverTo(&err)
	n := p.devices()
	for range n {
		in = append(in, make(map[string]*tensors.Tensor, len(p.inputs)))
	}
	for _, key := range p.inputs {
		t := feed[key]
		if t == nil {
			return nil, own, fmt.Errorf("convert: input %q is missing", key)
		}
		if p.divided[key] {
			for i, part := range s.parts(t, n) {
				in[i][key] = part
				own = append(own, part)
			}
			continue
		}
		in[0][key] = t
		if s.device[key] != t {
			for i, c := range s.copies(t, n) {
				in[i+1][key] = c
				own = append(own, c)
			}
			continue
		}
		if s.replicas[key].of != t {
			free(s.replicas[key].rest...)
			s.replicas[key] = replicas{t, s.copies(t, n)}
		}
		for i, c := range s.replicas[key].rest {
			in[i+1][key] = c
		}
	}
	return in, own, nil
}

// copies returns copies of t for the devices after the first.
func (s *stepper) copies(t *tensors.Tensor, n int) []*tensors.Tensor {
	var list []*tensors.Tensor
	err := t.ConstBytes(func(data []byte) {
		for d := 1; d < n; d++ {
			list = append(list, s.place(d, t.Shape(), data))
		}
	})
	if err != nil {
		panic(err)
	}
	return list
}

// parts divides t along axis 0 among the devices.
func (s *stepper) parts(t *tensors.Tensor, n int) []*tensors.Tensor {
	shape := t.Shape().Clone()
	shape.Dimensions[0] /= n
	var list []*tensors.Tensor
	err := t.ConstBytes(func(data []byte) {
		size := len(data) / n
		for d := range n {
			list = append(list, s.place(d, shape, data[d*size:(d+1)*size]))
		}
	})
	if err != nil {
		panic(err)
	}
	return list
}

// place puts values on a device.
func (s *stepper) place(device int, shape shapes.Shape, data []byte) *tensors.Tensor {
	t, err := tensors.FromRaw(s.backend.compute, compute.DeviceNum(device), shape, data)
	if err != nil {
		panic(err)
	}
	return t
}

// settle keeps the other devices' outputs beside the first's, which are stored already, and frees the rest.
func (s *stepper) settle(out []map[string]*tensors.Tensor, donated map[string]bool) {
	for key, t := range out[0] {
		var rest []*tensors.Tensor
		for _, o := range out[1:] {
			rest = append(rest, o[key])
		}
		if donated[key] {
			s.replicas[key] = replicas{t, rest} // the former ones gave their memory up
		} else {
			free(rest...)
		}
	}
}

// dropReplicas frees the copies on the other devices.
func (s *stepper) dropReplicas() {
	for key, r := range s.replicas {
		free(r.rest...)
		delete(s.replicas, key)
	}
}
