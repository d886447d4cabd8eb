"""lit for Rill: .mlir and .test files, tools from the build folder."""
import os
import pathlib
import shutil

import lit.formats

config.name = "rill"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["data", "Unit"]
config.test_source_root = os.path.dirname(__file__)
root = pathlib.Path(__file__).resolve().parents[1]
build = pathlib.Path(lit_config.params.get("build", root / "build/dev")).resolve()
config.test_exec_root = str(build / "lit")
llvm_bin = "/usr/lib/llvm-22/bin"
config.environment["PATH"] = os.pathsep.join(
    [str(build / "bin"), llvm_bin, config.environment["PATH"]])
config.environment["FILECHECK_OPTS"] = "-enable-var-scope --dump-input=fail"
for name in ("RILL_FIXTURES", "RILL_PTXAS", "HOME", "ASAN_OPTIONS"):
    if name in os.environ:
        config.environment[name] = os.environ[name]
        config.available_features.add(name.lower().replace("_", "-"))
if shutil.which("abidiff") and shutil.which("abidw"):
    config.available_features.add("abigail")
roundtrip = " --verify-roundtrip" if lit_config.params.get("roundtrip") else ""
config.substitutions += [
    ("%rill_opt", "rill-opt" + roundtrip),
    ("%python", "/usr/bin/python3"),
    ("%root", str(root)),
    ("%build", str(build)),
]
