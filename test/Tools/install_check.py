"""install_check.py BUILD SOURCE WORK: installs, builds programs, asks them.

WORK/demo.rill is the compiled demo checkpoint."""
import json
import os
import re
import shutil
import subprocess
import sys

build, source, work = sys.argv[1:]
prefix = work + "/prefix"


def run(*command, **kwargs):
    return subprocess.run(command, check=True, capture_output=True, text=True, **kwargs).stdout


def ask(program, name):
    """The program must give the shipped answers of the first two questions."""
    with open(source + "/test/data/demo/questions.json", encoding="utf-8") as file:
        entries = json.load(file)[:2]
    for entry in entries:
        done = subprocess.run(
            [program, work + "/demo.rill", f"{source}/test/data/demo/{entry['image']}",
             entry["question"]], check=True, capture_output=True, text=True)
        assert done.stdout == entry["answer"] + "\n", (done.stdout, entry)
        # The C API gives the drafter's statistics.
        drafted = re.search(r"\d+ of (\d+) drafted ones accepted", done.stderr)
        assert drafted and int(drafted[1]) > 0, done.stderr
    print(f"{name}: {len(entries)} answers right")


run("cmake", "--install", build, "--prefix", prefix)
libraries = next(path for path, _, files in os.walk(prefix) if "rill.pc" in files)
flags = run("pkg-config", "--define-prefix", "--cflags", "--libs", "rill",
            env={**os.environ, "PKG_CONFIG_PATH": libraries}).split()
where = os.path.dirname(libraries)
run("cc", "-Wall", "-Werror", source + "/examples/answer.c", "-o", work + "/answer", *flags,
    "-lrill-generate", "-Wl,-rpath," + where)
ask(work + "/answer", "pkg-config")
for flag in ("-fexceptions", "-fno-exceptions"):
    run("c++", "-std=c++17", "-Wall", "-Wextra", "-Werror", flag,
        source + "/test/Tools/install_consumer.cpp", "-o", work + "/wrapped", *flags,
        "-Wl,-rpath," + where)
    print(flag + ": " + run(work + "/wrapped", work + "/demo.rill").strip().replace("\n", ", "))
os.makedirs(work + "/project")
shutil.copyfile(source + "/test/Tools/install_consumer.cmake", work + "/project/CMakeLists.txt")
run("cmake", "-S", work + "/project", "-B", work + "/project/build",
    "-DCMAKE_PREFIX_PATH=" + prefix, "-DRILL_EXAMPLES=" + source + "/examples")
run("cmake", "--build", work + "/project/build")
ask(work + "/project/build/answer", "find_package")
print("static: " + run(work + "/project/build/version").strip())
