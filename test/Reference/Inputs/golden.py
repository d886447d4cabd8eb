"""golden.py MODULE SCRATCH: the golden prompt through rill-evaluate.

Picture, text and decoder at f32; the logits must be the published ones within
5e-6. MODULE may be at any phase above lowered."""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "tools/dev"))
import golden_run  # noqa: E402
import npy  # noqa: E402

BASE, IMAGE = golden_run.DATA["variants"][0], golden_run.DATA["image_token"]
IDS, LOGITS = BASE["ids"], BASE["logits"][0]


def main():
    module, scratch = sys.argv[1], pathlib.Path(sys.argv[2])

    def call(method, *inputs):
        for i, (descr, shape, values) in enumerate(inputs):
            npy.write(scratch / f"{i}.npy", descr, shape, values)
        files = ",".join(str(scratch / f"{i}.npy") for i in range(len(inputs)))
        subprocess.run(["rill-opt", module, f"--rill-evaluate=method={method} inputs={files} "
                        f"outputs={scratch}/out.npy", "-o", "/dev/null"], check=True)
        return npy.read(scratch / "out.npy")

    shape, features = call("vision_encoder", ("<f4", (1, 6, 2, 48), golden_run.patches(6, 2)))
    assert shape == (1, 3, 24), shape
    shape, embeds = call("token_embedding", ("<i8", (1, len(IDS)), IDS))
    rows = iter(features[24 * i:24 * i + 24] for i in range(3))
    merged = sum((next(rows) if token == IMAGE else embeds[24 * i:24 * i + 24] for i, token in enumerate(IDS)), [])
    shape, logits = call("text_decoder", ("<f4", shape, merged), ("<i8", (1, len(IDS)), range(len(IDS))))
    assert shape == (1, 40), shape
    worst = max(abs(a - b) for a, b in zip(logits, LOGITS))
    print(f"{'golden' if worst <= 5e-6 else 'WRONG'}: largest difference {worst:.1e}")


if __name__ == "__main__":
    main()
