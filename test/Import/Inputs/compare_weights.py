"""compare_weights.py CHECKPOINT MODEL.rill SCRATCH: every embedded weight is the checkpoint's, byte for byte."""
import json
import pathlib
import struct
import subprocess
import sys

checkpoint, artifact, scratch = sys.argv[1:4]
raw = pathlib.Path(checkpoint, "model.safetensors").read_bytes()
size = struct.unpack("<Q", raw[:8])[0]
header, data = json.loads(raw[8:8 + size]), raw[8 + size:]
manifest = json.loads(subprocess.run(["rill-inspect", artifact, "--manifest"], check=True,
                                     capture_output=True).stdout)
sections, equal = {}, 0
for weight in manifest["weights"]:
    name = weight.get("from")
    if name not in header:
        continue  # a generated table
    section = weight["section"]
    if section not in sections:
        out = pathlib.Path(scratch, f"section{section}")
        subprocess.run(["rill-inspect", artifact, "--extract", str(section), "-o", out], check=True)
        sections[section] = out.read_bytes()
    begin, end = header[name]["data_offsets"]
    stored = sections[section][weight["offset"]:weight["offset"] + end - begin]
    if stored != data[begin:end]:
        sys.exit(f"{name} differs")
    equal += 1
print(f"{equal} of {len(header) - ('__metadata__' in header)} tensors equal")
