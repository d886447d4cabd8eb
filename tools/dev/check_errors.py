#!/usr/bin/env python3
"""Checks that the numbers of errors.def ascend and stand under their heading."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
last, heading = 0, 0
for line in (ROOT / "runtime/formats/errors.def").read_text().splitlines():
    if match := re.match(r"// (\d)xxx", line):
        heading = int(match.group(1))
    if match := re.match(r"RILL_ERROR\((\d+)", line):
        number = int(match.group(1))
        if number <= last or number // 1000 != heading:
            sys.exit(f"errors.def: {number} is out of order or under the wrong heading")
        last = number
