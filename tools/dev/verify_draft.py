"""D2 and D5 on whole models, run by tools/dev/verify dflash-greedy and
dflash-speed: the demo model's answers with its trained and with a random
drafter, and the speed of the 450M geometry with a five-layer drafter."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "../../test/data")


def run(*command, **around):
    return subprocess.run([str(c) for c in command], check=True, **around)


def write_prompts(folder, seed, count):
    """Held-out pictures with questions, as JSON lines; by the oracle's Pillow."""
    script = ("import json, sys; import demo_pictures as p\n"
              f"out = open({folder!r} + '/prompts.jsonl', 'w')\n"
              f"for n, (image, _, question, _) in enumerate(p.held_out({seed}, {count})):\n"
              f"    image.save({folder!r} + f'/{{n:04}}.png')\n"
              "    out.write(json.dumps({'prompt': question, 'image': f'{n:04}.png'}) + '\\n')\n")
    run(os.path.join(HERE, "oracle"), "python", "-c", script,
        env=dict(os.environ, PYTHONPATH=HERE))
    return folder + "/prompts.jsonl"


def bench(build, model, *flags):
    out = run(build + "/bin/rill-bench", "-m", model, "-o", "json", "-p", "0", "--rows", "0",
              "--patches", "0", *flags, capture_output=True, text=True).stdout
    return json.loads(out)


def compile_demo(build, work, draft, dtype="bf16"):
    model = f"{work}/{os.path.basename(draft)}-{dtype}.rill"
    run(build + "/bin/rill-compile", DATA + "/demo", "--draft", draft, "-o", model, "-q",
        "--target", "native", "--dtype", dtype)
    return model


def greedy(args, work):
    prompts = write_prompts(work, args.seed, args.count)
    run(sys.executable, HERE + "/make_drafter", "--target", DATA + "/demo", "--seed", args.seed,
        "--taps", "1,2,3", "-o", work + "/random")
    holds = True
    for name, draft in (("trained", DATA + "/demo_draft"), ("random", work + "/random")):
        for dtype in ("f32", "bf16"):
            model = compile_demo(args.build, work, draft, dtype)
            for width in (4, 8, 16):
                found = bench(args.build, model, "-n", "0", "-r", "1", "--prompts",
                              prompts, "--spec-draft-n-max", width - 1)["prompts"]
                holds = holds and found["equal"] == found["prompts"] == args.count
                print(f"demo, {name} drafter, {dtype}, width {width}: {found['equal']} of "
                      f"{found['prompts']} answers equal, mean length "
                      f"{found['mean_length']:.2f}", flush=True)
    print(f"dflash-greedy --seed {args.seed}: {'holds' if holds else 'DOES NOT HOLD'}")
    return holds


def speed(args, work):
    run(sys.executable, HERE + "/make_checkpoint", "--geometry", "450m", "--seed", "1", "-o",
        work + "/m")
    run(sys.executable, HERE + "/make_drafter", "--target", work + "/m", "--layers", "5",
        "--heads", "16,8,64", "--intermediate", "4608", "--block", "16", "-o", work + "/m/draft")
    run(args.build + "/bin/rill-compile", work + "/m", "--draft", work + "/m/draft", "-o",
        work + "/m/m.rill", "--target", "native", "--weights", "external", "-q")
    prompts = write_prompts(work, args.seed, args.count)
    demo = compile_demo(args.build, work, DATA + "/demo_draft")
    rounds = []
    for number in range(args.rounds):
        synthetic = bench(args.build, work + "/m/m.rill", "-t", args.threads, "-n", "32", "-d",
                          "128", "-r", "3", "--spec-synth-len", "4")["synthetic"]
        found = bench(args.build, demo, "-t", args.threads, "-n", "0", "-r", "5",
                      "--prompts", prompts)["prompts"]
        rounds.append({"verify to decode": synthetic["verify"] / synthetic["decode"],
                       "outside both": synthetic["outside"],
                       "450M, length 4, of plain": synthetic["decode"] / synthetic["token"],
                       "demo, of plain": found["plain"] / found["drafted"],
                       "demo mean length": found["mean_length"]})
        print(f"round {number}: " + ", ".join(f"{k} {v:.3f}" for k, v in rounds[-1].items()),
              flush=True)
    median = {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
    holds = True
    for key, bound, least in (("verify to decode", 1.5, False), ("outside both", 0.02, False),
                              ("demo, of plain", 1.0, True), ("demo mean length", 3.0, True)):
        good = median[key] >= bound if least else median[key] <= bound
        holds = holds and good
        print(f"{key}: median {median[key]:.3f}, due {'>=' if least else '<='} {bound}: "
              f"{'holds' if good else 'does NOT hold'}")
    print(f"dflash-speed, {args.threads} threads: {'holds' if holds else 'does NOT hold'}")
    return holds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["greedy", "speed"])
    parser.add_argument("--build", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=70)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        good = (greedy if args.what == "greedy" else speed)(args, work)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
