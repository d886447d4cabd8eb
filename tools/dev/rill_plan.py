"""Kernels of a plan in text (rill-compile --compile-to planned): what each operand is."""
import re

KINDS = ("matrix", "vector", "key/value", "ring", "activation", "other")


class Kernel:
    """One rill_plan.kernel; `template`, and the kinds of its operands in launch order:
    arguments, states, results, the control block."""

    def __init__(self, template, body, constant):
        self.template = template
        self.kinds = []
        weights = set()
        for names in re.findall(r"weights\(([^)]*)\)", body):
            weights |= set(re.findall(r"%arg\d+", names))
        head = re.search(r"\^bb0\(((?:%arg\d+: tensor<[^>]*>(?: loc\((?:\"[^\"]*\"|#\w+)\))?(?:, )?)*)\)",
                         body)
        for name in re.findall(r"(%arg\d+): tensor<", head.group(1) if head else ""):
            number = int(name[4:])
            self.kinds.append("matrix" if name in weights else
                              "vector" if constant[number] else "activation")
        for line in re.findall(r"rill\.state @\w+.*", body):
            self.kinds.append("ring" if " ring " in line else "key/value")
        # A tensor map takes the place of 16 words.
        maps = re.search(r"maps = array<i64: ([-\d, ]+)>", body)
        self.maps = [int(word) for word in maps.group(1).split(",")][::4] if maps else []

    def kind(self, parameter):
        """Of the operand that holds this word of the parameters; results and the control block
        are "other"."""
        for number, kind in enumerate(self.kinds):
            parameter -= 16 if number in self.maps else 1
            if parameter < 0:
                return kind
        return "other"


def kernels(text):
    """Name -> Kernel of a planned module."""
    weights, constant = set(), {}
    for line in text.splitlines():
        dispatch = re.search(r"rill_plan\.dispatch @(\w+)\(([^)]*)\)", line)
        if dispatch:
            constant[dispatch[1]] = [operand.strip() in weights
                                     for operand in dispatch[2].split(",")]
        made = re.match(r"\s*(%\w+) = (\S+)", line)  # every variant counts from %0
        if made:
            (weights.add if made[2] == "rill_plan.weight" else weights.discard)(made[1])
    found = {}
    for name, template, body in re.findall(
            r'rill_plan\.kernel @(\w+) template "(\w+)"(.*?)rill_plan\.yield', text, re.S):
        found[name] = Kernel(template, body, constant[name])
    return found
