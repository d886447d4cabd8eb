#!/bin/sh
# Compiles the .ll files beside it to PTX with LLVM 22, as a compiler would.
# The chip of each is in its "; llc:" line.
set -eu
cd "$(dirname "$0")"
for f in *.ll; do
  chip=$(sed -n 's/^; llc: //p' "$f")
  ${LLC:-llc-22} -O2 -march=nvptx64 -mcpu="$chip" "$f" -o "${f%.ll}.ptx"
done
