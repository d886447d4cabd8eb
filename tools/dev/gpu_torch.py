#!/usr/bin/env python3
"""gpu_torch.py CONFIG [--device cuda]: how fast PyTorch runs a geometry, as JSON on standard
output: prefill and decode of the official class, eager and by torch.compile, and every product
of the model alone (on CUDA, cuBLASLt's work). Random weights in bf16. gpu-check calls it where
torch and transformers are installed; --device cpu shows that it works without a GPU."""
import argparse
import json
import pathlib
import re
import statistics
import sys
import tempfile
import time

import torch
import transformers


class Clock:
    """Milliseconds of `body`, the device idle before and behind: the median of some."""

    def __init__(self, device):
        self.device = device

    def wait(self):
        if self.device == "cuda":
            torch.cuda.synchronize()

    def once(self, body):
        self.wait()
        start = time.perf_counter()
        body()
        self.wait()
        return 1000 * (time.perf_counter() - start)

    def median(self, body, times):
        body()
        return statistics.median(self.once(body) for _ in range(times))


def model_of(config, device):
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "config.json").write_text(pathlib.Path(config).read_text())
        known = transformers.AutoConfig.from_pretrained(folder)
    kinds = transformers.AutoModelForImageTextToText, transformers.AutoModelForCausalLM
    kind = kinds[0] if hasattr(known, "vision_config") else kinds[1]
    torch.manual_seed(0)
    return kind.from_config(known).to(device=device, dtype=torch.bfloat16).eval()


def ids(count, device):
    """Text: no id of a picture, which would ask for its features."""
    return torch.arange(10, 10 + count, device=device).remainder(20).add(10)[None]


def times(model, call, args, clock):
    """Milliseconds of a prefill and of a token behind `depth` others."""
    prefill = clock.median(lambda: call(input_ids=ids(args.prefill, args.device),
                                        logits_to_keep=1), args.repetitions)
    out = call(input_ids=ids(args.depth, args.device), use_cache=True, logits_to_keep=1)

    def step():
        nonlocal out
        token = out.logits[:, -1:].argmax(-1).clamp(10, 29)
        out = call(input_ids=token, past_key_values=out.past_key_values, use_cache=True)
    for _ in range(args.warmup):
        step()
    decode = clock.once(lambda: [step() for _ in range(args.tokens)]) / args.tokens
    return {"prefill_ms": prefill, "decode_ms": decode}


def products(model, args, clock):
    """The linear layers of one layer of each kind, for 1, 8 and `prefill` rows. Copies of
    the weight take turns, so that a cache holds none of them."""
    shapes = {}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            kind = re.sub(r"\.\d+\.", ".N.", name)
            shapes.setdefault(kind, (module.out_features, module.in_features))
    list_of = []
    for name, (n, k) in shapes.items():
        copies = max(1, min(64, args.cache_bytes // (2 * n * k)))
        weights = [torch.randn(n, k, device=args.device, dtype=torch.bfloat16)
                   for _ in range(copies)]
        for m in (1, 8, args.prefill):
            x = torch.randn(m, k, device=args.device, dtype=torch.bfloat16)
            per = clock.median(lambda: [torch.nn.functional.linear(x, w) for w in weights],
                               args.repetitions) / copies
            list_of.append({"layer": name, "rows": m, "n": n, "k": k, "us": 1000 * per,
                            "gflops": 2e-6 * m * n * k / per,
                            "gb_per_s": 2e-6 * (n * k + m * k + m * n) / per})
    return list_of


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="config.json of the checkpoint")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--prefill", type=int, default=1024)
    parser.add_argument("--depth", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--warmup", type=int, default=16)
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--cache-bytes", type=int, default=256 << 20)
    parser.add_argument("--skip-compile", action="store_true")
    args = parser.parse_args()
    clock = Clock(args.device)
    model = model_of(args.config, args.device)
    result = {"torch": torch.__version__, "transformers": transformers.__version__,
              "device": torch.cuda.get_device_name() if args.device == "cuda" else "cpu"}
    with torch.inference_mode():
        result["eager"] = times(model, model, args, clock)
        if not args.skip_compile:
            try:
                result["compile"] = times(model, torch.compile(model), args, clock)
            except Exception as error:  # whatever its backends raise
                result["compile"] = {"error": f"{type(error).__name__}: {error}"[:500]}
        result["products"] = products(model, args, clock)
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
