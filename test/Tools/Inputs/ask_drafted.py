"""ask_drafted.py MODEL DEMO: the demo's stored questions with drafts of several
widths, with and without; every answer has the stored tokens."""
import json
import re
import subprocess
import sys

model, demo = sys.argv[1:]
with open(demo + "/questions.json", encoding="utf-8") as file:
    entries = json.load(file)
WAYS = {"default": [], "none": ["--spec-type", "none"], "narrow": ["--spec-draft-n-max", "3"],
        "sglang": ["--speculative-algorithm", "DFLASH", "--speculative-num-draft-tokens", "2"],
        "least": ["--spec-draft-n-min", "7"]}
lengths = []
for entry in entries:
    for name, flags in WAYS.items():
        done = subprocess.run(
            ["rill-run", "-m", model, "--image", f"{demo}/{entry['image']}", "-p",
             entry["question"], "-n", "32", "--tokens", "--stats", *flags],
            check=True, capture_output=True, text=True)
        ids = [int(t) for t in re.search(r"^tokens:(.*)$", done.stdout, re.M)[1].split()]
        assert ids == [t for t in entry["tokens"] if t != 7], (name, entry, ids)
        drafted = re.search(r"accepted (\d+) in (\d+) verifies", done.stderr)
        assert bool(drafted) == (name != "none"), (name, done.stderr)
        if name == "default":
            lengths.append((int(drafted[1]) + int(drafted[2])) / int(drafted[2]))
print(f"{len(entries)} questions, {len(WAYS)} ways: the stored tokens; mean length above 2: "
      f"{sum(lengths) / len(lengths) > 2}")
