#!/usr/bin/env python3
"""The pictures and questions of the demo model, drawn from a seed.

  demo_pictures.py --seed N --count 200 -o FOLDER

writes FOLDER/NNNN.png and FOLDER/questions.json: a list of {image, kind,
question, answer}. Needs Pillow (the oracle's environment). What a seed draws is
fixed; the training script uses seeds of its own, so other seeds are held out.
"""

import argparse
import json
import os
import random

from PIL import Image, ImageDraw

COLOURS = {
    "red": (220, 40, 40), "green": (40, 160, 60), "blue": (40, 80, 220),
    "yellow": (240, 210, 40), "purple": (150, 50, 190), "orange": (245, 135, 30)}
BACKGROUNDS = [(255, 255, 255), (232, 232, 236), (245, 238, 220), (60, 60, 66), (16, 16, 20)]
SHAPES = ["circle", "square", "triangle", "cross"]
PLACES = ["top left", "top right", "bottom left", "bottom right"]
GRID = 2  # cells per side
NUMBERS = ["zero", "one", "two", "three", "four"]
KINDS = ["colour", "shape", "count", "place", "look", "digit", "describe"]
# Five columns by seven rows, one string per row.
DIGITS = [
    "01110 10001 10011 10101 11001 10001 01110", "00100 01100 00100 00100 00100 00100 01110",
    "01110 10001 00001 00110 01000 10000 11111", "11110 00001 00001 01110 00001 00001 11110",
    "00010 00110 01010 10010 11111 00010 00010", "11111 10000 11110 00001 00001 10001 01110",
    "00110 01000 10000 11110 10001 10001 01110", "11111 00001 00010 00100 01000 01000 01000",
    "01110 10001 10001 01110 10001 10001 01110", "01110 10001 10001 01111 00001 00010 01100"]
SCALE = 4  # pictures are drawn this much larger and averaged down


def draw_scene(rng):
    """What is on one picture: a list of (shape or digit, colour, cell)."""
    if rng.random() < 0.22:
        return [(rng.randrange(10), rng.choice(list(COLOURS)), rng.randrange(GRID * GRID))]
    count = rng.randint(1, 4)
    cells = rng.sample(range(GRID * GRID), count)
    return [(rng.choice(SHAPES), rng.choice(list(COLOURS)), cell) for cell in cells]


def shade(rng, colour, amount=14):
    return tuple(max(0, min(255, c + rng.randint(-amount, amount))) for c in colour)


def draw_shape(draw, kind, colour, box):
    x0, y0, x1, y1 = box
    if kind == "circle":
        draw.ellipse(box, fill=colour)
    elif kind == "square":
        draw.rectangle(box, fill=colour)
    elif kind == "triangle":
        draw.polygon([((x0 + x1) / 2, y0), (x1, y1), (x0, y1)], fill=colour)
    else:
        third = (x1 - x0) / 3.2
        draw.rectangle([(x0 + x1 - third) / 2, y0, (x0 + x1 + third) / 2, y1], fill=colour)
        draw.rectangle([x0, (y0 + y1 - third) / 2, x1, (y0 + y1 + third) / 2], fill=colour)


def draw_digit(draw, digit, colour, box):
    x0, y0, x1, y1 = box
    for row, bits in enumerate(DIGITS[digit].split()):
        for column, bit in enumerate(bits):
            if bit == "1":
                draw.rectangle([x0 + (x1 - x0) * column / 5, y0 + (y1 - y0) * row / 7,
                                x0 + (x1 - x0) * (column + 1) / 5 - 1,
                                y0 + (y1 - y0) * (row + 1) / 7 - 1], fill=colour)


def render(rng, scene, width, height):
    """The RGB picture of a scene."""
    big = Image.new("RGB", (width * SCALE, height * SCALE), shade(rng, rng.choice(BACKGROUNDS), 6))
    draw = ImageDraw.Draw(big)
    cell_w, cell_h = width * SCALE / GRID, height * SCALE / GRID
    side = min(cell_w, cell_h)
    for kind, colour, cell in scene:
        fill = shade(rng, COLOURS[colour])
        if isinstance(kind, int):
            h = side * rng.uniform(0.84, 0.92)
            w = h * 5 / 7
        else:
            w = h = side * rng.uniform(0.64, 0.8)
        x = cell_w * (cell % GRID) + rng.uniform(0.35, 0.65) * (cell_w - w)
        y = cell_h * (cell // GRID) + rng.uniform(0.35, 0.65) * (cell_h - h)
        box = [x, y, x + w, y + h]
        (draw_digit if isinstance(kind, int) else draw_shape)(draw, kind, fill, box)
    return big.reduce(SCALE)


def at_place(cell):
    return f"at the {PLACES[cell]}"


def article(word):
    return ("an " if word[0] in "aeiou" else "a ") + word


def sentence(text):
    return text[0].upper() + text[1:] + "."


def questions_of(rng, scene):
    """Every question the scene answers, as (kind, question, answer)."""
    out = []
    kinds = [kind for kind, _, _ in scene]
    colours = [colour for _, colour, _ in scene]
    if isinstance(kinds[0], int):
        digit, colour, cell = scene[0]
        out.append(("digit", rng.choice(["Which digit is shown?", "What number do you see?"]),
                    f"It is a {digit}."))
        out.append(("colour", "What colour is the digit?", f"The digit is {colour}."))
        out.append(("place", "Where is the digit?", sentence(at_place(cell))))
        out.append(("describe", "Describe the picture.",
                    f"{sentence(article(colour))[:-1]} {digit} {at_place(cell)}."))
        return out
    out.append(("count", rng.choice(["How many shapes are there?", "How many shapes do you see?"]),
                sentence(NUMBERS[len(scene)])))
    for kind, colour, cell in scene:
        if kinds.count(kind) == 1:
            out.append(("colour", f"What colour is the {kind}?", f"The {kind} is {colour}."))
        if colours.count(colour) == 1:
            out.append(("shape", f"Which shape is {colour}?", sentence(article(kind))))
        if sum(1 for other in scene if other[:2] == (kind, colour)) == 1:
            out.append(("place", f"Where is the {colour} {kind}?", sentence(at_place(cell))))
        out.append(("look", f"What is {at_place(cell)}?", sentence(article(f"{colour} {kind}"))))
    if len(scene) <= 2:
        parts = [f"{article(f'{colour} {kind}')} {at_place(cell)}"
                 for kind, colour, cell in sorted(scene, key=lambda item: item[2])]
        out.append(("describe", "Describe the picture.", sentence(" and ".join(parts))))
    return out


def draw_size(rng):
    """Width and height; about one picture in sixteen is large enough for tiles."""
    if rng.random() < 1 / 16:
        return rng.randint(144, 200), rng.randint(144, 200)
    return rng.randint(80, 112), rng.randint(80, 112)


def held_out(seed, count):
    """`count` pictures with one question each, the kinds in turn."""
    rng = random.Random(f"held out {seed}")
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        asked = []
        while not asked:
            scene = draw_scene(rng)
            asked = [entry for entry in questions_of(rng, scene) if entry[0] == kind]
        _, question, answer = rng.choice(asked)
        yield render(rng, scene, *draw_size(rng)), kind, question, answer


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=210)
    parser.add_argument("-o", "--output", metavar="FOLDER", required=True)
    args = parser.parse_args()
    os.makedirs(args.output, exist_ok=True)
    entries = []
    for number, (picture, kind, question, answer) in enumerate(held_out(args.seed, args.count)):
        name = f"{number:04}.png"
        picture.save(os.path.join(args.output, name))
        entries.append({"image": name, "kind": kind, "question": question, "answer": answer})
    with open(os.path.join(args.output, "questions.json"), "w", encoding="utf-8") as file:
        json.dump(entries, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
