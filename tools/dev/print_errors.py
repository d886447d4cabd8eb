#!/usr/bin/env python3
"""Prints docs/Errors.md from runtime/formats/errors.def."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROW = re.compile(r'RILL_ERROR\((\d+), (\w+), "((?:[^"\\]|\\.)*)",\s*"((?:[^"\\]|\\.)*)"\)', re.S)


def main():
    text = (ROOT / "runtime/formats/errors.def").read_text()
    print("# Error codes\n")
    print("Printed by `tools/dev/print_errors.py` from `runtime/formats/errors.def`; a test keeps the two equal. The first\n"
          "digit is the exit code; `rill-inspect --explain CODE` prints the same text.\n")
    print("| Code | What | Meaning |\n|---|---|---|")
    for number, _, what, page in ROW.findall(text):
        print(f"| RILL-{number} | {what} | {page} |".replace('\\"', '"'))


if __name__ == "__main__":
    main()
