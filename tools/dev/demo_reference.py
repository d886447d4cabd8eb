"""Held-out pictures with questions, right answers and what the official classes
answer: demo_reference.py --model FOLDER --seed N --count C -o FOLDER. Run in the
environment of tools/dev/oracle. questions.json gets a list of {image, kind,
question, answer, official, tokens}; tokens are the greedy ids, end included."""

import argparse
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

import demo_pictures as pictures


def greedy_tokens(model, processor, picture, question):
    """Greedy token ids of one answer, computed in f32."""
    messages = [{"role": "user", "content": [{"type": "image"},
                                             {"type": "text", "text": question}]}]
    text = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    inputs = processor(images=picture, text=text, return_tensors="pt")
    with torch.no_grad():
        out = model.generate(**inputs, max_new_tokens=32, do_sample=False)
    return out[0, inputs["input_ids"].shape[1]:].tolist()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=210)
    parser.add_argument("-o", "--output", required=True)
    args = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    os.makedirs(args.output, exist_ok=True)
    processor = AutoProcessor.from_pretrained(args.model)
    model = AutoModelForImageTextToText.from_pretrained(args.model, dtype=torch.float32).eval()
    entries = []
    for number, (picture, kind, question, answer) in enumerate(
            pictures.held_out(args.seed, args.count)):
        name = f"{number:04}.png"
        picture.save(os.path.join(args.output, name))
        tokens = greedy_tokens(model, processor, Image.open(os.path.join(args.output, name)),
                               question)
        entries.append({"image": name, "kind": kind, "question": question, "answer": answer,
                        "official": processor.tokenizer.decode(tokens, skip_special_tokens=True),
                        "tokens": tokens})
    with open(os.path.join(args.output, "questions.json"), "w", encoding="utf-8") as file:
        json.dump(entries, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
