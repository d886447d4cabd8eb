"""Asks rill-run every question of a folder made by demo_reference.py and
compares answers and greedy tokens. Run by tools/dev/verify demo."""

import argparse
import json
import os
import re
import subprocess
import sys


def ask(args, entry):
    """What rill-run prints for one question, and the token ids it reports."""
    done = subprocess.run(
        [args.run, "-m", args.model, "--image", os.path.join(args.pictures, entry["image"]),
         "-p", entry["question"], "-n", "32", "--tokens"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"verify demo: rill-run failed on {entry['image']}:\n{done.stderr}")
    tokens = re.search(r"^tokens:\s*([\d ,]*)$", done.stdout + "\n" + done.stderr, re.M)
    if not tokens:
        sys.exit(f"verify demo: rill-run --tokens printed no 'tokens:' line:\n{done.stdout}")
    text = re.sub(r"^tokens:.*$", "", done.stdout, flags=re.M).strip()
    return text, [int(t) for t in re.findall(r"\d+", tokens.group(1))]


def main():
    parser = argparse.ArgumentParser()
    for name in ("--run", "--model", "--pictures"):
        parser.add_argument(name, required=True)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with open(os.path.join(args.pictures, "questions.json"), encoding="utf-8") as file:
        entries = json.load(file)
    right, total, same = {}, {}, 0
    for entry in entries:
        text, tokens = ask(args, entry)
        # The end token may or may not be reported.
        official = entry["tokens"]
        same += tokens in (official, official[:-1])
        for key in (entry["kind"], "all"):
            total[key] = total.get(key, 0) + 1
            right[key] = right.get(key, 0) + (text == entry["answer"])
        if text != entry["answer"] or tokens not in (official, official[:-1]):
            print(f"  {entry['image']} {entry['question']!r}: {text!r}, right is "
                  f"{entry['answer']!r}, official {entry['official']!r}")
    holds = same == len(entries) and right["all"] >= 0.95 * total["all"]
    for key in sorted(total):
        print(f"{key:10} {right[key]}/{total[key]} {100 * right[key] / total[key]:.1f} %")
        holds = holds and right[key] >= 0.90 * total[key]
    print(f"tokens equal to the official classes': {same}/{len(entries)}")
    print(f"demo --seed {args.seed}: {'holds' if holds else 'DOES NOT HOLD'}")
    sys.exit(0 if holds else 7)


if __name__ == "__main__":
    main()
