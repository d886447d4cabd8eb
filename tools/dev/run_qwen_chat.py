"""run_qwen_chat.py BUILD FOLDER: a folder of tools/dev/make_qwen_chat, compiled
for f32 and asked with rill-run: prompts, their ids and greedy tokens must equal
the official ones."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import checkpoint_lib as lib

BUILD, FOLDER = sys.argv[1:]


def run(tool, *arguments):
    return subprocess.run([f"{BUILD}/bin/{tool}", *map(str, arguments)], check=True,
                          stdout=subprocess.PIPE, text=True).stdout


def equal(what, request, ours, theirs):
    if ours != theirs:
        sys.exit(f"qwen chat: {what} differ\n  for      {request!r}\n  Rill     {ours!r}\n  official {theirs!r}")


def ids_of(line):
    assert line.startswith("tokens:"), line
    return [int(word) for word in line.split()[1:]]


def arguments_of(request, place, number):
    """By -p where the request is a single message, else by --messages; the
    template's variables by the flag with -p and in every second case."""
    flags, messages = [], request["messages"]
    short = [m["role"] for m in messages] in (["user"], ["system", "user"]) and "tools" not in request
    if "chat_template_kwargs" in request and (short or number % 2):
        flags = ["--chat-template-kwargs", json.dumps(request["chat_template_kwargs"])]
        request = {k: v for k, v in request.items() if k != "chat_template_kwargs"}
    if short:
        system = ["--system-prompt", messages[0]["content"]] if len(messages) == 2 else []
        return flags + system + ["-p", messages[-1]["content"]], True
    path = f"{place}/{number}.json"
    with open(path, "w", encoding="utf-8") as file:
        json.dump(request, file)
    return flags + ["--messages", path], False


def main():
    with open(FOLDER + "/cases.json", encoding="utf-8") as file:
        known = json.load(file)
    with open(FOLDER + "/config.json", encoding="utf-8") as file:
        config = json.load(file)
    plain, tokens = 0, 0
    with tempfile.TemporaryDirectory() as place:
        lib.write_checkpoint(place, config, {}, known["dtype"], known["weights_seed"], 1)
        for name in ("generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            shutil.copyfile(f"{FOLDER}/{name}", f"{place}/{name}")
        model = place + "/model.rill"
        run("rill-compile", place, "-o", model, "-q", "--dtype", "f32", "--target", "x86-64-v3")
        for number, case in enumerate(known["cases"]):
            flags, short = arguments_of(case["request"], place, number)
            plain += short
            shown = run("rill-run", "-m", model, *flags, "--print-prompt", "--tokens")
            prompt, _, line = shown.rstrip("\n").rpartition("\n")
            equal("prompts", case["request"], prompt, case["prompt"])
            equal("ids of the prompt", case["request"], ids_of(line), case["ids"])
            said = run("rill-run", "-m", model, *flags, "--temp", "0", "--ignore-eos", "--tokens",
                       "-n", len(case["tokens"]))
            line = said.rstrip("\n").rpartition("\n")[2]
            equal("greedy tokens", case["request"], ids_of(line), case["tokens"])
            tokens += len(case["tokens"])
    print(f"{len(known['cases'])} conversations ({plain} by -p): prompts, ids and {tokens} greedy tokens equal")


if __name__ == "__main__":
    main()
