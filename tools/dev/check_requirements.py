#!/usr/bin/env python3
"""Compares the requirements of docs/Import.md with the tests that name them.

Exit 0 when each file of a row says `R1:` (its number) in a comment, each row
has a file, and no test names a number that has no row; else 1 with one line per
breach."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| (R\d+[a-z]?) \| .* \| ([^|]*) \|$", re.M)
MARK = re.compile(r"^(?:// |# )?(R\d+[a-z]?): ", re.M)
SUFFIXES = (".cpp", ".mlir", ".test", ".py")


def main():
    rows = {number: re.findall(r"`([^`]+)`", tests)
            for number, tests in ROW.findall((ROOT / "docs/Import.md").read_text())}
    marks = {}
    for path in sorted((ROOT / "test").rglob("*")):
        if path.suffix in SUFFIXES and path.is_file():
            for number in MARK.findall(path.read_text(errors="replace")):
                marks.setdefault(number, set()).add(str(path.relative_to(ROOT)))
    breaches = [f"{number}: {file} does not name it" for number, files in rows.items()
                for file in files if file not in marks.get(number, ())]
    breaches += [f"{number}: no test" for number, files in rows.items() if not files]
    breaches += [f"{number}: {', '.join(sorted(files))} name it, docs/Import.md has no such row"
                 for number, files in marks.items() if number not in rows]
    if not rows:
        breaches.append("docs/Import.md has no table of requirements")
    print("\n".join(breaches) or f"{len(rows)} requirements, each with a test")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
