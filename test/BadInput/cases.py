"""One function per row of docs/BadInput.md: builds the input and returns the
call. Named in the table's last column; run.py compares exit code and message."""
import json
import os
import resource
import shutil
import struct
import subprocess

from bench import (DEMO, PICTURES, Artifact, Run, comma_locale, edit_config,
                   read_tensors, tiny_disk, write_tensors)

EMBED = "model.language_model.embed_tokens.weight"

# --- safetensors -----------------------------------------------------------------


def one_file(bench, change):
    """Imports a checkpoint whose only file went through change(header, data)."""
    folder = bench.checkpoint()
    path = folder / "model.safetensors"
    header, data = read_tensors(path)
    write_tensors(path, *change(header, data))
    return bench.importing(folder)


def entry(change):
    """change(entry of the embedding) on the header."""
    def apply(header, data):
        change(header[EMBED])
        return header, data
    return apply


def short_file(bench):
    folder = bench.checkpoint()
    (folder / "model.safetensors").write_bytes(b"\x10\0\0")
    return bench.importing(folder)


def empty_file(bench):
    folder = bench.checkpoint()
    (folder / "model.safetensors").write_bytes(b"")
    return bench.importing(folder)


def truncated_data(bench):
    return one_file(bench, lambda header, data: (header, data[:-100]))


def header_length_huge(bench):
    return one_file(bench, lambda header, data: (header, data, 1 << 40))


def header_length_negative(bench):
    return one_file(bench, lambda header, data: (header, data, (1 << 64) - 8))


def header_length_odd(bench):
    def change(header, data):
        text = json.dumps(header).encode()
        return text, data, len(text) - 1
    return one_file(bench, change)


def header_odd_but_right(bench):
    def change(header, data):
        text = json.dumps(header).encode()
        return text + b" " * (1 - len(text) % 2), data
    return one_file(bench, change)


def header_bad_utf8(bench):
    return one_file(bench, lambda header, data: (
        json.dumps(header).encode().replace(b"language", b"lang\xff\xfege"), data))


def header_bad_json(bench):
    return one_file(bench, lambda header, data: (json.dumps(header).encode()[:-1] + b",", data))


def header_depth_bomb(bench):
    return one_file(bench, lambda header, data: (b'{"a":' + b"[" * 100_000, data))


def header_duplicate_key(bench):
    def change(header, data):
        text = json.dumps(header)
        again = json.dumps({EMBED: header[EMBED]})[1:-1]
        return (text[:-1] + "," + again + "}").encode(), data
    return one_file(bench, change)


def tensor_in_two_shards(bench):
    folder = bench.checkpoint(bench.sharded)
    index = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    names = sorted(set(index.values()))
    first = next(t for t, f in index.items() if f == names[0])
    taken, data = read_tensors(folder / names[0])
    header, more = read_tensors(folder / names[1])
    begin, end = taken[first]["data_offsets"]
    header[first] = dict(taken[first], data_offsets=[len(more), len(more) + end - begin])
    write_tensors(folder / names[1], header, more + data[begin:end])
    return bench.importing(folder)


def offsets_reversed(bench):
    return one_file(bench, entry(lambda e: e["data_offsets"].reverse()))


def offsets_overlap(bench):
    def change(header, data):
        other = next(v for k, v in header.items() if k != EMBED and "dtype" in v
                     and v["data_offsets"][0] > 0)
        width = other["data_offsets"][1] - other["data_offsets"][0]
        other["data_offsets"] = [0, width]
        return header, data
    return one_file(bench, change)


def offsets_hole(bench):
    def change(header, data):
        for value in header.values():
            if "dtype" in value:
                value["data_offsets"] = [o + 64 for o in value["data_offsets"]]
        return header, bytes(64) + data
    return one_file(bench, change)


def offsets_past_end(bench):
    return one_file(bench, entry(lambda e: e.update(
        data_offsets=[o + (1 << 30) for o in e["data_offsets"]])))


def shape_overflow(bench):
    return one_file(bench, entry(lambda e: e.update(shape=[1 << 33, 1 << 33])))


def shape_negative(bench):
    return one_file(bench, entry(lambda e: e.update(shape=[-40, 24])))


def unknown_dtype(bench):
    return one_file(bench, entry(lambda e: e.update(dtype="F4")))


def missing_shard(bench):
    folder = bench.checkpoint(bench.sharded)
    next(folder.glob("*-of-00002.safetensors")).unlink()
    return bench.importing(folder)


def index_and_shards_differ(bench):
    folder = bench.checkpoint(bench.sharded)
    edit_config(folder, lambda i: i["weight_map"].pop(EMBED), "model.safetensors.index.json")
    return bench.importing(folder)


def path_escape(bench):
    folder = bench.checkpoint(bench.sharded)
    shutil.copytree(bench.sharded, folder.parent / "outside")

    def escape(index):
        for tensor, file in index["weight_map"].items():
            index["weight_map"][tensor] = "../outside/" + file
    edit_config(folder, escape, "model.safetensors.index.json")
    return bench.importing(folder)


def symlink_out(bench):
    folder = bench.checkpoint()
    target = folder.parent / "elsewhere.safetensors"
    (folder / "model.safetensors").rename(target)
    (folder / "model.safetensors").symlink_to(target)
    return bench.importing(folder)


def weights_with(bits):
    def change(header, data):
        begin = header[EMBED]["data_offsets"][0]
        return header, data[:begin] + struct.pack("<H", bits) + data[begin + 2:]
    return lambda bench: one_file(bench, change)


nan_weight = weights_with(0x7FC0)
inf_weight = weights_with(0xFF80)


def no_weights(bench):
    folder = bench.checkpoint()
    (folder / "model.safetensors").unlink()
    return bench.importing(folder)


# --- config ----------------------------------------------------------------------


def config(change, *flags):
    def build(bench):
        folder = bench.checkpoint()
        edit_config(folder, change)
        return bench.importing(folder, *flags)
    return build


def config_absent(bench):
    folder = bench.checkpoint()
    (folder / "config.json").unlink()
    return bench.importing(folder)


def config_no_json(bench):
    folder = bench.checkpoint()
    (folder / "config.json").write_text("{'a': 1}")
    return bench.importing(folder)


config_no_model_type = config(lambda c: c.pop("model_type"))
config_no_layer_count = config(lambda c: c["text_config"].pop("num_hidden_layers"))
config_wrong_kind = config(lambda c: c["text_config"].update(hidden_size="24"))
config_unknown = config(lambda c: c.update(colour="red"))
config_unknown_strict = config(lambda c: c.update(colour="red"), "--strict")
config_contradicts = config(lambda c: c["text_config"].update(layer_types=["conv"]))
config_two_spellings = config(lambda c: c["text_config"].update(block_norm_eps=1e-6))
config_heads = config(lambda c: c["text_config"].update(num_attention_heads=4,
                                                        num_key_value_heads=3))
config_model_type = config(lambda c: c.update(model_type="llama"))
config_activation = config(lambda c: c["vision_config"].update(hidden_act="relu"))
config_projector_activation = config(lambda c: c.update(projector_hidden_act="silu"))
config_rope = config(lambda c: c["text_config"].update(rope_parameters={"rope_type": "yarn"}))
config_rope_scaling = config(lambda c: c["text_config"].update(rope_scaling={"factor": 2.0}))
config_quantised = config(lambda c: c.update(quantization_config={"bits": 4}))
config_taps = config(lambda c: c["text_config"].update(conv_L_cache=9))
config_table = config(lambda c: c["vision_config"].update(num_patches=15))
shapes_disagree = config(lambda c: c["text_config"].update(vocab_size=41))


def tied_with_head(*flags):
    def build(bench):
        folder = bench.checkpoint()
        path = folder / "model.safetensors"
        header, data = read_tensors(path)
        begin, end = header[EMBED]["data_offsets"]
        header["lm_head.weight"] = dict(header[EMBED],
                                        data_offsets=[len(data), len(data) + end - begin])
        other = bytes([data[begin] ^ 1]) + data[begin + 1:end]
        write_tensors(path, header, data + other)
        return bench.importing(folder, *flags)
    return build


head_tied_and_present = tied_with_head()
head_tied_and_present_strict = tied_with_head("--strict")

# --- tokenizer and template --------------------------------------------------------


def with_asset(file, change, *flags):
    """A question to the demo model with one asset changed: text -> text."""
    def build(bench):
        artifact = Artifact(bench.model)
        section = artifact.asset(file)
        section[2] = bytearray(change(section[2].decode()).encode())
        return bench.asking("-p", "Hi", *flags,
                            model=artifact.write(bench.folder() / "changed.rill"))
    return build


def tokenizer(change):
    def apply(text):
        tree = json.loads(text)
        change(tree)
        return json.dumps(tree)
    return with_asset("tokenizer.json", apply)


def raise_highest_id(tree):
    vocab = tree["model"]["vocab"]
    vocab[max(vocab, key=vocab.get)] += 1


tokenizer_id_gap = tokenizer(raise_highest_id)
tokenizer_same_id = tokenizer(lambda t: t["added_tokens"][1].update(id=t["added_tokens"][0]["id"]))
tokenizer_clash = tokenizer(lambda t: t["added_tokens"][0].update(
    content=next(w for w in t["model"]["vocab"]
                 if w not in {a["content"] for a in t["added_tokens"]})))
tokenizer_merge = tokenizer(lambda t: t["model"]["merges"].append(["qqqq", "zzzz"]))
tokenizer_normalizer = tokenizer(lambda t: t.update(normalizer={"type": "NFKC"}))
tokenizer_normalizers = tokenizer(lambda t: t.update(normalizer={
    "type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]}))
tokenizer_kind = tokenizer(lambda t: t["model"].update(type="WordPiece"))


def template(text, *flags):
    return with_asset("chat_template.jinja", lambda _: text, *flags)


template_unknown = template("{% autoescape true %}x{% endautoescape %}")
template_grammar = template("{% for m in messages %}")
template_endless = template("{% for a in range(99999) %}{% for b in range(99999) %}"
                            "{% endfor %}{% endfor %}")
template_range_bomb = template("{{ range(1000000000000) | list }}")
template_recursion = template("{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}")
template_output = template("{% set ns = namespace(s='0123456789') %}{% for i in range(60) %}"
                           "{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}")


def import_text(file, text):
    """Import of a folder with this tokenizer or template beside the model."""
    def build(bench):
        folder = bench.checkpoint()
        (folder / file).write_text(text)
        return bench.importing(folder)
    return build


import_tokenizer_refused = import_text("tokenizer.json", json.dumps(
    {"normalizer": {"type": "NFKC"}, "model": {"type": "BPE", "vocab": {}, "merges": []}}))
import_template_refused = import_text("chat_template.jinja", "{% autoescape true %}{% endautoescape %}")
import_template_in_config_refused = import_text(
    "tokenizer_config.json", json.dumps({"chat_template": "{% for m in messages %}"}))


def spelt_special(bench):
    """The user's <|im_end|> is text: more tokens than the special token alone."""
    def accept(done):
        said = bench.asking("-p", "x", "--count-tokens")
        plain = subprocess.run(said.argv, capture_output=True, text=True).stdout
        count = lambda text: int(text.rsplit("total: ", 1)[1].split()[0])
        more = count(done.stdout) - count(plain)
        return "" if more >= 5 else f"<|im_end|> became {more + 1} token(s)"
    return bench.asking("-p", "<|im_end|>", "--count-tokens", accept=accept)


# --- pictures ----------------------------------------------------------------------


def picture(name, change=lambda b: b):
    """A question about a picture of test/data/pictures whose bytes are changed."""
    def build(bench):
        path = bench.picture(name, change((PICTURES / name).read_bytes()))
        return bench.asking("--image", path, "-p", "Hi")
    return build


def flip(at):
    return lambda b: b[:at] + bytes([b[at] ^ 0x10]) + b[at + 1:]


picture_truncated_jpeg = picture("rgb.jpg", lambda b: b[:len(b) // 2])
picture_truncated_png = picture("rgb.png", lambda b: b[:len(b) // 2])
picture_truncated_webp = picture("lossy.webp", lambda b: b[:len(b) // 2])
picture_flipped_png = picture("rgb.png", flip(60))
picture_flipped_webp = picture("lossless.webp", flip(4))
picture_flipped_jpeg = picture("rgb.jpg", flip(2))
picture_wrong_type = picture("rgb.png", lambda b: b"GIF89a" + b[6:])
picture_text = picture("rgb.png", lambda b: b"not a picture\n")
picture_empty = picture("rgb.png", lambda b: b"")
picture_bomb = picture("bomb.png")


def png(width, height):
    """The header of a PNG of this size, checksum right."""
    import zlib

    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data +
                struct.pack(">I", zlib.crc32(kind + data)))
    rows = zlib.compress((b"\0" + bytes(width)) * height) if width * height < 1 << 22 else b""
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0,
                                                             0, 0)) +
            chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def png_of(width, height):
    return lambda bench: bench.asking("--image", bench.picture("p.png", png(width, height)),
                                      "-p", "Hi")


picture_declared_bomb = png_of(65500, 65500)
picture_zero = png_of(0, 10)
picture_extreme = png_of(1, 4000)
picture_one_pixel = png_of(1, 1)
picture_grey = picture("grey.jpg")
picture_cmyk = picture("cmyk.jpg")
picture_alpha = picture("rgba.png")
picture_exif = picture("orientation6.jpg")
picture_animated_webp = picture("animated.webp")
picture_animated_png = picture("animated.png")


def picture_absent(bench):
    return bench.asking("--image", bench.work / "nowhere.png", "-p", "Hi")


# --- prompts -----------------------------------------------------------------------


def prompt_too_long(bench):
    return bench.asking("-p", "seven " * 600)


def markers_without_pictures(bench):
    return bench.asking("--raw", "-p", "<image><image>look")


def pictures_without_markers(bench):
    return bench.asking("--raw", "-p", "look", "--image", PICTURES / "rgb.png")


def sampling(*flags):
    return lambda bench: Run(bench.tool("rill-run"), "-m", bench.model, "--weights-folder", DEMO,
                             "-p", "Hi", "-n", "1", *flags)


temperature_negative = sampling("--temp", "-1")
temperature_nan = sampling("--temp", "nan")
temperature_word = sampling("--temp", "hot")
top_p_zero = sampling("--top-p", "0")
top_p_large = sampling("--top-p", "1.5")
top_k_negative = sampling("--top-k", "-1")
min_p_one = sampling("--min-p", "1")
penalty_zero = sampling("--repeat-penalty", "0")
tokens_zero = sampling("-n", "0")


def messages_no_json(bench):
    path = bench.folder() / "m.json"
    path.write_text('[{"role": "user"')
    return bench.asking("--messages", path)


def messages_without_messages(bench):
    path = bench.folder() / "m.json"
    path.write_text('{"tools": []}')
    return bench.asking("--messages", path)


def variables(text):
    return lambda bench: bench.asking("-p", "Hi", "--chat-template-kwargs", text)


variables_no_json = variables("enable_thinking=false")
variables_list = variables("[1]")
variables_own = variables('{"messages": []}')


# --- artifacts -----------------------------------------------------------------------


def bytes_of(change):
    def build(bench):
        path = bench.folder() / "bad.rill"
        path.write_bytes(change(bench.model.read_bytes()))
        return bench.asking("-p", "Hi", model=path)
    return build


artifact_empty = bytes_of(lambda b: b"")
artifact_truncated = bytes_of(lambda b: b[:len(b) // 2])
artifact_short_by_one = bytes_of(lambda b: b[:-1])
artifact_longer = bytes_of(lambda b: b + b"\0")
artifact_other_file = bytes_of(lambda b: b"#!/bin/sh\n" + b[10:])
artifact_flipped_header = bytes_of(flip(20))
artifact_flipped_table = bytes_of(flip(64 + 9))
artifact_flipped_manifest = bytes_of(flip(64 + 64 * 40))
artifact_flipped_code = bytes_of(lambda b: flip(b.index(b"\x7fELF") + 5000)(b))


def changed(change):
    """The demo artifact with hashes right after change(artifact)."""
    def build(bench):
        artifact = Artifact(bench.model)
        change(artifact)
        return bench.asking("-p", "Hi", model=artifact.write(bench.folder() / "bad.rill"))
    return build


def draft_manifest(**fields):
    """The manifest of the demo, which has no drafter, says that it has one."""
    known = {"kind": "dflash", "block_size": 8, "mask_token_id": 4, "target_layer_ids": [1]}
    return changed(lambda a: a.manifest.update(draft={**known, **fields}))


def set_version(major):
    def change(artifact):
        artifact.version = (major, 0)
    return change


draft_manifest_without_methods = draft_manifest()
draft_manifest_kind = draft_manifest(kind="medusa")
draft_manifest_mask = draft_manifest(mask_token_id=1024)
artifact_version = changed(set_version(2))
artifact_requires = changed(lambda a: a.manifest["requires"].append("telepathy"))
artifact_schema = changed(lambda a: a.manifest.update(schema="rill.manifest/9"))


def rename_target(artifact):
    artifact.manifest["targets"][0]["arch"] = "aarch64"
    for method in artifact.manifest["methods"]:
        for variant in method["variants"]:
            variant["target"] = "aarch64"


artifact_architecture = changed(rename_target)


def no_code(artifact):
    for section in artifact.sections:
        if section[0] == 2:
            section[2] = bytearray(b"\x7fELF" + bytes(200))


artifact_code = changed(no_code)


def patch_plan(record, field, value, form="<I"):
    """Writes `value` at byte `field` of the first dispatch or operand."""
    def change(artifact):
        plan = artifact.plan("text_decoder")
        dispatches = struct.unpack_from("<I", plan, 80)[0]
        at = {"header": 0, "dispatch": 96, "operand": 96 + 24 * dispatches}[record] + field
        struct.pack_into(form, plan, at, value)
    return changed(change)


plan_magic = patch_plan("header", 0, 7)
plan_version = patch_plan("header", 4, 1)
plan_kernel = patch_plan("dispatch", 0, 1 << 20)
plan_operand_index = patch_plan("dispatch", 4, 1 << 30)
plan_state_index = patch_plan("operand", 8, 1 << 30)
plan_offset = patch_plan("operand", 24, 1 << 50, "<Q")
plan_arena = patch_plan("header", 56, 1 << 45, "<Q")
plan_short = changed(lambda a: a.plan("text_decoder").__delitem__(slice(-16, None)))

# --- profiles ----------------------------------------------------------------------


def dispatches(change):
    """Profiles the demo artifact after change(notes on its dispatches)."""
    def build(bench):
        artifact = Artifact(bench.model)
        section = artifact.sections[artifact.manifest["dispatches"]]
        notes = json.loads(bytes(section[2]))
        change(notes)
        section[2] = bytearray(json.dumps(notes).encode())
        return bench.asking("-p", "Hi", "--profile-ops",
                            model=artifact.write(bench.folder() / "bad.rill"))
    return build


dispatches_schema = dispatches(lambda n: n.update(schema="rill.dispatches/9"))
dispatches_layer = dispatches(lambda n: n["plans"][0]["dispatches"][0].__setitem__(0, 1 << 40))
dispatches_negative = dispatches(lambda n: n["plans"][0]["dispatches"][0].__setitem__(3, -1))
dispatches_program = dispatches(lambda n: n["programs"].__setitem__(0, "S sqrt"))
dispatches_falling = dispatches(lambda n: n["programs"].__setitem__(0, "8 S floordiv"))
dispatches_count = dispatches(lambda n: [p["dispatches"].pop() for p in n["plans"]])
dispatches_section = changed(lambda a: a.manifest.update(dispatches=0))


def dispatches_unused(bench):
    """Damage that only a profile would meet."""
    artifact = Artifact(bench.model)
    artifact.sections[artifact.manifest["dispatches"]][2] = bytearray(b"{")
    return bench.asking("-p", "Hi", "--tokens", model=artifact.write(bench.folder() / "odd.rill"))


def dispatches_absent(bench):
    """A file without notes: kernels are named, layers and costs are not."""
    artifact = Artifact(bench.model)
    del artifact.manifest["dispatches"]
    return bench.asking("-p", "Hi", "--profile-ops",
                        model=artifact.write(bench.folder() / "old.rill"))


def injected(library, *flags):
    """A question while NVTX_INJECTION64_PATH names this file."""
    return lambda bench: bench.asking(
        "-p", "Hi", "--tokens", *flags,
        env={**os.environ, "NVTX_INJECTION64_PATH": str(library(bench))})


nvtx_absent = injected(lambda bench: bench.folder() / "none.so", "--nvtx")
nvtx_no_library = injected(lambda bench: bench.model, "--nvtx")
nvtx_no_tool = injected(lambda bench: bench.bin.parent / "lib/librill.so", "--nvtx")
nvtx_unasked = injected(lambda bench: bench.folder() / "none.so")


def trace_folder_absent(bench):
    return bench.asking("-p", "Hi", "--trace", bench.folder() / "none" / "t.json")


def trace_is_folder(bench):
    return bench.asking("-p", "Hi", "--trace", bench.folder())


def trace_disk_full(bench):
    folder = bench.folder()
    prefix = tiny_disk("4k")
    run = bench.asking("-p", "Hi", "--trace", folder / "t.json")
    if prefix is None:
        run.skip = "no file system may be mounted here"
        return run
    run.argv = [*prefix, str(folder), *run.argv]
    return run


# --- machine -------------------------------------------------------------------------


def compile_to(bench, output, *flags, **around):
    return Run(bench.tool("rill-compile"), bench.good, "-o", output, "--target", "x86-64-v3",
               *flags, **around)


def import_to(bench, output, *flags, **around):
    return Run(bench.tool("rill-import"), bench.good, "-o", output, *flags, **around)


def read_only_folder(bench):
    folder = bench.folder()
    folder.chmod(0o555)
    return import_to(bench, folder / "out.mlir", drop_root=True)


def unreadable_file(bench):
    folder = bench.checkpoint()
    (folder / "config.json").chmod(0)
    run = bench.importing(folder)
    run.drop_root = True
    return run


def disk_full(bench):
    folder = bench.folder()
    prefix = tiny_disk("64k")
    run = compile_to(bench, folder / "out.rill")
    if prefix is None:
        run.skip = "no file system may be mounted here"
        return run
    run.argv = [*prefix, str(folder), *run.argv]
    return run


def temporary_disk_full(bench):
    folder = bench.folder()
    prefix = tiny_disk("8k")
    run = compile_to(bench, bench.folder() / "out.rill",
                     env=dict(os.environ, TMPDIR=str(folder)))
    if prefix is None:
        run.skip = "no file system may be mounted here"
        return run
    run.argv = [*prefix, str(folder), *run.argv]
    return run


def small_file_size_limit(bench):
    return compile_to(bench, bench.folder() / "out.rill", limits={resource.RLIMIT_FSIZE: 16 << 10})


def file_size_limit(bench):
    """Room for the object code, not for the artifact."""
    folder = bench.folder()

    def accept(_):
        left = [p.name for p in folder.iterdir()]
        return f"left behind {left}" if left else ""
    return compile_to(bench, folder / "out.rill", limits={resource.RLIMIT_FSIZE: 160 << 10},
                      accept=accept)


def output_is_folder(bench):
    return import_to(bench, bench.folder(), "--force")


def output_folder_absent(bench):
    return import_to(bench, bench.folder() / "no/such/out.mlir")


def output_exists(bench):
    path = bench.folder() / "out.mlir"
    path.write_text("kept")
    return import_to(bench, path, accept=lambda _: "" if path.read_text() == "kept" else "replaced")


def stdout_closed(bench):
    return import_to(bench, "-", stdout="closed")


def stdout_full(bench):
    return import_to(bench, "-", stdout="full")


def run_stdout_full(bench):
    return bench.asking("-p", "Hi", stdout="full")


def run_stdout_closed(bench):
    return bench.asking("-p", "Hi", stdout="closed")


def count_stdout_full(bench):
    return bench.asking("-p", "Hi", "--count-tokens", stdout="full")


def inspect_stdout_full(bench):
    return Run(bench.tool("rill-inspect"), bench.model, "--manifest", stdout="full")


def inspect_folder_stdout_full(bench):
    return Run(bench.tool("rill-inspect"), bench.checkpoint(), stdout="full")


def inspect_folder_refused(bench):
    folder = bench.checkpoint()
    edit_config(folder, lambda config: config["text_config"].update(intermediate_size=48))
    return Run(bench.tool("rill-inspect"), folder)


def inspect_folder_without_config(bench):
    folder = bench.checkpoint()
    (folder / "config.json").unlink()
    return Run(bench.tool("rill-inspect"), folder)


def inspect_tensors_truncated(bench):
    folder = bench.checkpoint()
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    return Run(bench.tool("rill-inspect"), path)


def inspect_plot_folder_absent(bench):
    return Run(bench.tool("rill-inspect"), bench.model, "--plot", bench.folder() / "none" / "plan.svg")


def no_home(bench):
    return bench.asking("-p", "Hi", env={})


def comma_decimal(bench):
    folder = bench.folder()
    name = comma_locale(folder)
    plain = sampling("--temp", "0.5", "--tokens")(bench)
    run = sampling("--temp", "0.5", "--tokens")(bench)
    run.env = {"LOCPATH": str(folder), "LC_ALL": str(name)}
    if name is None:
        run.skip = "no localedef to make a locale with"
    expected = subprocess.run(plain.argv, capture_output=True, text=True).stdout
    run.accept = lambda done: "" if done.stdout == expected else "other tokens than in C"
    return run


def memory_for_session(bench):
    """States of 2^20 rows in an address space of 1 GiB."""
    path = bench.folder() / "long.rill"
    folder = bench.checkpoint()
    edit_config(folder, lambda c: c["text_config"].update(max_position_embeddings=1 << 24))
    subprocess.run([bench.tool("rill-compile"), folder, "-o", path, "-q", "--target", "x86-64-v3",
                    "--max-seq-len", str(1 << 24)], check=True)
    return Run(bench.tool("rill-run"), "-m", path, "--method", "token_embedding",
               "--input=1x1xi64=1", limits={resource.RLIMIT_AS: 1 << 30})


def threads_for_session(bench):
    """256 threads where the address space holds few stacks."""
    return bench.asking("-p", "Hi", "-t", "256", limits={resource.RLIMIT_AS: 600 << 20})
