#!/usr/bin/env bash
# Builds Rill, compiles the demo checkpoint and answers questions about the
# shipped pictures: question, answer, expected answer. Exit 0 when all agree.
set -euo pipefail
cd "$(dirname "$0")/.."
data=test/data/demo
if [ ! -f "$data/model.safetensors" ]; then
  echo "demo: $data holds no checkpoint; make one with" >&2
  echo "  tools/dev/oracle python tools/dev/train_demo_model -o $data" >&2
  exit 3
fi
tools/dev/setup.sh
export CCACHE_SLOPPINESS=pch_defines,time_macros
preset=${RILL_PRESET:-dev}
build=build/$preset
echo "demo: configuring and building ($preset)"
cmake --preset "$preset" >"$build.configure.log" 2>&1 || { cat "$build.configure.log"; exit 1; }
cmake --build --preset "$preset" --target rill-compile rill-run
echo "demo: compiling $data"
"$build/bin/rill-compile" "$data" -o "$build/demo.rill" --target native --dtype f32 --force --strict
echo "demo: these questions were picked among those the model answers; on new"
echo "demo: pictures it is right on about 97 % (docs/Status.md)"
exec /usr/bin/python3 tools/dev/run_demo.py "$build/bin/rill-run" "$build/demo.rill" "$data"
