#!/usr/bin/env python3
"""H6: rill-bench at the 450M geometry against its own ceilings.

Each of the rounds is one process with its ceilings; the figures are medians over
all rounds, and all rounds are printed. Bounds: decode >= 75 % of the read
ceiling, prefill of 512 >= 50 % of FMA, vision of 1,024 patches >= 50 %, 8 rows
<= 1.5 times a decode step."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def bench(build, model, threads):
    out = subprocess.run(
        [build + "/bin/rill-bench", "-m", model, "-t", str(threads), "-r", "3", "-n", "8",
         "-p", "512", "-d", "128", "--rows", "8", "--patches", "32x32", "-o", "json"],
        check=True, capture_output=True, text=True).stdout
    report = json.loads(out)
    rows = {row["name"]: row for row in report["rows"]}
    decode = rows["tg8 @ 128"]
    return {
        "read GB/s": report["read_bytes_per_second"] / 1e9,
        "FMA GFLOP/s": report["compute_flop_per_second"] / 1e9,
        "decode of read": decode["read_share"],
        "prefill of FMA": rows["pp512"]["compute_share"],
        "vision of FMA": rows["image 32x32"]["compute_share"],
        "8 rows to decode": rows["rows8 @ 128"]["seconds"] / decode["seconds"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([sys.executable, HERE + "/make_checkpoint", "--geometry", "450m", "--seed",
                        str(args.seed), "-o", work + "/c"], check=True)
        subprocess.run([args.build + "/bin/rill-compile", work + "/c", "-o", work + "/c/m.rill",
                        "--target", "native", "--weights", "external", "-q"], check=True)
        rounds = []
        for number in range(args.rounds):
            rounds.append(bench(args.build, work + "/c/m.rill", args.threads))
            print(f"round {number}: " + ", ".join(
                f"{name} {value:.2f}" for name, value in rounds[-1].items()), flush=True)
    median = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
    bounds = [("decode of read", 0.75, True), ("prefill of FMA", 0.5, True),
              ("vision of FMA", 0.5, True), ("8 rows to decode", 1.5, False)]
    holds = True
    for name, bound, least in bounds:
        good = median[name] >= bound if least else median[name] <= bound
        holds = holds and good
        print(f"{name}: median {median[name]:.2f}, due {'>=' if least else '<='} {bound}: "
              f"{'holds' if good else 'does NOT hold'}")
    print(f"cpu-speed, {args.threads} threads: {'holds' if holds else 'does NOT hold'}")
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
