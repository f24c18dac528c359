"""Writes ../../schemas.tsv.gz: one line per operator version of the ONNX standard.

Columns: domain, operator, since opset, min and max inputs, min and max outputs (-1: no limit), 1 if deprecated, and
the attributes as name:type, type being the number of AttributeProto.AttributeType, with ! behind required ones.
Made with Python 3.11 and onnx 1.23.2:  python schemas.py
"""
import gzip
import pathlib

from onnx import defs

rows = []
for s in defs.get_all_schemas_with_history():
    unlimited = 2**31 - 1
    count = lambda n: "-1" if n >= unlimited else str(n)
    attrs = ",".join(
        f"{name}:{int(a.type.value)}{'!' if a.required else ''}" for name, a in sorted(s.attributes.items())
    )
    rows.append([s.domain, s.name, str(s.since_version), count(s.min_input), count(s.max_input),
                 count(s.min_output), count(s.max_output), "1" if s.deprecated else "0", attrs])
rows.sort(key=lambda r: (r[0], r[1], int(r[2])))
text = "".join("\t".join(r) + "\n" for r in rows)
out = pathlib.Path(__file__).parent.parent.parent / "schemas.tsv.gz"
out.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
print(len(rows), "schemas,", out.stat().st_size, "bytes")
