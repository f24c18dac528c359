package convert

import (
	"errors"
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
		list := s.replicas[key].rest
		switch kept := s.device[key] == t; {
		case p.divided[key]:
			list, err = s.parts(t, n)
			own = append(own, list...)
		case !kept:
			list, err = s.copies(t, n)
			own = append(own, list...)
		case s.replicas[key].of != t:
			free(list...)
			list, err = s.copies(t, n)
			s.replicas[key] = replicas{t, list}
		}
		if err != nil {
			return nil, own, err
		}
		for i, c := range list {
			in[n-len(list)+i][key] = c
		}
		if !p.divided[key] {
			in[0][key] = t
		}
	}
	return in, own, nil
}

// copies returns copies of t for the devices after the first.
func (s *stepper) copies(t *tensors.Tensor, n int) ([]*tensors.Tensor, error) {
	return s.place(t, t.Shape(), 1, n, func(data []byte, _ int) []byte { return data })
}

// parts divides t along axis 0 among the devices.
func (s *stepper) parts(t *tensors.Tensor, n int) ([]*tensors.Tensor, error) {
	shape := t.Shape().Clone()
	shape.Dimensions[0] /= n
	return s.place(t, shape, 0, n, func(data []byte, device int) []byte {
		size := len(data) / n
		return data[device*size : (device+1)*size]
	})
}

// place puts what pick chooses of the values of t on the devices from first to end.
func (s *stepper) place(t *tensors.Tensor, shape shapes.Shape, first, end int, pick func(data []byte, device int) []byte) ([]*tensors.Tensor, error) {
	var list []*tensors.Tensor
	var failed error
	err := t.ConstBytes(func(data []byte) {
		for d := first; d < end; d++ {
			var placed *tensors.Tensor
			if placed, failed = tensors.FromRaw(s.backend.compute, compute.DeviceNum(d), shape, pick(data, d)); failed != nil {
				return
			}
			list = append(list, placed)
		}
	})
	if err = errors.Join(err, failed); err != nil {
		free(list...)
		return nil, err
	}
	return list, nil
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
