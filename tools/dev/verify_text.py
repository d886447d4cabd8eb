"""Compares Rill's text and picture formats with tokenizers, jinja2 (as
transformers sets it up) and the official image processor. Run by
tools/dev/verify text in the oracle's environment."""

import argparse
import glob
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import unicodedata

import numpy as np
from PIL import Image
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers,
                        trainers)
from transformers import Lfm2VlImageProcessor
from transformers.utils.chat_template_utils import render_jinja_template

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# Split pattern, ignore_merges, whether the normalizer is NFC.
PATTERNS = {
    "lfm2": (CONTRACTIONS + r"\p{N}{1,3}|" + REST, True, False),
    "llama3": (CONTRACTIONS + r"\p{N}{1,3}|" + REST, False, False),
    "qwen": (CONTRACTIONS + r"\p{N}|" + REST, False, True)}
SPECIALS = ["<|pad|>", "<|startoftext|>", "<|im_start|>", "<|im_end|>", "<image>",
            "<|image_start|>", "<|image_end|>"]
PLAIN_ADDED = ["<think>", "</think>"]
# Sought in the text after and before it is normalised; the first is e and an acute.
ACCENTED = [AddedToken("<e\u0301>", normalized=True), AddedToken("<o\u0308>", normalized=False)]
MARKS = "\u0301\u0308\u0327\u0338\u0345\u0334\u05b0\u0591\u3099\u093c\u0f71\u0f72\u20d0\U0001d165"
COMPOSING = ("eoAiuY\u1100\u1161\u11a8\uac00\uac01\u212b\u2126\u1e69\u1e9b\u0958\u0344\u0387\uf900"
             "\U0002f800\u304b\u09c7\u09be\u0dd9\u0dcf\u0dca\u1f80\u037e\u00e9\u01d5 <>a\n")


def ask(probe, mode, subject, lines):
    """The probe's answers to lines."""
    done = subprocess.run([probe, mode, subject], input="\n".join(lines) + "\n", text=True,
                          stdout=subprocess.PIPE, check=True)
    answers = done.stdout.split("\n")[:-1]
    assert len(answers) == len(lines), (len(answers), len(lines))
    return answers


def differ(what, given, ours, theirs):
    sys.exit(f"verify text: {what} differ\n  for    {given!r}\n  Rill   {ours!r}\n  others {theirs!r}")


# --- strings ---------------------------------------------------------------------


def corpus():
    folder = os.path.dirname(os.__file__)
    text = []
    for path in sorted(glob.glob(folder + "/*.py"))[:60]:
        with open(path, encoding="utf-8", errors="replace") as file:
            text.append(file.read())
    for name in ("LICENSE", "README.md", "CONTRIBUTING.md"):
        if os.path.exists(os.path.join(ROOT, name)):
            with open(os.path.join(ROOT, name), encoding="utf-8") as file:
                text.append(file.read())
    text.append("¿Qué tal? Straße, naïve, œuvre. Привет, мир! 你好，世界。こんにちは 🎉🎉 " * 50)
    return text


RANGES = [(0x20, 0x7F), (0xA0, 0x250), (0x370, 0x530), (0x590, 0x700), (0x900, 0xA00),
          (0xE00, 0xE80), (0x1100, 0x1200), (0x2000, 0x2070), (0x20A0, 0x2C00), (0x3000, 0x3100),
          (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFB00, 0xFB50), (0xFF00, 0xFFF0),
          (0x10000, 0x10400), (0x1D400, 0x1D800), (0x1F300, 0x1FA70), (0x20000, 0x20100)]
BLANKS = " \t\n\r\x0b\x0c\x85\xa0\u1680\u180e\u2003\u2028\u2029\u202f\u205f\u3000\x1c\x1f\u200b"


def random_string(rng, texts):
    """One string of a random kind."""
    kind = rng.randrange(10)
    length = rng.choice([1, 3, 8, 20, 60])
    if kind == 0:
        return "".join(chr(rng.randrange(*rng.choice(RANGES))) for _ in range(length))
    if kind == 1:
        code = lambda: rng.choice([c for c in [rng.randrange(0x110000)] if not 0xD800 <= c < 0xE000]
                                  or [0x41])
        return "".join(chr(code()) for _ in range(length))
    if kind in (2, 3):
        text = rng.choice(texts)
        start = rng.randrange(max(1, len(text) - length * 4))
        return text[start:start + length * 4]
    if kind == 4:
        return "".join(rng.choice(BLANKS) if rng.random() < 0.6 else rng.choice("aZ9.é'")
                       for _ in range(length))
    if kind == 5:
        parts = [rng.choice(SPECIALS + PLAIN_ADDED + ["<|im_", "end|>", "<", "|>", "<|im_start", " ",
                                                      "a", "\n", "<imag", "e>"])
                 for _ in range(rng.randint(1, 6))]
        return "".join(parts)
    if kind == 9:
        parts = ["<e\u0301>", "<\u00e9>", "<o\u0308>", "<\u00f6>", "<|im_end|>", "<image>"]
        return "".join(rng.choice(parts) if rng.random() < 0.1 else
                       rng.choice(MARKS if rng.random() < 0.5 else COMPOSING) for _ in range(length))
    if kind == 6:
        return "".join(rng.choice("👨‍👩‍👧🏽🇩🇪❤️é̂ñ㎏ﬁﬆſK") for _ in range(length))
    if kind == 7:
        return "".join(rng.choice(["'s", "'S", "'ſ", "'ll", "'LL", "I'", "1234567", "٣٤٥", "½", "x",
                                   "Ⅷ", "'re", " ", "'"]) for _ in range(length // 2 + 1))
    return "".join(rng.choice("(){}[];:=+-*/%&|^!~<>.,?@#$_\\\"'` \n\tabcXYZ019")
                   for _ in range(length))


def train_tokenizer(name, folder, texts):
    pattern, ignore, nfc = PATTERNS[name]
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore))
    if nfc:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=6000, special_tokens=SPECIALS, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.add_tokens(PLAIN_ADDED + (ACCENTED if nfc else []))
    path = os.path.join(folder, name + ".json")
    tokenizer.save(path)
    return tokenizer, path


def check_tokenizers(probe, folder, seed, count):
    texts, total = corpus(), 0
    for name in PATTERNS:
        tokenizer, path = train_tokenizer(name, folder, texts)
        rng = random.Random(f"{seed} {name}")
        strings = [random_string(rng, texts).encode("utf-8") for _ in range(count)]
        for i in range(0, count, 10):  # every tenth: broken bytes
            data = bytearray(strings[i])
            for _ in range(rng.randint(1, 4)):
                data.insert(rng.randint(0, len(data)), rng.randrange(128, 256))
            strings[i] = bytes(data)
        texts_in = [data.decode("utf-8", errors="replace") for data in strings]
        for mode, letter in (("special tokens recognised", "T"), ("user text", "U")):
            tokenizer.encode_special_tokens = letter == "U"
            theirs = [e.ids for e in tokenizer.encode_batch(texts_in, add_special_tokens=False)]
            lines = [letter + data.hex() for data in strings]
            for data, answer, ids in zip(strings, ask(probe, "encode", path, lines), theirs):
                if answer.split() != [str(i) for i in ids]:
                    differ(f"{name}, {mode}: ids", data, answer, ids)
            total += count
        texts_out = tokenizer.decode_batch(theirs, skip_special_tokens=False)
        lines = [" ".join(map(str, ids)) for ids in theirs]
        for ids, text_in, text_out, answer in zip(
                theirs, texts_in, texts_out, ask(probe, "decode", path, lines)):
            ours = bytes.fromhex(answer).decode("utf-8")
            if ours != text_out or (tokenizer.normalizer is None and ours != text_in):
                differ(f"{name}: texts", ids, ours, text_out)
        check_mixed(probe, path, tokenizer, texts_in[:2000])
        if tokenizer.normalizer is not None:
            check_normalizer(probe, path, tokenizer)
    return total


def check_normalizer(probe, path, tokenizer):
    """Every code point alone, between marks, behind a letter that composes, and
    as its decomposition; every pair that some code point decomposes to."""
    nfd = normalizers.NFD()
    codes = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    for start in range(0, len(codes), 4096):
        texts = []
        for code in codes[start:start + 4096]:
            char = chr(code)
            texts.append("".join((char, " ", "\u0345", char, "\u0334 e", char, "\u0301 ",
                                  unicodedata.normalize("NFD", char), " ", nfd.normalize_str(char))))
        lines = ["U" + text.encode().hex() for text in texts]
        theirs = tokenizer.encode_batch(texts, add_special_tokens=False)
        for text, answer, encoded in zip(texts, ask(probe, "encode", path, lines), theirs):
            if answer.split() != [str(i) for i in encoded.ids]:
                differ("ids of a code point", text, answer, encoded.ids)


def check_mixed(probe, path, tokenizer, texts):
    """Template around user text that holds no special token."""
    tokenizer.encode_special_tokens = False
    lines, whole = [], []
    for text in texts:
        if any(special[:2] in text for special in SPECIALS):
            continue
        before, after = "<|startoftext|><|im_start|>user\n<image>", "<|im_end|>\n"
        lines.append(" ".join(k + part.encode().hex()
                              for k, part in (("T", before), ("U", text), ("T", after))))
        whole.append(before + text + after)
    theirs = tokenizer.encode_batch(whole, add_special_tokens=False)
    for text, answer, encoded in zip(whole, ask(probe, "encode", path, lines), theirs):
        if answer.split() != [str(i) for i in encoded.ids]:
            differ("ids of mixed spans", text, answer, encoded.ids)


# --- templates ---------------------------------------------------------------------

QWEN_LIKE = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- "# Tools\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index and (loop.last or (not loop.last and reasoning)) %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls or [] %}
            {%- set call = tool_call.function or tool_call %}
            {{- '\\n' if content or not loop.first }}
            {{- '<tool_call>\\n{"name": "' ~ call.name ~ '", "arguments": ' }}
            {{- call.arguments if call.arguments is string else call.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {{- '<|im_start|>user' if loop.previtem is undefined or loop.previtem.role != "tool" }}
        {{- '\\n<tool_response>\\n' + content + '\\n</tool_response>' }}
        {{- '<|im_end|>\\n' if loop.last or loop.nextitem.role != "tool" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""


def random_text(rng):
    words = ["Hi", "what is", "<think>", "</think>", "\n", "é", "日本", "{{ x }}", "{% if %}", " ",
             "<|im_end|>", "\"quoted\"", "\\", "\t", "1+1", "🎉", "<image>", "\u2028", "'s"]
    return "".join(rng.choice(words) for _ in range(rng.randint(0, 7)))


def random_value(rng, depth=0):
    kind = rng.randrange(7 if depth < 2 else 5)
    if kind == 0:
        return random_text(rng)
    if kind == 1:
        return rng.choice([0, 1, -5, 10**12])
    if kind == 2:
        return rng.choice([0.5, 1e-7, 1e22, 3.0, -0.125])
    if kind in (3, 4):
        return rng.choice([True, False, None])
    if kind == 5:
        return [random_value(rng, depth + 1) for _ in range(rng.randint(0, 3))]
    return {f"k{i}": random_value(rng, depth + 1) for i in range(rng.randint(0, 3))}


def random_chat(rng, lists):
    messages = []
    if rng.random() < 0.4:
        messages.append({"role": "system", "content": random_text(rng)})
    for i in range(rng.randint(1, 6)):
        role = "user" if i % 2 == 0 else "assistant"
        content = random_text(rng)
        if lists and rng.random() < 0.4:
            content = [rng.choice([{"type": "text", "text": random_text(rng)}, {"type": "image"},
                                   {"type": "other", "value": random_value(rng)}])
                       for _ in range(rng.randint(0, 4))]
        message = {"role": role, "content": content}
        if role == "assistant" and rng.random() < 0.3:
            message["thinking"] = random_text(rng)
        if role == "assistant" and rng.random() < 0.3:
            message["reasoning_content"] = rng.choice([None, random_text(rng)])
        messages.append(message)
        if role == "assistant" and rng.random() < 0.3:
            message["tool_calls"] = [random_call(rng) for _ in range(rng.randint(1, 2))]
            messages += [{"role": "tool", "content": random_text(rng)}
                         for _ in range(rng.randint(0, len(message["tool_calls"])))]
    tools = [{"type": "function", "function": {"name": "t", "parameters": random_value(rng)}}
             for _ in range(rng.randint(1, 2))]
    variables = {"keep_past_thinking": True} if rng.random() < 0.3 else {}
    if rng.random() < 0.5:
        variables["enable_thinking"] = rng.random() < 0.3
    return {"messages": messages, "tools": tools if rng.random() < 0.3 else None,
            "add_generation_prompt": rng.random() < 0.7, "bos": "<|startoftext|>",
            "variables": variables, "now": int(time.time())}


def random_call(rng):
    """A tool call of a message: both layouts, arguments as a mapping or as text."""
    arguments = {f"a{j}": random_value(rng) for j in range(rng.randint(0, 3))}
    call = {"name": "f", "arguments": json.dumps(arguments) if rng.random() < 0.2 else arguments}
    return call if rng.random() < 0.2 else {"type": "function", "function": call}


def check_templates(probe, folder, seed, count, extra):
    sources = {}
    with open(os.path.join(ROOT, "test/data/demo/chat_template.jinja"), encoding="utf-8") as file:
        sources["demo"] = (file.read(), True)
    sources["qwen"] = (QWEN_LIKE, False)
    fixtures = os.environ.get("RILL_FIXTURES")
    if fixtures:
        path = os.path.join(fixtures, "lfm2_5_vl_hub_files/chat_template.jinja")
        with open(path, encoding="utf-8") as file:
            sources["released"] = (file.read(), True)
    else:
        print("released template skipped: RILL_FIXTURES is not set")
    for path in extra:
        with open(path, encoding="utf-8") as file:
            sources[os.path.basename(path)] = (file.read(), False)
    total, raised = 0, 0
    for name, (source, lists) in sources.items():
        place = os.path.join(folder, name)
        os.makedirs(place)
        with open(place + "/chat_template.jinja", "w", encoding="utf-8") as file:
            file.write(source)
        rng = random.Random(f"{seed} {name}")
        chats = [random_chat(rng, lists) for _ in range(count)]
        answers = ask(probe, "render", place, [json.dumps(chat) for chat in chats])
        for chat, answer in zip(chats, answers):
            try:
                rendered, _ = render_jinja_template(
                    conversations=[chat["messages"]], tools=chat["tools"], chat_template=source,
                    add_generation_prompt=chat["add_generation_prompt"],
                    bos_token=chat["bos"], **chat["variables"])
                theirs = rendered[0]
            except Exception as error:  # jinja2 raises many kinds
                theirs = None
                if not answer.startswith("error"):
                    differ(f"{name}: results", chat, answer, error)
                raised += 1
                continue
            if not answer.startswith("ok"):
                differ(f"{name}: results", chat, bytes.fromhex(answer.split()[2]), theirs)
            ours = "".join(bytes.fromhex(span[1:]).decode() for span in answer.split()[1:])
            if ours != theirs:
                differ(f"{name}: prompts", chat, ours, theirs)
            total += 1
    return total, raised


# --- pictures ------------------------------------------------------------------------


def official(values):
    return Lfm2VlImageProcessor(**{k: v for k, v in values.items()
                                   if k not in ("image_processor_type",)})


REAL = {"image_processor_type": "Lfm2VlImageProcessorFast", "resample": 2, "tile_size": 512,
        "encoder_patch_size": 16, "downsample_factor": 2, "min_tiles": 2, "max_tiles": 10,
        "min_image_tokens": 64, "max_image_tokens": 256, "max_pixels_tolerance": 2.0,
        "use_thumbnail": True, "do_image_splitting": True, "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3, "rescale_factor": 1 / 255}


def theirs_of(processor, picture):
    """Crops of a picture by the official processor: shapes and valid patches."""
    out = processor([picture], return_row_col_info=True, return_tensors="np")
    crops = []
    for pixels, mask, shape in zip(out["pixel_values"], out["pixel_attention_mask"],
                                   out["spatial_shapes"]):
        crops.append((tuple(int(v) for v in shape), pixels[: int(mask.sum())]))
    return crops, int(np.ravel(out["image_rows"])[0]), int(np.ravel(out["image_cols"])[0])


def check_counts(probe, folder, seed, count):
    """Sizes by the official geometry (pixels are not needed for it)."""
    place = os.path.join(folder, "real")
    os.makedirs(place)
    with open(place + "/preprocessor_config.json", "w", encoding="utf-8") as file:
        json.dump(REAL, file)
    processor, rng = official(REAL), random.Random(f"{seed} sizes")
    sizes = [(rng.randint(1, 3000), rng.randint(1, 3000)) for _ in range(count // 2)]
    sizes += [(rng.randint(8, 60) * 16, rng.randint(8, 60) * 16) for _ in range(count - len(sizes))]
    answers = ask(probe, "plan", place, [f"{w} {h}" for w, h in sizes])
    for (w, h), answer in zip(sizes, answers):
        smart_w, smart_h = processor.smart_resize(
            height=h, width=w, downsample_factor=2, min_image_tokens=64, max_image_tokens=256,
            encoder_patch_size=16)
        large = processor._is_image_too_large(
            height=h, width=w, max_image_tokens=256, encoder_patch_size=16, downsample_factor=2,
            max_pixels_tolerance=2.0)
        cols, rows = processor._get_grid_layout(h, w, 2, 10, 512)[:2] if large else (1, 1)
        thumb = -(-(smart_h // 16) // 2) * -(-(smart_w // 16) // 2)
        wanted = [smart_w, smart_h, cols, rows, thumb + (256 * rows * cols if large else 0)]
        if (smart_w // 16) * (smart_h // 16) > 1024 and (not large or rows * cols > 1):
            if not answer.startswith("error"):
                differ("results for a shape without a size", (w, h), answer, wanted)
        elif answer.split() != [str(v) for v in wanted]:
            differ("sizes", (w, h), answer, wanted)
    return len(sizes)


def check_pixels(probe, folder, seed, count):
    """Patches of drawn pictures; JPEG and PNG, single and tiled, both filters."""
    rng, checked, worst = random.Random(f"{seed} pixels"), 0, 0.0
    small = dict(REAL, tile_size=64, min_image_tokens=4, max_image_tokens=16, max_tiles=6,
                 encoder_patch_size=8)
    for label, values in (("small", small), ("bicubic", dict(small, resample=3)), ("real", REAL)):
        place = os.path.join(folder, "pixels-" + label)
        os.makedirs(place)
        with open(place + "/preprocessor_config.json", "w", encoding="utf-8") as file:
            json.dump(values, file)
        processor, lines, wanted = official(values), [], []
        for i in range(count if label != "real" else count // 6):
            w, h = rng.randint(20, 200), rng.randint(20, 200)
            if label == "real":
                w, h = rng.randint(200, 900), rng.randint(200, 900)
            noise = np.random.default_rng(rng.randrange(2**32)).integers(
                0, 256, (h // 4 + 1, w // 4 + 1, 3), dtype=np.uint8)
            picture = Image.fromarray(noise).resize((w, h), Image.BICUBIC)
            path = f"{place}/{i}.{rng.choice(['png', 'jpg', 'webp'])}"
            picture.save(path, **({"lossless": True} if path.endswith("webp") else {}))
            try:
                crops = theirs_of(processor, Image.open(path).convert("RGB"))[0]
            except Exception:
                continue  # a shape that breaks the official processor
            lines.append(f"{path} {place}/{i}.f32")
            wanted.append(crops)
        for line, answer, crops in zip(lines, ask(probe, "pixels", place, lines), wanted):
            shapes = [int(v) for v in answer.split()]
            if shapes != [v for shape, _ in crops for v in shape]:
                differ("crops", line, answer, [shape for shape, _ in crops])
            ours = np.fromfile(line.split()[1], dtype=np.float32)
            theirs = np.concatenate([patches.ravel() for _, patches in crops])
            error = float(np.abs(ours - theirs).max())
            worst, checked = max(worst, error), checked + 1
            if error > 0.00785:
                differ(f"pixels ({label})", line, error, "at most one level, 0.00784")
    return checked, worst


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--probe", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--template", action="append", default=[], help="another one to compare")
    parser.add_argument("--strings", type=int, default=70_000, help="per tokenizer")
    args = parser.parse_args()
    os.environ["TZ"] = "UTC"
    with tempfile.TemporaryDirectory() as folder:
        pixels, worst = check_pixels(args.probe, folder, args.seed, 90)
        print(f"{pixels} pictures: patches equal within one level (largest difference {worst:.5f})")
        sizes = check_counts(args.probe, folder, args.seed, 1000)
        print(f"{sizes} sizes: grids and counts equal")
        chats, raised = check_templates(args.probe, folder, args.seed, 400, args.template)
        print(f"{chats} conversations: prompts equal; {raised} refused by both")
        strings = check_tokenizers(args.probe, folder, args.seed, args.strings)
        print(f"{strings} encodings with {len(PATTERNS)} tokenizers: ids equal, texts round-trip; "
              "NFC of every code point equal")
    print(f"text --seed {args.seed}: holds")


if __name__ == "__main__":
    main()
