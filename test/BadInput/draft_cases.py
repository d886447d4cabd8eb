"""The cases of drafters, as cases.py."""
import subprocess

from bench import DEMO, Run, edit_config, read_tensors, write_tensors


def drafter(change=lambda c: None, *flags, files=lambda folder: None):
    """Imports the good target with a drafter whose config.json went through
    change and whose folder through files."""
    def build(bench):
        draft = bench.drafter()
        edit_config(draft, change)
        files(draft)
        return bench.importing(bench.checkpoint(), "--draft", draft, *flags)
    return build


def draft_tensors(change):
    """change(header, data) on the drafter's weights."""
    def apply(folder):
        path = folder / "model.safetensors"
        header, data = read_tensors(path)
        write_tensors(path, *change(header, data))
    return apply


def inner(**fields):
    return lambda c: c["dflash_config"].update(**fields)


def outer(**fields):
    return lambda c: c.update(**fields)


def without_norm(header, data):
    header["norms.weight"] = header.pop("norm.weight")
    return header, data


def nan_first(header, data):
    begin = header["fc.weight"]["data_offsets"][0]
    return header, data[:begin] + b"\xc0\x7f" + data[begin + 2:]


def embedding_of_its_own(header, data):
    header["embed_tokens.weight"] = {"dtype": "BF16", "shape": [1],
                                     "data_offsets": [len(data), len(data) + 2]}
    return header, data + b"\0\0"


def other_tokenizer(folder):
    (folder / "tokenizer.json").write_text('{"model": {"vocab": {"b": 0}}}')


def draft_absent(bench):
    return bench.importing(bench.checkpoint(), "--draft", bench.folder())


def draft_other_tokenizer(bench):
    draft, target = bench.drafter(), bench.checkpoint()
    other_tokenizer(draft)
    (target / "tokenizer.json").write_text('{"model": {"vocab": {"a": 0}}}')
    return bench.importing(target, "--draft", draft)


def draft_as_target(bench):
    return bench.importing(bench.drafter())


def draft_nan_accepted(bench):
    """NaN in a drafter changes no token of the target."""
    draft = bench.drafter(source=DEMO)
    draft_tensors(nan_first)(draft)
    model = bench.folder() / "nan.rill"
    subprocess.run([bench.tool("rill-compile"), DEMO, "--draft", draft, "-o", model, "-q",
                    "--allow-nonfinite", "--target", "x86-64-v3", "--max-seq-len", "256"],
                   check=True)
    ask = ["-n", "8", "--temp", "0", "--tokens", "-p", "Describe the picture.", "--image",
           DEMO / "describe.jpg"]

    def accept(done):
        plain = subprocess.run([bench.tool("rill-run"), "-m", model, "--spec-type", "none", *ask],
                               capture_output=True, text=True).stdout
        return "" if done.stdout == plain else f"{done.stdout!r} is not {plain!r}"
    return Run(bench.tool("rill-run"), "-m", model, *ask, accept=accept)


def draft_asked_for_absent(bench):
    return bench.asking("-p", "Hi", "--spec-type", "draft-dflash")


def draft_taps_outside(bench):
    return bench.importing(bench.checkpoint(), "--taps", "0,3")


draft_truncated = drafter(files=draft_tensors(lambda h, d: (h, d[:-100])))
draft_shape = drafter(outer(intermediate_size=48))
draft_missing_tensor = drafter(files=draft_tensors(without_norm))
draft_unused_tensor = drafter(files=draft_tensors(embedding_of_its_own))
draft_nan = drafter(files=draft_tensors(nan_first))
draft_hidden = drafter(outer(hidden_size=32))
draft_vocabulary = drafter(outer(vocab_size=41))
draft_layers = drafter(outer(num_target_layers=4))
draft_mask = drafter(inner(mask_token_id=40))
draft_rope_base = drafter(outer(rope_theta=10000.0))
draft_tap_outside = drafter(inner(target_layer_ids=[0, 3]))
draft_tap_last = drafter(inner(target_layer_ids=[0, 2]))
draft_no_mask = drafter(lambda c: c["dflash_config"].pop("mask_token_id"))
draft_unknown_inner = drafter(inner(colour="red"))
draft_unknown = drafter(outer(colour="red"))
draft_unknown_strict = drafter(outer(colour="red"), "--strict")
draft_dspark = drafter(outer(architectures=["DSparkDraftModel"]))
draft_anchor = drafter(inner(sample_from_anchor=True))
draft_domino = drafter(inner(projector_type="domino"))
draft_dflash2 = drafter(inner(conv_kernel_size=3))
draft_speculators = drafter(outer(transformer_layer_config={}))
draft_softcap = drafter(outer(final_logit_softcapping=30.0))
draft_interleaved = drafter(outer(rope_interleaved=True))
draft_yarn = drafter(outer(rope_scaling={"type": "yarn", "factor": 2.0}))
draft_biases = drafter(outer(attention_bias=True))
draft_model_type = drafter(outer(model_type="qwen3_vl_text"))
draft_masks_mixed = drafter(lambda c: (outer(layer_types=["sliding_attention"] * 2,
                                             sliding_window=20)(c), inner(causal=False)(c)))
draft_window_short = drafter(outer(layer_types=["sliding_attention"] * 2, sliding_window=5))
