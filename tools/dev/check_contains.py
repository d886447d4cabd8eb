#!/usr/bin/env python3
"""check_contains.py FILE PART: exit 0 when FILE holds the text of PART."""
import pathlib
import sys

whole, part = (pathlib.Path(p).read_text() for p in sys.argv[1:3])
if part not in whole:
    sys.exit(f"{sys.argv[1]} does not hold the text of {sys.argv[2]}; print it anew")
