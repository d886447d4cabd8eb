#!/bin/sh
# Fat binaries of tiny.cu with its PTX plain, LZ4- and zstd-compressed.
set -eu
cd "$(dirname "$0")"
nvcc=${NVCC:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}
for pair in none:plain speed:lz4 size:zstd; do
  "$nvcc" -gencode arch=compute_80,code=compute_80 -fatbin \
    --compress-mode="${pair%:*}" tiny.cu -o "tiny-${pair#*:}.fatbin"
done
"$nvcc" -arch=compute_80 -ptx resources.cu -o resources.ptx
"$nvcc" -arch=compute_80 -ptx printf.cu -o printf.ptx
