#!/usr/bin/env python3
"""Parses every .td of dialects/ and include/ on its own with mlir-tblgen."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LLVM = pathlib.Path("/usr/lib/llvm-22")
bad = 0
for td in sorted([*ROOT.glob("dialects/**/*.td"), *ROOT.glob("include/**/*.td")]):
    run = subprocess.run([LLVM / "bin/mlir-tblgen", "--print-records", "-I", ROOT,
                          "-I", ROOT / "include", "-I", LLVM / "include", td],
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if run.returncode:
        bad += 1
        print(f"{td.relative_to(ROOT)} does not parse alone:\n{run.stderr}")
sys.exit(1 if bad else 0)
