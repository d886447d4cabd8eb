"""Reference logits of random toy checkpoints by the official classes. Run by
tools/dev/oracle: --samples rewrites test/data/hf, --full --seed N -o FOLDER
writes checkpoints too.

Each case is a folder: config.json; case.json (seed, dtype and shards of the
generated weights, grids of its pictures); reference.safetensors with
  text.ids, vl.ids             [B,S] prompts, placeholders included
  text.logits, vl.logits       [B,V] f32, last position
  text.logits_bf16, ...        the same computed in bf16 throughout
  text.tokens, vl.tokens       [B,64] greedy continuation in f32
  patches.K                    [N,3*P*P] f32, normalised, of picture K
  features.K                   [N/f^2,H] f32, what the vision path gives for it
The weights are those of tools/dev/make_checkpoint --config."""

import argparse
import json
import os
import random
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

import checkpoint_lib as lib

HERE = os.path.dirname(os.path.abspath(__file__))
STEPS = 64
MIN_GAP = 2e-3  # between the best two logits of every greedy step
# What f32 of the official classes may differ from their own f64: below half of
# the 1e-4 that a comparison with it allows.
OWN_ERROR = 4e-5
LFM2_CASES = 14  # then Qwen3
PROMPTS = 12  # tried before the weights are drawn again


def decks(seed):
    """Field -> values, shuffled by the seed; case n takes entry n modulo the length.
    No deck is longer than 12, so 12 cases hold every value."""
    rng = random.Random(f"{seed} decks")
    values = {
        "taps": list(range(2, 9)),
        "heads": [(2, 1), (4, 2), (4, 4), (6, 2), (8, 2), (3, 1), (8, 1), (6, 3)],
        "head_dim": [8, 16, 32, 64, 24],
        "own_head_dim": [True, False, False, False],
        "vision": [(144, 2), (72, 1), (32, 2), (64, 1), (48, 3)],
        "vision_mlp": [48, 80, 112, 176, 64, 96],
        "feed_forward": [40, 64, 96, 112, 208],
        "multiplier": [1.0, 1.3, 0.7],
        "adjust": [True, False, False],
        "factor": [2, 2, 2, 1, 2, 3, 2],
        "patch_size": [2, 4, 8],
        "table": [16, 36, 64],
        "projector": [20, 48, 64, 37],
        "layer_norm": [True, False],
        "projector_bias": [True, True, False],
        "conv_bias": [True, False, False],
        "tied": [True, True, False],
        "eps": [1e-5, 1e-6],
        "theta": [10000.0, 1000000.0],
        "shards": [1, 2, 1, 3],
        "pictures": [1, 2, 3]}
    for deck in values.values():
        rng.shuffle(deck)
    return values


def layer_kinds(rng):
    """Two to five layers of both kinds; the official classes cannot generate
    without any attention layer."""
    kinds = ["conv", "full_attention"]
    kinds += [rng.choice(["conv", "full_attention"]) for _ in range(rng.randint(0, 3))]
    rng.shuffle(kinds)
    return kinds


def text_config(rng, draw):
    """Hidden widths up to 256: with these weights the official f32 is 6.5e-5 from
    f64 at width 512, more than OWN_ERROR."""
    (heads, kv), kinds = draw("heads"), layer_kinds(rng)
    d = min(draw("head_dim"), 256 // heads // 2 * 2)
    text = {
        "model_type": "lfm2", "vocab_size": rng.randint(97, 300), "hidden_size": heads * d,
        "intermediate_size": draw("feed_forward"), "num_hidden_layers": len(kinds),
        "num_attention_heads": heads, "num_key_value_heads": kv, "max_position_embeddings": 512,
        "norm_eps": draw("eps"), "conv_L_cache": draw("taps"),
        "rope_parameters": {"rope_theta": draw("theta"), "rope_type": "default"},
        "conv_bias": draw("conv_bias"), "block_auto_adjust_ff_dim": draw("adjust"),
        "block_multiple_of": 32, "block_ffn_dim_multiplier": draw("multiplier"),
        "layer_types": kinds, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
        "tie_word_embeddings": draw("tied")}
    if draw("own_head_dim"):
        text["head_dim"] = d + 8
    return text


def random_case(seed, number):
    """A configuration. Case 2 is a batch of two, case 5 of twelve has no
    vision, every fourth checkpoint is f32."""
    rng = random.Random(f"{seed} case {number}")
    values = decks(seed)
    draw = lambda field: values[field][number % len(values[field])]
    dtype = "F32" if number % 4 == 3 else "BF16"
    name = {"F32": "float32", "BF16": "bfloat16"}[dtype]
    case = {"weights_seed": rng.randrange(1, 2**31), "dtype": dtype, "shards": draw("shards"),
            "batch": 2 if number == 2 else 1, "pictures": []}
    text = text_config(rng, draw)
    if number % 12 == 5:
        return {"architectures": ["Lfm2ForCausalLM"], "dtype": name, **text}, case
    factor, (vision_d, vision_heads) = draw("factor"), draw("vision")
    vision = {
        "model_type": "siglip2_vision_model", "hidden_size": vision_d,
        "intermediate_size": draw("vision_mlp"), "num_hidden_layers": rng.randint(1, 3),
        "num_attention_heads": vision_heads, "num_channels": 3, "patch_size": draw("patch_size"),
        "num_patches": draw("table"), "hidden_act": "gelu_pytorch_tanh",
        "layer_norm_eps": draw("eps"), "attention_dropout": 0.0, "vision_use_head": False}
    config = {
        "architectures": ["Lfm2VlForConditionalGeneration"], "model_type": "lfm2_vl",
        "dtype": name, "image_token_id": rng.choice([3, 4, 5]), "downsample_factor": factor,
        "projector_hidden_size": draw("projector"), "projector_hidden_act": "gelu",
        "projector_bias": draw("projector_bias"), "projector_use_layernorm": draw("layer_norm"),
        "tie_word_embeddings": text["tie_word_embeddings"], "text_config": text,
        "vision_config": vision}
    # No grid is one column wide: torch 2.15 resizes to (n, 1) wrongly on the CPU
    # (it is not the transpose of its own (1, n)).
    side = lambda: factor * rng.randint(2 if factor == 1 else 1, 10 // factor)
    case["pictures"] = [[side(), side()] for _ in range(draw("pictures"))]
    return config, case


def qwen3_case(seed, number):
    """A Qwen3 text model: heads wider than hidden / heads, both spellings of the
    RoPE base, tied and untied heads."""
    rng = random.Random(f"{seed} qwen3 {number}")
    dtype = "F32" if number % 4 == 3 else "BF16"
    heads, kv = [(4, 2), (4, 1), (3, 3), (8, 2)][number % 4]
    theta = [10000.0, 1000000.0, 5000000.0][number % 3]
    config = {
        "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3",
        "dtype": {"F32": "float32", "BF16": "bfloat16"}[dtype],
        "hidden_size": rng.choice([24, 32, 48, 64]), "vocab_size": rng.randint(97, 300),
        "intermediate_size": rng.choice([40, 48, 96]), "num_hidden_layers": rng.randint(2, 5),
        "num_attention_heads": heads, "num_key_value_heads": kv,
        "head_dim": rng.choice([16, 24, 32]), "hidden_act": "silu",
        "rms_norm_eps": rng.choice([1e-6, 1e-5]), "attention_bias": False,
        "attention_dropout": 0.0, "max_position_embeddings": 512, "use_sliding_window": False,
        "sliding_window": None, "max_window_layers": 28, "use_cache": True,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
        "tie_word_embeddings": number % 2 == 0}
    if number % 2:
        config["rope_parameters"] = {"rope_theta": theta, "rope_type": "default"}
    else:
        config.update({"rope_theta": theta, "rope_scaling": None})
    return config, {"weights_seed": rng.randrange(1, 2**31), "dtype": dtype, "batch": 1,
                    "shards": 1 + number % 2, "pictures": []}


def make_prompt(rng, config, case, features):
    """[B,S] ids; the same pictures in the same places of every row."""
    vocab, image = config.get("text_config", config)["vocab_size"], config.get("image_token_id")
    word = lambda: rng.randrange(6, vocab)
    layout = [None] * rng.randint(1, 6 if features else 30)
    for count in features:
        layout += [image] * count + [None] * rng.randint(1, 4)
    return torch.tensor([[1] + [word() if item is None else item for item in layout]
                         for _ in range(case["batch"])])


def picture_inputs(config, case, number):
    """Normalised patches of every picture from generated bytes, and HF's inputs."""
    if not case["pictures"]:
        return [], {}
    width, patches = 3 * config["vision_config"]["patch_size"] ** 2, []
    for k, (rows, columns) in enumerate(case["pictures"]):
        start, count = lib.start_value(f"picture.{number}.{k}", case["weights_seed"]), rows * columns
        data = [lib.byte_at(start, e) for e in range(count * width)]
        patches.append(((torch.tensor(data, dtype=torch.float32) - 127.5) / 127.5)
                       .reshape(count, width))
    batch = case["batch"]
    most = max(p.shape[0] for p in patches)
    padded = torch.zeros(len(patches), most, width)
    mask = torch.zeros(len(patches), most, dtype=torch.int32)
    for k, rows in enumerate(patches):
        padded[k, : len(rows)], mask[k, : len(rows)] = rows, 1
    visual = {"pixel_values": padded.repeat(batch, 1, 1),
              "pixel_attention_mask": mask.repeat(batch, 1),
              "spatial_shapes": torch.tensor(case["pictures"]).repeat(batch, 1)}
    return patches, visual


def greedy(model, ids, visual):
    """STEPS tokens, and the smallest gap between the best two logits."""
    out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **visual,
                         do_sample=False, max_new_tokens=STEPS, min_new_tokens=STEPS,
                         eos_token_id=None, pad_token_id=0, output_logits=True,
                         return_dict_in_generate=True)
    best = torch.stack(out.logits).topk(2, dim=-1).values
    return out.sequences[:, ids.shape[1]:], (best[..., 0] - best[..., 1]).min().item()


def last_logits(model, dtype, ids, visual):
    visual = {k: v.to(dtype) if k == "pixel_values" else v for k, v in visual.items()}
    return model(input_ids=ids, **visual).logits[:, -1]


def run_prompt(models, prefix, ids, visual, out):
    """Adds what the models give for one prompt; False when f32 itself is too far
    from f64 or a step is a near tie."""
    exact, rounded, wide = models
    logits = last_logits(exact, torch.float32, ids, visual).float()
    own = last_logits(wide, torch.float64, ids, visual) - logits.double()
    if own.abs().max().item() > OWN_ERROR:
        return False
    tokens, gap = greedy(exact, ids, visual)
    if gap < MIN_GAP:
        return False
    out[prefix + ".ids"], out[prefix + ".tokens"] = ids, tokens
    out[prefix + ".logits"] = logits
    out[prefix + ".logits_bf16"] = last_logits(rounded, torch.bfloat16, ids, visual).float()
    return True


def features_of(model, visual, count):
    """The projected rows of each picture of the first batch row."""
    found = model.model.get_image_features(**{k: v[:count] for k, v in visual.items()})
    found = getattr(found, "pooler_output", found)
    return [rows.reshape(-1, rows.shape[-1]) for rows in found]


def run_case(config, case, number, rng, place):
    """What the official classes give for the checkpoint in `place`, or None when
    no prompt is fit to compare with."""
    kind = AutoModelForImageTextToText if case["pictures"] else AutoModelForCausalLM
    models = [kind.from_pretrained(place, dtype=dtype).eval()
              for dtype in (torch.float32, torch.bfloat16, torch.float64)]
    patches, visual = picture_inputs(config, case, number)
    out = {f"patches.{k}": rows for k, rows in enumerate(patches)}
    prompts = [("text", [], {})]
    with torch.no_grad():
        if patches:
            features = features_of(models[0], visual, len(patches))
            out.update({f"features.{k}": rows.clone() for k, rows in enumerate(features)})
            prompts.append(("vl", [len(rows) for rows in features], visual))
        for prefix, counts, images in prompts:
            if not any(run_prompt(models, prefix, make_prompt(rng, config, case, counts), images,
                                  out) for _ in range(PROMPTS)):
                return None
    return out


def make_case(folder, seed, number, keep_checkpoint):
    config, case = (random_case if number < LFM2_CASES else qwen3_case)(seed, number)
    rng = random.Random(f"{seed} prompts {number}")
    target, out = os.path.join(folder, f"{number:02}"), None
    os.makedirs(target, exist_ok=True)
    while out is None:
        with tempfile.TemporaryDirectory() as scratch:
            place = target if keep_checkpoint else scratch
            lib.write_checkpoint(place, config, {}, case["dtype"], case["weights_seed"],
                                 case["shards"])
            out = run_case(config, case, number, rng, place)
        if out is None:
            case["weights_seed"] += 1
    lib.write_json(target + "/config.json", config)
    lib.write_json(target + "/case.json", case)
    save_file({name: value.contiguous() for name, value in out.items()},
              target + "/reference.safetensors")
    text = config.get("text_config", config)
    print(f"{number:02} layers {text['num_hidden_layers']} heads {text['num_attention_heads']}/"
          f"{text['num_key_value_heads']} L {text.get('conv_L_cache')} tied "
          f"{config['tie_word_embeddings']} pictures {case['pictures']}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the case to begin with")
    parser.add_argument("--count", type=int, default=LFM2_CASES + 4)
    parser.add_argument("-o", "--output", metavar="FOLDER")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.samples == args.full or args.full != bool(args.output):
        parser.error("--samples, or --full with -o FOLDER")
    folder = args.output or os.path.join(HERE, "../../test/data/hf")
    for number in range(args.first, args.count):
        make_case(folder, args.seed, number, args.full)


if __name__ == "__main__":
    main()
