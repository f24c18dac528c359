package convert

// window is how a kernel slides over the spatial axes of a convolution or a pooling, one entry an axis.
type window struct {
	kernel, stride, dilation []int
	pads                     [][2]int
}

// extent returns the length that the dilated kernel covers along axis i.
func (w *window) extent(i int) int { return (w.kernel[i]-1)*w.dilation[i] + 1 }

// out returns the number of window positions along axis i of an input of size in.
func (w *window) out(i, in int) int {
	return floorDiv(in+w.pads[i][0]+w.pads[i][1]-w.extent(i), w.stride[i]) + 1
}

// mustFit fails where an axis of an input of the given spatial sizes is too short for the window.
func (w *window) mustFit(in []int) {
	for i, n := range in {
		if w.out(i, n) < 1 {
			fail("a window of %d (dilation %d, pads %v) does not fit into axis %d of size %d", w.kernel[i], w.dilation[i], w.pads[i], i, n)
		}
	}
}

// floorDiv divides and rounds down.
func floorDiv(a, b int) int {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// ceilDiv divides and rounds up.
func ceilDiv(a, b int) int { return -floorDiv(-a, b) }

// maxWindow bounds the sizes, strides and paddings of windows.
const maxWindow = 1 << 20

// window reads strides, dilations, pads and auto_pad for a kernel over the spatial sizes in.
func (c *call) window(kernel, in []int) *window {
	d := len(in)
	if len(kernel) != d {
		fail("a kernel of %d axes does not fit an input of %d spatial axes", len(kernel), d)
	}
	for _, k := range kernel {
		if k < 1 || k > maxWindow {
			fail("kernel: want numbers from 1 to %d, got %v", maxWindow, kernel)
		}
	}
	w := &window{kernel: kernel, stride: c.perAxis("strides", d), dilation: c.perAxis("dilations", d), pads: make([][2]int, d)}
	switch mode := c.stringAttr("auto_pad", "NOTSET"); mode {
	case "NOTSET", "":
		w.pads = c.padsAttr(d)
	case "VALID":
	case "SAME_UPPER", "SAME_LOWER":
		for i, n := range in {
			total := max(0, (ceilDiv(n, w.stride[i])-1)*w.stride[i]+w.extent(i)-n)
			w.pads[i] = split(total, mode)
		}
	default:
		refuse("auto_pad %q is unknown", mode)
	}
	return w
}

// split shares a padding out: the odd one goes to the end with SAME_UPPER.
func split(total int, mode string) [2]int {
	small, large := total/2, total-total/2
	if mode == "SAME_LOWER" {
		return [2]int{large, small}
	}
	return [2]int{small, large}
}

// perAxis returns a list attribute of d positive numbers, all ones when it is not there.
func (c *call) perAxis(name string, d int) []int {
	list := c.intsAttr(name)
	if len(list) == 0 {
		list = make([]int, d)
		for i := range list {
			list[i] = 1
		}
	}
	if len(list) != d {
		fail("%s: want %d numbers, got %d", name, d, len(list))
	}
	for _, v := range list {
		if v < 1 || v > maxWindow {
			fail("%s: want numbers from 1 to %d, got %v", name, maxWindow, list)
		}
	}
	return list
}

// padsAttr returns the pads attribute, begins and ends paired by axis.
func (c *call) padsAttr(d int) [][2]int {
	pads := make([][2]int, d)
	list := c.intsAttr("pads")
	if len(list) == 0 {
		return pads
	}
	if len(list) != 2*d {
		fail("pads: want %d numbers, got %d", 2*d, len(list))
	}
	for i := range pads {
		pads[i] = [2]int{list[i], list[d+i]}
		if min(list[i], list[d+i]) < -maxWindow || max(list[i], list[d+i]) > maxWindow {
			fail("pads: want numbers within %d, got %v", maxWindow, list)
		}
	}
	return pads
}
