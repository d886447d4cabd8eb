#!/bin/sh
# Compiles kernels.cu to kernels.ptx where nvcc exists.
set -eu
cd "$(dirname "$0")"
nvcc=${NVCC:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}
[ -x "$nvcc" ] || { echo "nvcc not found: kernels.ptx is left alone"; exit 0; }
"$nvcc" -arch=sm_90 -lineinfo -O2 -std=c++17 -ptx kernels.cu -o kernels.ptx
sed -i 's|"[^"]*/\([A-Za-z0-9_.]*\)"|"\1"|' kernels.ptx
