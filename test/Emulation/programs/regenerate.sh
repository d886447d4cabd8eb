#!/bin/sh
# Compiles kernels.cu and bench.cu to PTX where nvcc exists.
set -eu
cd "$(dirname "$0")"
nvcc=${NVCC:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}
[ -x for name in kernels bench; do
  "$nvcc" -arch=sm_90 -lineinfo -O2 -std=c++17 -ptx $name.cu -o $name.ptx
  sed -i 's|"[^"]*/\([A-Za-z0-9_.]*\)"|"\1"|' $name.ptx
done
