#!/usr/bin/env bash
# Builds everything and runs all tests; the last line is
# `N passed, N failed, N skipped` over lit, GoogleTest and scripts.
# RILL_FIXTURES, when set, names a folder of official values to test against.
set -uo pipefail
cd "$(dirname "$0")/.."
tools/dev/setup.sh || exit 1
export CCACHE_SLOPPINESS=pch_defines,time_macros
preset=${RILL_PRESET:-dev}
cmake --preset "$preset" >/tmp/rill-configure.$$ 2>&1 || { cat /tmp/rill-configure.$$; exit 1; }
rm -f /tmp/rill-configure.$$
cmake --build --preset "$preset" || exit 1
exec /usr/bin/python3 tools/dev/run_tests.py "build/$preset"
