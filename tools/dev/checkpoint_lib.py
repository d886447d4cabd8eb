"""Synthetic checkpoints: the weight generator, the tensor inventory of LFM2 and
LFM2-VL, and a safetensors writer. Standard library only; large tensors are
filled by a small C function compiled when first needed."""

import ctypes
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

MASK = (1 << 64) - 1
NORM_SUFFIXES = ("norm.weight", "layernorm.weight", "norm1.weight", "norm2.weight")

# --- the generator -----------------------------------------------------------


def fnv1a64(text):
    """FNV-1a, 64 bits, over the UTF-8 bytes."""
    z = 0xCBF29CE484222325
    for byte in text.encode("utf-8"):
        z = ((z ^ byte) * 0x100000001B3) & MASK
    return z


def mix(z):
    """The finaliser of splitmix64; mix(0) = 0."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def start_value(name, seed=0):
    """Where the sequence of a tensor begins; seed 0 is the published one."""
    return fnv1a64(name) ^ mix(seed & MASK)


def byte_at(start, element):
    """u of one element, 0..255."""
    return mix((start + element + 0x9E3779B97F4A7C15) & MASK) >> 56


def value_of(name, u):
    """The weight that u stands for in the tensor `name`; exact in bf16."""
    if name.endswith(NORM_SUFFIXES):
        return (64 + u // 4) / 128
    centred = (u - 128) / 128
    if name.endswith(("embed_tokens.weight", "conv.conv.weight")):
        return centred
    if name.endswith("position_embedding.weight"):
        return 0.5 * centred
    return 0.25 * centred


def value_table(name, dtype):
    """The 256 values a tensor can hold, packed as `dtype` (BF16 or F32)."""
    floats = struct.pack("<256f", *(value_of(name, u) for u in range(256)))
    if dtype == "F32":
        return floats
    return b"".join(floats[4 * i + 2 : 4 * i + 4] for i in range(256))


FILL_C = """
#include <stdint.h>
static inline unsigned u_at(uint64_t z) {
  z += 0x9e3779b97f4a7c15ull;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ z >> 27) * 0x94d049bb133111ebull;
  return (unsigned)((z ^ z >> 31) >> 56);
}
void fill2(uint64_t z, uint64_t n, const uint16_t *table, uint16_t *out) {
  for (uint64_t e = 0; e < n; ++e) out[e] = table[u_at(z + e)];
}
void fill4(uint64_t z, uint64_t n, const uint32_t *table, uint32_t *out) {
  for (uint64_t e = 0; e < n; ++e) out[e] = table[u_at(z + e)];
}
"""
_fill_library = None


def fill_library():
    """The compiled filler."""
    global _fill_library
    if _fill_library is None:
        compiler = os.environ.get("CC") or next(
            (c for c in ("clang-22", "clang", "cc", "gcc") if shutil.which(c)), None)
        if not compiler:
            sys.exit("make_checkpoint: large tensors need a C compiler; set CC")
        with tempfile.TemporaryDirectory() as folder:
            source, library = folder + "/fill.c", folder + "/fill.so"
            with open(source, "w") as file:
                file.write(FILL_C)
            subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, source],
                           check=True)
            _fill_library = ctypes.CDLL(library)
        for name in ("fill2", "fill4"):
            getattr(_fill_library, name).argtypes = [
                ctypes.c_uint64, ctypes.c_uint64, ctypes.c_char_p, ctypes.c_void_p]
    return _fill_library


def generate(name, count, dtype="BF16", seed=0):
    """Yields the little-endian bytes of a tensor in pieces."""
    table, start = value_table(name, dtype), start_value(name, seed)
    width = 2 if dtype == "BF16" else 4
    if count <= 65536:
        yield b"".join(table[width * u : width * u + width]
                       for u in (byte_at(start, e) for e in range(count)))
        return
    fill, step = getattr(fill_library(), f"fill{width}"), 1 << 22
    buffer = ctypes.create_string_buffer(step * width)
    for first in range(0, count, step):
        size = min(step, count - first)
        fill((start + first) & MASK, size, table, ctypes.addressof(buffer))
        yield ctypes.string_at(ctypes.addressof(buffer), size * width)


# --- the tensors of a configuration --------------------------------------------


def effective_ff(text):
    """The feed-forward width F that a text configuration means."""
    raw = text.get("block_ff_dim") or text["intermediate_size"]
    if not text.get("block_auto_adjust_ff_dim", True):
        return raw
    x = int(2 * raw / 3)
    multiplier = text.get("block_ffn_dim_multiplier", 1.0)
    if multiplier is None:
        return x
    multiple = text.get("block_multiple_of", 256)
    return multiple * -(-int(multiplier * x) // multiple)


def text_tensors(text, root, tied):
    """(name, shape) of the decoder."""
    H, V, F = text["hidden_size"], text["vocab_size"], effective_ff(text)
    L, heads = text.get("conv_L_cache", 3), text["num_attention_heads"]
    kv = text["num_key_value_heads"]
    d = text.get("head_dim") or H // heads
    yield root + "embed_tokens.weight", [V, H]
    for i, kind in enumerate(text["layer_types"]):
        at = f"{root}layers.{i}."
        yield at + "operator_norm.weight", [H]
        yield at + "ffn_norm.weight", [H]
        yield at + "feed_forward.w1.weight", [F, H]
        yield at + "feed_forward.w3.weight", [F, H]
        yield at + "feed_forward.w2.weight", [H, F]
        if kind == "conv":
            yield at + "conv.in_proj.weight", [3 * H, H]
            yield at + "conv.conv.weight", [H, 1, L]
            yield at + "conv.out_proj.weight", [H, H]
            if text.get("conv_bias"):
                yield at + "conv.in_proj.bias", [3 * H]
                yield at + "conv.conv.bias", [H]
                yield at + "conv.out_proj.bias", [H]
        else:
            yield at + "self_attn.q_proj.weight", [heads * d, H]
            yield at + "self_attn.k_proj.weight", [kv * d, H]
            yield at + "self_attn.v_proj.weight", [kv * d, H]
            yield at + "self_attn.out_proj.weight", [H, heads * d]
            yield at + "self_attn.q_layernorm.weight", [d]
            yield at + "self_attn.k_layernorm.weight", [d]
    yield root + "embedding_norm.weight", [H]
    if not tied:
        yield "lm_head.weight", [V, H]


def qwen3_layer(at, H, heads, kv, d, F):
    """(name, shape) of a Qwen3 decoder layer, a drafter's too."""
    yield at + "input_layernorm.weight", [H]
    yield at + "post_attention_layernorm.weight", [H]
    for name, shape in (("q_proj", [heads * d, H]), ("k_proj", [kv * d, H]),
                        ("v_proj", [kv * d, H]), ("o_proj", [H, heads * d]),
                        ("q_norm", [d]), ("k_norm", [d])):
        yield f"{at}self_attn.{name}.weight", shape
    yield at + "mlp.gate_proj.weight", [F, H]
    yield at + "mlp.up_proj.weight", [F, H]
    yield at + "mlp.down_proj.weight", [H, F]


def qwen3_tensors(config):
    """(name, shape) of a Qwen3 text model."""
    H, V = config["hidden_size"], config["vocab_size"]
    yield "model.embed_tokens.weight", [V, H]
    yield "model.norm.weight", [H]
    for i in range(config["num_hidden_layers"]):
        yield from qwen3_layer(f"model.layers.{i}.", H, config["num_attention_heads"],
                               config["num_key_value_heads"], config["head_dim"],
                               config["intermediate_size"])
    if not config.get("tie_word_embeddings", False):
        yield "lm_head.weight", [V, H]


def drafter_tensors(config):
    """(name, shape) of a DFlash drafter."""
    H, taps = config["hidden_size"], config["dflash_config"]["target_layer_ids"]
    yield "fc.weight", [H, len(taps) * H]
    yield "hidden_norm.weight", [H]
    yield "norm.weight", [H]
    for i in range(config["num_hidden_layers"]):
        yield from qwen3_layer(f"layers.{i}.", H, config["num_attention_heads"],
                               config["num_key_value_heads"], config["head_dim"],
                               config["intermediate_size"])


def vision_tensors(vision, root):
    """(name, shape) of the SigLIP2 encoder."""
    D, I = vision["hidden_size"], vision["intermediate_size"]
    patch = vision["num_channels"] * vision["patch_size"] ** 2
    yield root + "embeddings.patch_embedding.weight", [D, patch]
    yield root + "embeddings.patch_embedding.bias", [D]
    yield root + "embeddings.position_embedding.weight", [vision["num_patches"], D]
    for i in range(vision["num_hidden_layers"]):
        at = f"{root}encoder.layers.{i}."
        for norm in ("layer_norm1", "layer_norm2"):
            yield at + norm + ".weight", [D]
            yield at + norm + ".bias", [D]
        for part in ("q", "k", "v", "out"):
            yield f"{at}self_attn.{part}_proj.weight", [D, D]
            yield f"{at}self_attn.{part}_proj.bias", [D]
        yield at + "mlp.fc1.weight", [I, D]
        yield at + "mlp.fc1.bias", [I]
        yield at + "mlp.fc2.weight", [D, I]
        yield at + "mlp.fc2.bias", [D]
    yield root + "post_layernorm.weight", [D]
    yield root + "post_layernorm.bias", [D]


def projector_tensors(config, root):
    """(name, shape) of the projector."""
    wide = config["vision_config"]["hidden_size"] * config.get("downsample_factor", 2) ** 2
    P, H = config["projector_hidden_size"], config["text_config"]["hidden_size"]
    if config.get("projector_use_layernorm", True):
        yield root + "layer_norm.weight", [wide]
        yield root + "layer_norm.bias", [wide]
    for name, out, width in (("linear_1", P, wide), ("linear_2", H, P)):
        yield f"{root}{name}.weight", [out, width]
        if config.get("projector_bias", True):
            yield f"{root}{name}.bias", [out]


def tensors_of(config):
    """(name, shape) of every tensor of a configuration, hub names."""
    if "dflash_config" in config:
        yield from drafter_tensors(config)
        return
    if config["model_type"] == "qwen3":
        yield from qwen3_tensors(config)
        return
    tied = config.get("tie_word_embeddings", True)
    if "text_config" not in config:
        yield from text_tensors(config, "model.", tied)
        return
    yield from vision_tensors(config["vision_config"], "model.vision_tower.vision_model.")
    yield from projector_tensors(config, "model.multi_modal_projector.")
    yield from text_tensors(config["text_config"], "model.language_model.", tied)


# --- files -----------------------------------------------------------------------


def elements(shape):
    count = 1
    for size in shape:
        count *= size
    return count


def write_safetensors(path, tensors, dtype, seed):
    """Writes generated tensors; the header is padded to a multiple of 8."""
    width, offset, header = (2 if dtype == "BF16" else 4), 0, {"__metadata__": {"format": "pt"}}
    for name, shape in tensors:
        end = offset + elements(shape) * width
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for name, shape in tensors:
            for piece in generate(name, elements(shape), dtype, seed):
                file.write(piece)
    os.replace(path + ".part", path)
    return offset


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.write("\n")


def write_checkpoint(folder, config, files, dtype="BF16", seed=0, shards=1):
    """Writes config.json, `files` (name -> JSON value) and the weights."""
    os.makedirs(folder, exist_ok=True)
    write_json(folder + "/config.json", config)
    for name, value in files.items():
        write_json(folder + "/" + name, value)
    tensors = sorted(tensors_of(config))
    if shards == 1:
        write_safetensors(folder + "/model.safetensors", tensors, dtype, seed)
        return
    total, weight_map = 0, {}
    for shard in range(shards):
        name = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = tensors[len(tensors) * shard // shards : len(tensors) * (shard + 1) // shards]
        total += write_safetensors(folder + "/" + name, part, dtype, seed)
        weight_map.update((tensor, name) for tensor, _ in part)
    write_json(folder + "/model.safetensors.index.json",
               {"metadata": {"total_size": total}, "weight_map": weight_map})
