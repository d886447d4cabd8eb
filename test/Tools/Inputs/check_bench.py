"""check_bench.py CPU CUDA CHECKPOINT: two reports of rill-bench -o json on the golden toy.

FLOPs do not depend on the device, and bytes but for the padding of packed matrices;
those of a decode step behind 8 rows are counted again from the checkpoint."""
import json
import struct
import sys

cpu, cuda = (json.load(open(path)) for path in sys.argv[1:3])
with open(f"{sys.argv[3]}/model.safetensors", "rb") as file:
    header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
text = {name: tensor for name, tensor in header.items() if "language_model" in name}


def elements(name):
    count = 1
    for size in text[name]["shape"]:
        count *= size
    return count


rows = {row["name"]: row for row in cpu["rows"]}
other = {row["name"]: row for row in cuda["rows"]}
assert set(rows) == set(other) == {"pp4", "tg2 @ 8", "image 4x6"}, set(rows)
for name, row in rows.items():
    assert row["flops"] == other[name]["flops"], (row, other[name])
# Two a weight of a matrix (the tied one is the head), and four a value of the
# queries for each of the 9 or 10 keys that a step behind 8 rows sees.
matrices = sum(elements(n) for n in text if len(text[n]["shape"]) == 2 and "conv.conv" not in n)
queries = sum(text[n]["shape"][0] for n in text if n.endswith("q_proj.weight"))
due = 2 * matrices + 4 * queries * 9.5
assert rows["tg2 @ 8"]["flops"] == due, (rows["tg2 @ 8"]["flops"], due)
weights = sum(t["data_offsets"][1] - t["data_offsets"][0] for t in text.values())
assert weights < rows["tg2 @ 8"]["bytes"] < 1.2 * weights, (weights, rows["tg2 @ 8"])
# CUDA's matrices are padded to 8 rows and 32 columns; a row of the embedding, too.
padding = 2 * (32 - text["model.language_model.embed_tokens.weight"]["shape"][1])
for name in text:
    shape = text[name]["shape"]
    if len(shape) == 2 and "conv.conv" not in name:
        padding += 2 * (-(-shape[0] // 8) * 8 * (-(-shape[1] // 32) * 32) - shape[0] * shape[1])
more = other["tg2 @ 8"]["bytes"] - rows["tg2 @ 8"]["bytes"]
assert padding > 0 and more == padding, (more, padding)
for report in (cpu, cuda):
    assert report["read_bytes_per_second"] > 0 and report["compute_flop_per_second"] > 0
    for row in report["rows"]:
        assert row["p50"] <= row["p90"] <= row["p99"] and row["dispatches"] > 0
print(f"bench: {len(rows)} tests agree")
