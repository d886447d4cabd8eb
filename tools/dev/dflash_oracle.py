"""Draft logits of random drafters over official targets. Run in the environment
of tools/dev/oracle:

  dflash_oracle.py --samples                  rewrites test/data/dflash
  dflash_oracle.py --seed N --count C -o FOLDER

Each case is a folder: target.json and draft.json (configurations), case.json
(seeds of the generated weights) and reference.safetensors with
  ids      [P]      the prompt
  anchor   [1]      the token behind it
  features [P,K*H]  tapped rows, by the official class of the target
  logits   [B-1,V]  of slots 1..B-1, by dflash_reference.py
all computed in f64 from weights that are exact there."""

import argparse
import os
import random
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

import checkpoint_lib as lib
import dflash_reference

HERE = os.path.dirname(os.path.abspath(__file__))


def target_config(rng, number):
    """A toy target: Qwen3 and LFM2 in turn."""
    common = {"hidden_size": rng.choice([24, 32, 40]), "vocab_size": rng.randint(40, 120),
              "num_hidden_layers": rng.randint(4, 7), "max_position_embeddings": 256,
              "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "dtype": "float32",
              "tie_word_embeddings": number % 3 != 0, "head_dim": rng.choice([8, 16]),
              "intermediate_size": rng.choice([40, 64]),
              "rope_parameters": {"rope_theta": rng.choice([1e4, 1e6]), "rope_type": "default"}}
    common["num_attention_heads"], common["num_key_value_heads"] = rng.choice([(4, 2), (4, 1)])
    if number % 2 == 0:
        return {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3",
                "hidden_act": "silu", "rms_norm_eps": 1e-6, "attention_bias": False, **common}
    kinds = ["full_attention" if rng.random() < 0.4 else "conv"
             for _ in range(common["num_hidden_layers"])]
    kinds[rng.randrange(len(kinds))] = "full_attention"
    return {"architectures": ["Lfm2ForCausalLM"], "model_type": "lfm2", "norm_eps": 1e-5,
            "conv_L_cache": rng.randint(2, 4), "conv_bias": False,
            "block_auto_adjust_ff_dim": False, "layer_types": kinds, **common}


def draft_config(rng, number, target):
    """Any geometry; taps unsorted, K and D apart; the three kinds of masks in turn."""
    layers, block = rng.randint(1, 3), [2, 4, 8, 16][number % 4]
    heads, kv = [(4, 1), (4, 2), (2, 2), (8, 2)][rng.randrange(4)]
    taps = [rng.randrange(target["num_hidden_layers"] - 1) for _ in range(rng.randint(1, 4))]
    config = {
        "architectures": ["DFlashDraftModel"], "model_type": "qwen3", "block_size": block,
        "dflash_config": {"mask_token_id": target["vocab_size"] - 1, "target_layer_ids": taps},
        "num_target_layers": target["num_hidden_layers"], "num_hidden_layers": layers,
        "hidden_size": target["hidden_size"], "vocab_size": target["vocab_size"],
        "intermediate_size": rng.choice([24, 48, 56]), "num_attention_heads": heads,
        "num_key_value_heads": kv, "head_dim": rng.choice([6, 12, 16]), "hidden_act": "silu",
        "rms_norm_eps": rng.choice([1e-6, 1e-5]), "attention_bias": False,
        "attention_dropout": 0.0, "rope_theta": target["rope_parameters"]["rope_theta"],
        "rope_scaling": None, "layer_types": ["full_attention"] * layers, "dtype": "float32"}
    if number % 3 == 1:
        config["sliding_window"] = block + rng.randint(0, 6)
        config["layer_types"][0] = "sliding_attention"
    elif number % 3 == 2 and number % 2:
        config["dflash_config"].update(
            {"use_swa": True, "swa_window_size": block + rng.randint(0, 6), "causal": False})
    return config


def mask_of(config, layer, start):
    """[B,start+B] what a query of the layer sees; None: everything."""
    block = config["block_size"]
    sliding = config["layer_types"][layer] == "sliding_attention"
    inner = config["dflash_config"]
    window = config["sliding_window"] if sliding else \
        inner.get("swa_window_size") if inner.get("use_swa") else None
    if window is None:
        return None
    at, context = torch.arange(start, start + block), torch.arange(start)
    slots = torch.arange(block)
    inside = slots[None] <= slots[:, None] if sliding else torch.ones(block, block).bool()
    return torch.cat([context[None] >= at[:, None] - (window - 1), inside], 1)


def worked_mask():
    """The published example: anchor 6, four slots, a window of four."""
    config = {"block_size": 4, "layer_types": ["sliding_attention"], "sliding_window": 4,
              "dflash_config": {}}
    seen = [row.nonzero().flatten().tolist() for row in mask_of(config, 0, 6)]
    assert seen == [[3, 4, 5, 6], [4, 5, 6, 7], [5, 6, 7, 8], [6, 7, 8, 9]], seen


def draft_logits(draft, config, table, head, anchor, features):
    """As DFlashDraft.propose, with a mask per layer."""
    start, block = len(features), config["block_size"]
    ids = torch.tensor([anchor] + [config["dflash_config"]["mask_token_id"]] * (block - 1))
    at, context_at = torch.arange(start, start + block)[None], torch.arange(start)[None]
    context, rows = draft.hidden_norm(draft.fc(features))[None], table[ids][None]
    for number, layer in enumerate(draft.layers):
        mask = mask_of(config, number, start)
        rows = layer(rows, context, at, context_at, None if mask is None else mask[None])
    return draft.norm(rows)[0, 1:] @ head.T


def make_case(folder, seed, number, scratch):
    rng = random.Random(f"{seed} dflash {number}")
    target = target_config(rng, number)
    config = draft_config(rng, number, target)
    case = {"target_seed": rng.randrange(1, 2**31), "draft_seed": rng.randrange(1, 2**31)}
    place = os.path.join(scratch, str(number))
    lib.write_checkpoint(place + "/target", target, {}, "F32", case["target_seed"])
    lib.write_checkpoint(place + "/draft", config, {}, "F32", case["draft_seed"])
    model = AutoModelForCausalLM.from_pretrained(place + "/target", dtype=torch.float64).eval()
    draft = dflash_reference.DFlashDraft(config).double()
    draft.load_state_dict({name: value.double() for name, value in
                           load_file(place + "/draft/model.safetensors").items()})
    vocab = target["vocab_size"]
    ids = torch.tensor([rng.randrange(vocab - 1) for _ in range(rng.choice([1, 7, 30, 100]))])
    anchor = rng.randrange(vocab - 1)
    with torch.no_grad():
        states = model(input_ids=ids[None], use_cache=False,
                       output_hidden_states=True).hidden_states
        features = torch.cat([states[k + 1][0] for k in
                              config["dflash_config"]["target_layer_ids"]], -1)
        logits = draft_logits(draft, config, model.get_input_embeddings().weight,
                              model.lm_head.weight, anchor, features)
    out = os.path.join(folder, f"{number:02}")
    os.makedirs(out, exist_ok=True)
    lib.write_json(out + "/target.json", target)
    lib.write_json(out + "/draft.json", config)
    lib.write_json(out + "/case.json", case)
    save_file({"ids": ids, "anchor": torch.tensor([anchor]), "features": features.float(),
               "logits": logits.float().contiguous()}, out + "/reference.safetensors")
    print(f"{number:02} {target['model_type']} block {config['block_size']} layers "
          f"{config['num_hidden_layers']} taps {config['dflash_config']['target_layer_ids']} "
          f"prompt {len(ids)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("-o", "--output", metavar="FOLDER")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.samples == bool(args.output):
        parser.error("--samples, or -o FOLDER")
    worked_mask()
    folder = args.output or os.path.join(HERE, "../../test/data/dflash")
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(args.count):
            make_case(folder, args.seed, number, scratch)


if __name__ == "__main__":
    main()
