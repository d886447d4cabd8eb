"""Cases of bad input about a CUDA target's init, which packs weights (docs/BadInput.md names
each)."""
import struct
import subprocess

from bench import Artifact, Run

WEIGHT, PACKED = 2, 6
OPERAND = 72


def changed(change):
    """The good checkpoint compiled for sm_90a, with hashes right after change(artifact)."""
    def build(bench):
        folder = bench.folder()
        subprocess.run([bench.tool("rill-compile"), bench.good, "-o", folder / "good.rill", "-q",
                        "--weights", "external", "--target", "sm_90a", "--max-seq-len", "32"],
                       check=True)
        artifact = Artifact(folder / "good.rill")
        change(artifact)
        bad = artifact.write(folder / "bad.rill")
        return Run(bench.tool("rill-inspect"), bad, "--plan")
    return build


def init_of(artifact):
    return artifact.manifest["targets"][0]["init"]


def operands_of(plan):
    """Where the operand records of a plan section stand."""
    dispatches, operands = struct.unpack_from("<II", plan, 80)
    first = 96 + 24 * dispatches
    return range(first, first + OPERAND * operands, OPERAND)


def reads_released(artifact):
    """A packed operand names a weight that only init may read."""
    plan = artifact.plan("text_decoder")
    at = next(o for o in operands_of(plan) if struct.unpack_from("<I", plan, o)[0] == PACKED)
    struct.pack_into("<I", plan, at, WEIGHT)
    struct.pack_into("<I", plan, at + 8, init_of(artifact)["released"][0])


def packs_twice(artifact):
    """The second dispatch of init writes the output of the first."""
    plan = artifact.sections[init_of(artifact)["plan"]][2]
    first = operands_of(plan)[0]
    plan[first + 2 * OPERAND:first + 4 * OPERAND] = plan[first:first + 2 * OPERAND]


def maps_weight(artifact):
    """Init's first dispatch takes its weight as a tensor map: rows of 8, boxes of 8 by 1."""
    plan = artifact.sections[init_of(artifact)["plan"]][2]
    struct.pack_into("<IHH", plan, operands_of(plan)[0] + 56, 8, 8, 1)


def code_section(artifact):
    init_of(artifact)["plan"] = artifact.manifest["targets"][0]["ptx"]


def other_kind(artifact):
    """A target of kind elf that has an init."""
    target = artifact.manifest["targets"][0]
    target.update(kind="elf", section=target.pop("ptx"))
    target.pop("cubin")


init_reads_released = changed(reads_released)
init_packs_twice = changed(packs_twice)
init_maps_weight = changed(maps_weight)
init_code_section = changed(code_section)
init_other_kind = changed(other_kind)
init_odd_bytes = changed(lambda a: init_of(a)["packed"].__setitem__(0, 513))
init_fewer_bytes = changed(lambda a: init_of(a)["packed"].__setitem__(0, 512))
init_unknown_weight = changed(lambda a: init_of(a)["released"].append(1 << 20))
init_without_plan = changed(lambda a: init_of(a).pop("plan"))
