#!/usr/bin/env python3
"""Runs lit and every GoogleTest program of a build folder and counts.

run_tests.py BUILD: the last line is `N passed, N failed, N skipped`.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIT = "/usr/lib/llvm-22/bin/lit"


def run_lit(build, scratch):
    report = scratch / "lit.json"
    subprocess.run([LIT, "-q", "-v", ROOT / "test", "--param", f"build={build}",
                    "--output", report])
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for test in json.loads(report.read_text())["tests"]:
        code = test["code"]
        kind = ("passed" if code in ("PASS", "XFAIL", "FLAKYPASS") else
                "skipped" if code in ("UNSUPPORTED", "SKIPPED", "EXCLUDED") else "failed")
        counts[kind] += 1
        if kind != "passed":
            print(f"{kind}: {test['name']}")
    return counts


def run_unit(program, scratch):
    report = scratch / "unit.json"
    report.unlink(missing_ok=True)
    done = subprocess.run([program, f"--gtest_output=json:{report}", "--gtest_brief=1"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    cases = []
    if report.exists():
        for suite in json.loads(report.read_text())["testsuites"]:
            cases += suite["testsuite"]
    for case in cases:
        kind = ("failed" if case.get("failures") else
                "skipped" if case["result"] == "SKIPPED" else "passed")
        counts[kind] += 1
        if kind != "passed":
            print(f"{kind}: {program.name}: {case['classname']}.{case['name']}")
    if done.returncode and not counts["failed"]:
        counts["failed"] += 1
        print(f"failed: {program.name} ended with {done.returncode}")
    if done.returncode:
        print(done.stdout)
    return counts


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    os.chdir(ROOT)
    total = {"passed": 0, "failed": 0, "skipped": 0}
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        parts = [run_lit(build, scratch)] if (build / "bin/rill-opt").exists() else []
        parts += [run_unit(program, scratch) for program in sorted((build / "unit").glob("*"))
                  if os.access(program, os.X_OK) and program.is_file()]
    for part in parts:
        for kind in total:
            total[kind] += part[kind]
    if "RILL_FIXTURES" not in os.environ:
        print("note: RILL_FIXTURES is not set; tests against official values were skipped")
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] or not total["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
