#!/usr/bin/env bash
# Installs what Rill needs on Debian 12, through apt-get. Prints what it does;
# uses sudo when not root. With --tools, also ptxas is looked for.
set -euo pipefail
packages=(libmlir-22-dev llvm-22-dev mlir-22-tools llvm-22-tools clang-22 lld-22
  libclang-rt-22-dev cmake ninja-build ccache nlohmann-json3-dev libcli11-dev
  libgtest-dev libbenchmark-dev libjpeg62-turbo-dev libpng-dev libwebp-dev
  libpcre2-dev libutf8proc-dev libxxhash-dev abigail-tools pkg-config python3)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
echo "setup: installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
