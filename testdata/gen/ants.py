#!/usr/bin/env python3
"""What ANTs finds between two real scans: testdata/ref/transforms/ants_{affine,rigid}.mat.

    python testdata/gen/ants.py SHARED testdata/ref/transforms

Made with antspyx 0.6.3 (random_seed 1); the scans are of the shared material.
"""
import shutil
import sys
import tempfile

import ants
import nibabel as nib
import numpy as np

shared, out = sys.argv[1:]
im = nib.load(shared + "/real/data/brain/fs_norm.mgz")
path = tempfile.mkdtemp() + "/fs.nii.gz"
nib.save(nib.Nifti1Image(np.asarray(im.dataobj).astype(np.float32), im.affine), path)
fixed, moving = ants.image_read(shared + "/imaging/nifti/mni152_t1_1mm_u8.nii.gz"), ants.image_read(path)
for kind in ["Affine", "Rigid"]:
    found = ants.registration(fixed, moving, type_of_transform=kind, random_seed=1)
    shutil.copy(found["fwdtransforms"][0], f"{out}/ants_{kind.lower()}.mat")
