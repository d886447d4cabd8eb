#!/usr/bin/env python3
"""Prints docs/Pipeline.md: two mixer layers of a golden checkpoint after every phase.

print_pipeline.py BUILD [--write]: compiles the synthetic golden checkpoint with
BUILD/bin/rill-compile and cuts the ops whose locations name the layer out of
each dump; --write replaces the page instead of printing it."""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/Pipeline.md"
TARGET = "x86-64-v3"
PREFIX = "model.language_model."
LAYERS = [("Short convolution", "layers.0", "conv"), ("Attention", "layers.1", "self_attn")]
LOWERED_LINES = 14

INTRODUCTION = f"""# Two layers through the pipeline

Printed by `tools/dev/print_pipeline.py BUILD --write`; `test/Pipeline/inspection.test` compares it with what the compiler
writes now. The checkpoint is the synthetic one (`tools/dev/make_checkpoint --geometry golden -o c`: H = 24, 3 heads, 1
key/value head of 8, 3 taps, weights bf16); the phases are those of

```sh
rill-compile c -o c.rill --target {TARGET} --dump-compilation-phases-to phases
```

Each part below holds the ops whose location names the layer's norm, mixer and residual sum, in order; the feed-forward part
is left out. A comment gives the location, less `{PREFIX}`, where it changes: it is the name in
the checkpoint that errors and remarks show. From `tiled` on the variant of `text_decoder` for S = 1 is shown.
"""

PHASES = {
    "0-imported": ("imported", "Values, weights and states are explicit; nothing is in place."),
    "1-fused": ("fused", "One op for the mixer, which updates its states; the residual sum moved into the product before it."),
    "2-tiled": ("tiled", "Dispatches of kernels, and the kernels; layers of one structure share a kernel, which is named for "
                         "the first."),
    "3-planned": ("planned", "As before, with an offset in the arena for each result; the kernels are unchanged."),
    "4-lowered": ("lowered", "One function per kernel in the LLVM dialect: its signature, its first lines without constants, and what it counts."),
}


class Dump:
    """The lines of one printed module, with its location aliases."""

    def __init__(self, path):
        self.lines = path.read_text().splitlines()
        alias = re.compile(r'^(#loc\d*) = loc\("([^"]*)"')
        self.names = dict(m.groups() for m in map(alias.match, self.lines) if m)

    def name(self, line):
        """The checkpoint name of a line's trailing location, or ""."""
        found = re.search(r' loc\((?:(#loc\d*)|"([^"]*)")\)$', line)
        return (found.group(2) or self.names.get(found.group(1), "")) if found else ""

    def body(self, opening, depth):
        """(name, lines) of each op at `depth` spaces inside the op whose line holds `opening`."""
        start = next(i for i, line in enumerate(self.lines) if opening in line)
        ops, current = [], []
        for line in self.lines[start + 1:]:
            indent = len(line) - len(line.lstrip(" "))
            if indent < depth and not line.lstrip().startswith("^"):
                return ops
            if indent >= depth:
                current.append(line)
            if indent == depth and not line.endswith("{") and not line.lstrip().startswith("^"):
                ops.append((self.name(line), [plain(text, depth) for text in current]))
                current = []
        raise SystemExit(f"print_pipeline: {opening} does not end")


def plain(line, depth):
    """`line` without locations and without the indentation `depth`."""
    return re.sub(r' loc\((?:#loc\d*|"[^"]*")\)', "", line)[depth:]


def of_mixer(name, layer, mixer):
    """Does a location name lie in the norm, mixer or residual sum of a layer?"""
    part = name.removeprefix(f"{PREFIX}{layer}.")
    return part != name and part.split(".")[0] in ("operator_norm", "mixed", mixer)


def block(ops):
    """A code block of (name, lines), a comment wherever the name changes."""
    lines, last = [], None
    for name, text in ops:
        if name != last:
            lines.append(f"// {name.removeprefix(PREFIX)}")
            last = name
        lines += text
    return "```mlir\n" + "\n".join(lines) + "\n```\n"


def kernel_text(dump, kernel):
    start = next(i for i, line in enumerate(dump.lines) if f"rill_plan.kernel @{kernel} " in line)
    end = next(i for i in range(start, len(dump.lines)) if dump.lines[i].startswith("  }"))
    return [plain(line, 2) for line in dump.lines[start:end + 1]]


def lowered_text(dump, kernel):
    """Signature and first lines of a lowered kernel, and its most frequent ops."""
    start = next(i for i, line in enumerate(dump.lines) if f"llvm.func @{kernel}(" in line)
    end = next(i for i in range(start, len(dump.lines)) if dump.lines[i].startswith("    }"))
    body = [plain(line, 4) for line in dump.lines[start:end + 1]]
    counts = {}
    for line in body[1:-1]:
        found = re.match(r"\s*(?:%\S+ = )?((?:llvm|vector|x86)[\w.]+)", line)
        if found:
            counts[found.group(1)] = counts.get(found.group(1), 0) + 1
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:6]
    first = [line for line in body if "llvm.mlir.constant" not in line][:LOWERED_LINES]
    return first + [f"  // ... {len(body)} lines; " + ", ".join(f"{n} {op}" for op, n in most), "}"]


def layer_part(dumps, phase, layer, mixer):
    dump = dumps[phase]
    if phase < "2":
        ops = dump.body("func.func @text_decoder(", 4)
        return block([op for op in ops if of_mixer(op[0], layer, mixer)])
    planned = dumps["3-planned"] if phase == "4-lowered" else dump
    ops = [op for op in planned.body("rill_plan.variant @text_decoder.0.", 4)
           if of_mixer(op[0], layer, mixer)]
    kernels = re.findall(r"dispatch @(\S+?)\(", "\n".join(sum((text for _, text in ops), [])))
    text = ""
    if phase == "4-lowered":
        update = next(k for k in kernels if "mix" in k or "attention_update" in k)
        return "```mlir\n" + "\n".join(lowered_text(dump, update)) + "\n```\n"
    if phase == "3-planned":
        ops = [op for op in ops if "rill_plan.dispatch" in op[1][0]]
    text = block(ops)
    if phase == "2-tiled":
        text += "\n```mlir\n" + "\n".join(sum((kernel_text(dump, k) for k in dict.fromkeys(kernels)), [])) + "\n```\n"
    return text


def page(build):
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        subprocess.run([sys.executable, ROOT / "tools/dev/make_checkpoint", "--geometry", "golden",
                        "-o", scratch / "c"], check=True)
        subprocess.run([build / "bin/rill-compile", "c", "-o", "lowered.mlir", "--compile-to", "lowered",
                        "--target", TARGET, "--dump-compilation-phases-to", "phases"],
                       check=True, cwd=scratch, stderr=subprocess.DEVNULL)
        dumps = {phase: Dump(scratch / "phases" / f"{phase}.mlir") for phase in PHASES}
    text = INTRODUCTION
    for title, layer, mixer in LAYERS:
        text += f"\n## {title}: `{PREFIX}{layer}`\n"
        for phase, (name, line) in PHASES.items():
            text += f"\n### {name}\n\n{line}\n\n" + layer_part(dumps, phase, layer, mixer)
    return text


def main():
    if len(sys.argv) < 2 or sys.argv[2:] not in ([], ["--write"]):
        sys.exit(__doc__)
    text = page(pathlib.Path(sys.argv[1]).resolve())
    if sys.argv[2:]:
        PAGE.write_text(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
