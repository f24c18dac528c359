#!/usr/bin/env python3
"""SimpleITK's N4 fields of two real scans: testdata/ref/n4.json.

    python testdata/gen/n4.py SHARED > testdata/ref/n4.json

Made with SimpleITK 2.5.7. For each scan and mask the logarithm of the field at every 16th voxel along each axis, in C order.
"""
import json
import sys

import nibabel as nib
import numpy as np
import SimpleITK as sitk

scans = {"fs_norm": "real/data/brain/fs_norm.mgz", "stroke_T1": "imaging/nifti/stroke_T1_u8.nii.gz"}
out = []
for name, path in scans.items():
    im = nib.load(sys.argv[1] + "/" + path)
    a = np.asarray(im.dataobj).astype(np.float32)
    s = sitk.GetImageFromArray(a.transpose(2, 1, 0))
    s.SetSpacing(np.linalg.norm(im.affine[:3, :3], axis=0).tolist())
    for kind, mask in [("otsu", sitk.OtsuThreshold(s, 0, 1, 200)), ("positive", sitk.Cast(s > 0, sitk.sitkUInt8))]:
        f = sitk.N4BiasFieldCorrectionImageFilter()
        f.Execute(sitk.Shrink(s, [4, 4, 4]), sitk.Shrink(mask, [4, 4, 4]))
        field = sitk.GetArrayFromImage(f.GetLogBiasFieldAsImage(s)).transpose(2, 1, 0)[::16, ::16, ::16]
        out.append({"scan": name, "mask": kind, "shape": field.shape, "field": [round(float(v), 5) for v in field.ravel()]})
json.dump(out, sys.stdout)
