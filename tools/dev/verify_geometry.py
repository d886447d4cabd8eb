#!/usr/bin/env python3
"""H5: 450M and 1.6B checkpoints of the real shapes.

Bounds: rill-compile of the whole 450M VL model for v3 and v4 <= 60 s of process
CPU time (median of 3) and <= 3 GB of anonymous memory; warm load of the embedded
artifact <= 0.3 s (median of 3); anonymous memory after load <= 64 MB beside what
the session says it holds. The 1.6B model is compiled once, loaded and run."""

import argparse
import ctypes
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MB = 1 << 20


def anonymous(pid):
    """RssAnon of a process in bytes; 0 once it has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def measured(command):
    """CPU seconds and the largest RssAnon of a command, sampled every 20 ms."""
    process = subprocess.Popen(command)
    peak, done = [0], threading.Event()

    def watch():
        while not done.wait(0.02):
            peak[0] = max(peak[0], anonymous(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, status, usage = os.wait4(process.pid, 0)
    done.set()
    watcher.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, peak[0]


# Runs in a process of its own, so that RssAnon is the library's.
LOAD = """
import ctypes, sys, time
sys.path.insert(0, sys.argv[3])
from verify_geometry import anonymous
import os
lib = ctypes.CDLL(sys.argv[1])
lib.rill_session_bytes.restype = ctypes.c_size_t
before = anonymous(os.getpid())
begin = time.perf_counter()
model, session = ctypes.c_void_p(), ctypes.c_void_p()
assert not lib.rill_open(sys.argv[2].encode(), None, ctypes.byref(model))
assert not lib.rill_session_create(model, None, ctypes.byref(session))
seconds = time.perf_counter() - begin
print(seconds, anonymous(os.getpid()) - before, lib.rill_session_bytes(session))
"""


def load(build, artifact):
    out = subprocess.run([sys.executable, "-c", LOAD, build + "/lib/librill.so", artifact, HERE],
                         check=True, capture_output=True, text=True).stdout.split()
    return float(out[0]), int(out[1]), int(out[2])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--geometry", action="append", help="450m, 1.6b; default both")
    args = parser.parse_args()
    holds = True

    def bound(text, value, limit):
        nonlocal holds
        holds = holds and value <= limit
        print(f"{text}: {value:.2f}, due <= {limit}: "
              f"{'holds' if value <= limit else 'does NOT hold'}", flush=True)

    for geometry in args.geometry or ["450m", "1.6b"]:
        with tempfile.TemporaryDirectory() as work:
            subprocess.run([sys.executable, HERE + "/make_checkpoint", "--geometry", geometry,
                            "--seed", str(args.seed), "-o", work + "/c"], check=True)
            runs = []
            for _ in range(3 if geometry == "450m" else 1):
                runs.append(measured([args.build + "/bin/rill-compile", work + "/c", "-o",
                                      work + "/m.rill", "--force", "-q",
                                      "--target", "x86-64-v3,x86-64-v4"]))
                print(f"{geometry}: compiled in {runs[-1][0]:.1f} s of CPU, "
                      f"{runs[-1][1] / MB:.0f} MB anonymous", flush=True)
            loads = [load(args.build, work + "/m.rill") for _ in range(4)][1:]
            print(f"{geometry}: loads {[round(seconds, 3) for seconds, _, _ in loads]} s")
            subprocess.run([args.build + "/bin/rill-run", "-m", work + "/m.rill", "--method",
                            "token_embedding", "--input", "1x2xi64=1,7", "-q"], check=True,
                           stdout=subprocess.DEVNULL)
            bound(f"{geometry}: compile, CPU s, median of {len(runs)}",
                  statistics.median(cpu for cpu, _ in runs), 60 if geometry == "450m" else 600)
            bound(f"{geometry}: compile, anonymous GB", max(peak for _, peak in runs) / 1e9, 3)
            bound(f"{geometry}: warm load, s, median of 3",
                  statistics.median(seconds for seconds, _, _ in loads), 0.3)
            bound(f"{geometry}: anonymous MB after load beside the session's",
                  max(anon - held for _, anon, held in loads) / MB, 64)
    print(f"real-geometry: {'holds' if holds else 'does NOT hold'}")
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
