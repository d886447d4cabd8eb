#!/usr/bin/env python3
"""run_demo.py RILL_RUN MODEL FOLDER: asks the questions of FOLDER/questions.json.

Prints question, answer and expected answer; the last line counts them. Exit 0
when every answer is the expected one. Further arguments go to rill-run.
"""
import json
import pathlib
import subprocess
import sys


def main():
    tool, model, folder = sys.argv[1:4]
    folder = pathlib.Path(folder)
    right, questions = 0, json.loads((folder / "questions.json").read_text())
    for entry in questions:
        done = subprocess.run(
            [tool, "-m", model, "--image", folder / entry["image"], "-p", entry["question"],
             "-n", "48", *sys.argv[4:]], stdout=subprocess.PIPE, text=True)
        answer = done.stdout.strip()
        right += answer == entry["answer"]
        print(f"{entry['image']}\n  question: {entry['question']}\n"
              f"  answer:   {answer}\n  expected: {entry['answer']}")
    print(f"{right} of {len(questions)} answers are right")
    return 0 if right == len(questions) else 1


if __name__ == "__main__":
    sys.exit(main())
