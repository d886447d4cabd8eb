"""The synthetic golden test (test/data/golden.json) through rill.h, for machines without the
compiler: every method of a variant's artifact, as test/Unit/Golden/Golden.cpp drives them."""
import json
import pathlib

import rill_api

DATA = json.loads((pathlib.Path(__file__).resolve().parents[2] /
                   "test/data/golden.json").read_text())
HIDDEN, PATCH, CHANNELS, ROOM = 24, 4, 3, 1 << 20
MASK = (1 << 64) - 1


def stream_byte(name, element):
    """Byte `element` of the named stream: FNV-1a of the name, then splitmix64."""
    z = 0xcbf29ce484222325
    for c in name.encode():
        z = (z ^ c) * 0x100000001b3 & MASK
    z = z + element + 0x9e3779b97f4a7c15 & MASK
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9 & MASK
    z = (z ^ z >> 27) * 0x94d049bb133111eb & MASK
    return (z ^ z >> 31) >> 56


def patches(h, w):
    """The normalised patches of the test image of 4h x 4w pixels: [h, w, 48], one list."""
    values = []
    for row in range(h * w):
        for e in range(PATCH * PATCH * CHANNELS):
            y = row // w * PATCH + e // (PATCH * CHANNELS)
            x = row % w * PATCH + e // CHANNELS % PATCH
            byte = stream_byte("test.image", (y * w * PATCH + x) * CHANNELS + e % CHANNELS)
            values.append((byte - 127.5) / 127.5)
    return values


class Golden:
    """A session of a variant's artifact."""

    def __init__(self, library, path, device):
        self.session = rill_api.Session(library, str(path), device)
        self.dtype = None  # of activations

    def embed(self, ids):
        tensor = self.session.call("token_embedding", [rill_api.integers(ids)], ROOM)
        self.dtype = tensor[0]
        return rill_api.values_of(tensor)

    def decode(self, method, rows, position):
        """text_decoder or text_decoder_rows: the logits, one list."""
        count = len(rows) // HIDDEN
        embeds = rill_api.floats(self.dtype, [1, count, HIDDEN], rows)
        places = rill_api.integers(list(range(position, position + count)))
        return rill_api.values_of(self.session.call(method, [embeds, places], ROOM))

    def prompt(self, variant):
        """The embedded prompt, features of the picture in their places."""
        rows = self.embed(variant["ids"])
        h, w = variant["height"], variant["width"]
        image = rill_api.floats(rill_api.F32, [1, h, w, PATCH * PATCH * CHANNELS], patches(h, w))
        features = rill_api.values_of(self.session.call("vision_encoder", [image], ROOM))
        for i, token in enumerate(variant["ids"]):
            if token == DATA["image_token"]:
                rows[i * HIDDEN:(i + 1) * HIDDEN] = features[:HIDDEN]
                features = features[HIDDEN:]
        return rows

    def run(self, variant):
        """Results by name: logits after the prefill and each of three steps, the logits of
        all rows at once, and four tokens of `step` behind the prompt."""
        rows, count = self.prompt(variant), len(variant["ids"])
        results = {"prefill": self.decode("text_decoder", rows, 0)}
        for i, token in enumerate(DATA["next"]):
            results[f"after {token}"] = self.decode("text_decoder", self.embed([token]),
                                                    count + i)
        self.session.reset()
        results["rows"] = self.decode("text_decoder_rows", rows, 0)
        self.session.set_next(DATA["next"][0], count)
        results["steps"] = [rill_api.values_of(self.session.call("step", [], 64))[0]
                            for _ in range(4)]
        return results


def run(library, path, variant, device):
    golden = Golden(library, path, device)
    try:
        return golden.run(variant)
    finally:
        golden.session.close()


def largest_difference(left, right):
    """Over all logits, as part of the row's largest |logit|; a token that differs counts 1."""
    worst = 0.0
    for name, mine in left.items():
        if name == "steps":
            worst = max(worst, float(mine != right[name]))
            continue
        width = len(left["prefill"])
        for at in range(0, len(mine), width):
            row, other = mine[at:at + width], right[name][at:at + width]
            scale = max(abs(v) for v in other)
            # No comparison holds of NaN.
            if not all(abs(a - b) <= worst * scale for a, b in zip(row, other)):
                worst = max([abs(a - b) / scale if a == a else float("inf")
                             for a, b in zip(row, other)] + [worst])
    return worst


def stored_difference(results, variant):
    """From the stored values, absolute; infinite where an argmax differs."""
    names = ["prefill"] + [f"after {token}" for token in DATA["next"]]
    worst = 0.0
    for name, known, top in zip(names, variant["logits"], variant["argmax"]):
        row = results[name]
        if row.index(max(row)) != top or any(v != v for v in row):
            return float("inf")
        worst = max([worst] + [abs(a - b) for a, b in zip(row, known)])
    return worst
