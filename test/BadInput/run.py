"""run.py BUILD [NAME ...]: holds docs/BadInput.md against the tools.

Every row names a case of cases.py or a GoogleTest. A case is run: the tool in
the row's second column must end with the exit code and say the message. A
GoogleTest must exist in its program. Every case must have a row."""
import inspect
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile

import bench as support
import cases
import draft_cases
import init_cases

TABLE = support.ROOT / "docs/BadInput.md"
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, PR_CAPBSET_DROP = 1, 2, 24


def rows():
    """(input, tool, exit code, message, test) of every row of the page."""
    found = []
    for line in TABLE.read_text().splitlines():
        cells = [c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 5 and cells[2].isdigit():
            found.append([c.replace("\\|", "|") for c in cells])
    return found


def prepare(run):
    """What the child does before the tool starts."""
    def child():
        if run.drop_root:
            import ctypes
            libc = ctypes.CDLL(None)
            for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
                libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
        for limit, value in run.limits.items():
            resource.setrlimit(limit, (value, value))
        if run.stdout == "closed":
            os.close(1)
        elif run.stdout == "full":
            os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
    return child


def judge(run, tool, code, message):
    """"" when the call does what the row says."""
    if not any(os.path.basename(a) == tool for a in run.argv):
        return f"runs {run.argv[0]}, not {tool}"
    done = subprocess.run(run.argv, capture_output=True, text=True, errors="replace", timeout=120,
                          env=dict(os.environ) if run.env is None else run.env,
                          preexec_fn=prepare(run), stdin=subprocess.DEVNULL)
    said = done.stderr + done.stdout
    if done.returncode != code:
        return f"exit code {done.returncode}, not {code}: {said[-600:]}"
    for part in message.strip("`").split(" ... "):
        if part not in said:
            return f'no "{part}" in: {said[-600:]}'
    return run.accept(done) if run.accept else ""


def unit_test(build, name):
    """"" when `program Suite.Case` exists."""
    program, case = name.split()
    path = pathlib.Path(build) / "unit" / program
    if not path.exists():
        return f"no program {path}"
    listed = subprocess.run([path, "--gtest_list_tests", f"--gtest_filter={case}"],
                            capture_output=True, text=True).stdout
    return "" if "\n  " in listed else f"{program} has no test {case}"


def all_cases():
    """The functions that build a case, by name."""
    return {name: value for module in (cases, draft_cases, init_cases)
            for name, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", "") == module.__name__
            and list(inspect.signature(value).parameters) == ["bench"]}


def main():
    build, only = pathlib.Path(sys.argv[1]).resolve(), set(sys.argv[2:])
    wrong, skipped, ran, units = [], [], set(), 0
    with tempfile.TemporaryDirectory() as folder:
        bench = support.Bench(build, folder)
        for what, tool, code, message, test in rows():
            if only and test not in only:
                continue
            problem = ""
            if " " in test:
                units += 1
                problem = unit_test(build, test)
            elif test not in all_cases():
                problem = "no such case"
            else:
                run = all_cases()[test](bench)
                ran.add(test)
                if run.skip:
                    skipped.append(f"{test}: {run.skip}")
                else:
                    problem = judge(run, tool, int(code), message)
            if problem:
                wrong.append(f"{test} ({what}): {problem}")
    if not only:
        wrong += [f"case {name} has no row" for name in sorted(all_cases().keys() - ran)]
    for line in wrong:
        print("WRONG", line)
    for line in skipped:
        print("SKIPPED", line)
    print(f"bad input: {len(ran) - len(skipped)} cases run, {units} unit tests found, "
          f"{len(skipped)} skipped, {len(wrong)} wrong")
    return 1 if wrong or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
