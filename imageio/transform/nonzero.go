package transform

import "github.com/nitrain/nitrain/imageio"

// NonzeroMask tells for each voxel whether it is not zero in some channel or lies in a hole between such voxels:
// nnU-Net's create_nonzero_mask.
func NonzeroMask(im *imageio.Image) []bool { return filledNonzero(im) }
