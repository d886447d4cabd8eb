"""check_trace.py TRACE DEVICE TOKENS: a Chrome trace of one answer of rill-run.

Rows and processes are named; every dispatch lies within a call of a method and
after the one before it; TOKENS token ranges follow each other."""
import json
import sys

path, device, tokens = sys.argv[1], sys.argv[2], int(sys.argv[3])
events = json.load(open(path))["traceEvents"]
names = {(e["name"], e["pid"], e["tid"]): e["args"]["name"] for e in events if e["ph"] == "M"}
processes = {pid: name for (kind, pid, _), name in names.items() if kind == "process_name"}
assert processes == {1: "host", 2: device}, processes
rows = {}
for event in (e for e in events if e["ph"] == "X"):
    assert event["dur"] >= 0 and event["ts"] >= 0
    row = names["thread_name", event["pid"], event["tid"]]
    rows.setdefault(row, []).append(event)
assert set(rows) == {"load", "tokens", "methods", "dispatches"}, set(rows)
slack = 1e-3
for row in ("tokens", "methods", "dispatches"):
    for one, next_one in zip(rows[row], rows[row][1:]):
        assert next_one["ts"] >= one["ts"] + one["dur"] - slack, (one, next_one)
for event in rows["dispatches"]:
    begin, end = event["ts"], event["ts"] + event["dur"]
    assert any(m["ts"] - slack <= begin and end <= m["ts"] + m["dur"] + slack
               for m in rows["methods"]), event
    assert set(event["args"]) == {"kernel", "tiles", "bytes", "activation_bytes", "flops"}
assert len(rows["tokens"]) == tokens, rows["tokens"]
layers = {e["name"] for e in rows["dispatches"]}
assert "model.language_model.layers.0.conv" in layers, layers
methods = sorted({e["name"] for e in rows["methods"]})
print(f"trace holds: {', '.join(methods)}")
