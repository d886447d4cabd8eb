#!/usr/bin/env python3
"""Compares every #include of the tree with tools/dev/layers.toml.

Exit 0 when each include is allowed, 1 with one line per breach. With --table,
prints the dependency table of docs/Architecture.md instead.
"""
import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]')
PREFIXES = {"rill/": "include/rill/", "rill-rt/": "runtime/include/rill-rt/",
            "dialects/": "dialects/", "lib/": "lib/", "runtime/": "runtime/"}


def target_path(include, source):
    """The path below the root that a project include names, or None."""
    if include == "rill.h":
        return "runtime/include/rill.h"
    for prefix, folder in PREFIXES.items():
        if include.startswith(prefix):
            return folder + include[len(prefix):]
    beside = source.parent / include
    if beside.exists():
        return str(beside.resolve().relative_to(ROOT))
    return None


def layer_of(path, layers):
    """The layer whose folder is the longest prefix of `path`."""
    best, length = None, -1
    for name, layer in layers.items():
        for folder in layer["folders"]:
            if (path == folder or path.startswith(folder + "/")) and len(folder) > length:
                best, length = name, len(folder)
    return best


def breaches(layers):
    for source in sorted(ROOT.glob("**/*")):
        path = str(source.relative_to(ROOT))
        if source.suffix not in (".cpp", ".h", ".def") or path.startswith("build"):
            continue
        own = layer_of(path, layers)
        if own is None:
            continue
        layer = layers[own]
        for number, line in enumerate(source.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            include = match.group(1)
            for prefix in layer["forbids"]:
                if include.startswith(prefix):
                    yield f"{path}:{number}: {own} must not include {include}"
            target = target_path(include, source)
            other = target and layer_of(target, layers)
            if other and other != own and other not in layer["uses"] and "*" not in layer["uses"]:
                yield f"{path}:{number}: {own} must not know {other} ({include})"


def main():
    layers = tomllib.loads((ROOT / "tools/dev/layers.toml").read_text())["layers"]
    if "--table" in sys.argv:
        print("| Layer | Folders | What | May include |\n|---|---|---|---|")
        for name, layer in layers.items():
            uses = "everything" if "*" in layer["uses"] else ", ".join(layer["uses"]) or "nothing of ours"
            print(f"| {name} | {', '.join('`%s`' % f for f in layer['folders'])} | {layer['line']} | {uses} |")
        return 0
    found = list(breaches(layers))
    print("\n".join(found) or "layers: every include is allowed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
