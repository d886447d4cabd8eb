#!/bin/sh
# still_fails.sh FILE: 1 (interesting, as rill-reduce has it) while the gate of
# phase fused refuses FILE, else 0.
if rill-opt "$1" --rill-verify-fused -o /dev/null 2>&1 | grep -q "has no place in phase fused"; then
  exit 1
fi
