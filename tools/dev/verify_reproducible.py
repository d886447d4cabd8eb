"""Compiling gives the same bytes wherever and however it runs, and a killed
compilation leaves the old or the new file.

  verify_reproducible.py --build BUILD [--kills N] [--seed N] [--short]

Half of the kills fall anywhere in a run, half after the temporary has
appeared. After each kill: the output is whole, old or new; nothing else lies
beside it but the one temporary; a second run removes that. N kills hit a
compiler that still ran. Files of the
compiler outside the folder (TMPDIR) must not stay either."""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]

V3 = ("--target", "x86-64-v3")
# 32 MB of embedding, so that writing takes a while.
LARGE = {
    "architectures": ["Lfm2ForCausalLM"], "model_type": "lfm2", "dtype": "bfloat16",
    "vocab_size": 65536, "hidden_size": 256, "intermediate_size": 64, "num_hidden_layers": 1,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
    "conv_L_cache": 3, "block_auto_adjust_ff_dim": False, "layer_types": ["conv"],
    "bos_token_id": 1, "eos_token_id": 7, "pad_token_id": 0, "tie_word_embeddings": True}


def make(folder, *arguments):
    subprocess.run([sys.executable, ROOT / "tools/dev/make_checkpoint", *arguments, "-o", folder],
                   check=True)
    return folder


class Compiler:
    def __init__(self, build):
        self.tool = build / "bin/rill-compile"

    def command(self, checkpoint, output, *flags):
        return [self.tool, checkpoint, "-o", output, "-q", "--force", *flags]

    def bytes(self, checkpoint, output, *flags, **around):
        subprocess.run(self.command(checkpoint, output, *flags), check=True, **around)
        path = pathlib.Path(around.get("cwd", "."), output)
        data = path.read_bytes()
        path.unlink()
        return data


def compare(compiler, work, short):
    """Prints and counts the ways of compiling that give other bytes."""
    good = make(work / "good", "--geometry", "golden")
    shutil.copy(ROOT / "test/data/demo/tokenizer.json", good)
    elsewhere = work / "other/place/renamed"
    shutil.copytree(good, elsewhere)
    for path in elsewhere.iterdir():
        os.utime(path, (0, 0))
    (work / "run").mkdir()
    out = work / "x.rill"
    one = {"preexec_fn": lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})}
    bare = {"env": {"TMPDIR": str(work / "run"), "LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo"}}
    modes = [["--target", "x86-64-v3,x86-64-v4"], [*V3, "--dtype", "f32"],
             [*V3, "--weights", "external"], [*V3, "--weights", "synthetic:3"],
             [*V3, "--batch-size", "2"]]
    modes = [[*V3, "--weights", "external"]] if short else modes
    wrong = 0
    for mode in modes:
        first = compiler.bytes(good, out, *mode)
        ways = {
            "again": compiler.bytes(good, out, *mode),
            "one processor": compiler.bytes(good, out, *mode, **one),
            "another folder and other times of the checkpoint":
                compiler.bytes(elsewhere, out, *mode),
            "a relative path from another working folder":
                compiler.bytes("../good/", "y.rill", *mode, cwd=work / "run"),
            "another environment": compiler.bytes(good, out, *mode, **bare)}
        for way, data in ways.items():
            if data != first:
                wrong += 1
                print(f"DIFFERS {' '.join(mode)}: {way}")
        print(f"{' '.join(mode)}: {len(first)} bytes, equal in "
              f"{sum(d == first for d in ways.values())} of {len(ways)} ways", flush=True)
    imported = [compiler.tool.parent / "rill-import", good, "-o", "-"]
    texts = [subprocess.run(imported, capture_output=True, check=True).stdout for _ in range(2)]
    if texts[0] != texts[1]:
        wrong += 1
        print("DIFFERS rill-import twice")
    return wrong


def kill_at(compiler, checkpoint, folder, env, rng, duration, while_writing):
    """Starts a run and kills it with signal 9; whether it still ran, and
    whether it was writing."""
    temporary = folder / ".model.rill.rill-part"
    process = subprocess.Popen(compiler.command(checkpoint, folder / "model.rill", *V3), env=env,
                               stderr=subprocess.DEVNULL)
    if while_writing:
        while process.poll() is None and not temporary.exists():
            time.sleep(0.0005)
        time.sleep(rng.random() * 0.06)
    else:
        time.sleep(rng.random() * duration)
    running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return running, temporary.exists()


def kills(compiler, work, count, seed):
    """Prints and counts what a kill broke."""
    rng, folder, scratch = random.Random(seed), work / "out", work / "tmp"
    folder.mkdir()
    scratch.mkdir()
    (work / "large.json").write_text(json.dumps(LARGE))
    checkpoints = [make(work / f"large{s}", "--config", work / "large.json", "--seed", str(s))
                   for s in (1, 2)]
    env = dict(os.environ, TMPDIR=str(scratch))
    output = folder / "model.rill"
    started = time.monotonic()
    whole = [compiler.bytes(c, output, *V3, env=env) for c in checkpoints]
    duration = (time.monotonic() - started) / 2
    output.write_bytes(whole[1])
    old, wrong, alive, writing = 1, 0, 0, 0
    starts = 0
    while alive < count:
        i, new, starts = starts, 1 - old, starts + 1
        running, partial = kill_at(compiler, checkpoints[new], folder, env, rng, duration, i % 2)
        alive, writing = alive + running, writing + (running and partial)
        now = output.read_bytes()
        others = {p.name for p in folder.iterdir()} - {"model.rill", ".model.rill.rill-part"}
        if now not in whole or others or list(scratch.iterdir()):
            wrong += 1
            print(f"kill {i}: output whole {now in whole}, beside it {sorted(others)}, "
                  f"in TMPDIR {[p.name for p in scratch.iterdir()]}")
        if partial:  # a second run must clean up
            subprocess.run(compiler.command(checkpoints[new], output, *V3), env=env, check=True)
            now = output.read_bytes()
            if now != whole[new] or len(list(folder.iterdir())) != 1:
                wrong += 1
                print(f"kill {i}: a second run leaves {[p.name for p in folder.iterdir()]}")
        old = whole.index(now) if now in whole else old
    print(f"{starts} starts, {alive} killed while the compiler ran, {writing} of them left the "
          f"temporary, {wrong} wrong")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="one way of storing weights alone")
    args = parser.parse_args()
    compiler = Compiler(args.build.resolve())
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        wrong = compare(compiler, work, args.short) + kills(compiler, work, args.kills, args.seed)
    print(f"reproducible: {'holds' if not wrong else f'{wrong} wrong'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
