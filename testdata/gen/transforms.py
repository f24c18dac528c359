#!/usr/bin/env python3
"""Transform files as SimpleITK writes them, and where they take points: testdata/ref/transforms.

    python testdata/gen/transforms.py testdata/ref/transforms

Made with SimpleITK 2.5.7. points.json holds, for each file, world points in LPS mm and their images; each .tfm has a .mat
beside it where ITK writes one.
"""
import json
import sys

import SimpleITK as sitk

out = sys.argv[1]
points = [(0, 0, 0), (10, -20, 30), (-55.5, 7.25, 91), (100, 100, -100)]
made = {}
t = sitk.AffineTransform(3)
t.SetMatrix([1.1, .02, -.03, .1, .95, .07, -.05, .01, 1.02])
t.SetTranslation([3, -7.5, 12])
t.SetCenter([5, 6, -7])
made["affine"] = t
t = sitk.Euler3DTransform((5, 6, -7), .1, -.2, .3, (1, 2, 3))
made["euler"] = t
t = sitk.Euler3DTransform((5, 6, -7), .1, -.2, .3, (1, 2, 3))
t.SetComputeZYX(True)
made["euler_zyx"] = t
made["versor"] = sitk.VersorRigid3DTransform((.1, .2, -.15, .95), (4, 5, 6), (1, -2, 3))
made["similarity"] = sitk.Similarity3DTransform(1.2, (.1, .2, -.15, .95), (4, 5, 6), (1, -2, 3))
made["scale"] = sitk.ScaleTransform(3, (1.1, .9, 1.05))
made["translation"] = sitk.TranslationTransform(3, (1, -2, 3.5))
made["identity"] = sitk.Transform(3, sitk.sitkIdentity)
made["composite"] = sitk.CompositeTransform([made["affine"], made["versor"], made["translation"]])
answers = {}
for name, t in made.items():
    for ext in [".tfm", ".mat"]:
        if ext == ".mat" and name in ("composite", "identity", "euler_zyx", "scale", "translation"):
            continue
        sitk.WriteTransform(t, f"{out}/{name}{ext}")
        answers[name + ext] = [{"from": p, "to": t.TransformPoint(p)} for p in points]
json.dump(answers, open(out + "/points.json", "w"), indent=0)
