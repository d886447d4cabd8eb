"""What the cases of bad input are made of: a work folder, a good checkpoint, a
good artifact, and writers for files that are wrong in one place."""
import ctypes
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "test/data/demo"
PICTURES = ROOT / "test/data/pictures"


class Run:
    """One call of a tool: arguments, and what is unusual around it."""

    def __init__(self, *argv, env=None, limits=None, stdin=None, stdout=None, drop_root=False,
                 accept=None, skip=None):
        self.argv = [str(a) for a in argv]
        self.env, self.limits, self.stdin, self.stdout = env, limits or {}, stdin, stdout
        self.drop_root = drop_root  # without root's right to ignore permissions
        self.accept = accept        # (completed process) -> "" or what is wrong
        self.skip = skip            # why this machine cannot run the case


class Bench:
    def __init__(self, build, work):
        self.bin, self.work, self.count = pathlib.Path(build) / "bin", pathlib.Path(work), 0
        self.good = self.work / "good"
        maker = ROOT / "tools/dev/make_checkpoint"
        subprocess.run([sys.executable, maker, "--geometry", "golden", "-o", self.good], check=True)
        self.sharded = self.work / "sharded"
        subprocess.run([sys.executable, maker, "--geometry", "golden", "--shards", "2", "-o",
                        self.sharded], check=True)
        self.model = self.work / "demo.rill"
        subprocess.run([self.bin / "rill-compile", DEMO, "-o", self.model, "-q", "--weights",
                        "external", "--target", "x86-64-v3", "--max-seq-len", "512"], check=True)

    def tool(self, name):
        return self.bin / name

    def folder(self):
        self.count += 1
        made = self.work / f"case{self.count}"
        made.mkdir()
        return made

    def checkpoint(self, source=None):
        """A copy of a good checkpoint."""
        made = self.folder() / "checkpoint"
        shutil.copytree(source or self.good, made)
        return made

    def drafter(self, source=None):
        """A synthetic drafter of a good target."""
        made = self.folder() / "draft"
        subprocess.run([sys.executable, ROOT / "tools/dev/make_drafter", "--target",
                        source or self.good, "--taps", "0,1", "-o", made], check=True)
        return made

    def importing(self, checkpoint, *flags):
        return Run(self.tool("rill-import"), checkpoint, "-o", checkpoint / "out.mlir", *flags)

    def asking(self, *flags, model=None, **around):
        """A question to the demo model; greedy, few tokens."""
        return Run(self.tool("rill-run"), "-m", model or self.model, "--weights-folder", DEMO,
                   "-n", "4", "--temp", "0", *flags, **around)

    def picture(self, name, content):
        path = self.folder() / name
        path.write_bytes(content)
        return path


# --- safetensors -----------------------------------------------------------------


def read_tensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:8 + size]), data[8 + size:]


def write_tensors(path, header, data, length=None):
    """`header`: an object or bytes; `length`: the number written before it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)


def edit_config(folder, change, name="config.json"):
    path = folder / name
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


# --- artifacts -------------------------------------------------------------------

HEADER, SECTION = struct.Struct("<8sHHIQQQIIQQ"), struct.Struct("<IIQQIIQ3Q")


def xxh3(data):
    function = ctypes.CDLL("libxxhash.so.0").XXH3_64bits
    function.restype, function.argtypes = ctypes.c_uint64, [ctypes.c_char_p, ctypes.c_size_t]
    return function(data, len(data))


class Artifact:
    """An artifact in parts, written with right hashes whatever is changed."""

    def __init__(self, path):
        data = path.read_bytes()
        fields = HEADER.unpack_from(data)
        self.version, start, length, count = fields[1:3], fields[5], fields[6], fields[7]
        self.manifest = json.loads(data[start:start + length])
        self.sections = []
        for i in range(count):
            kind, _, offset, size, align, *_ = SECTION.unpack_from(data, 64 + 64 * i)
            self.sections.append([kind, align, bytearray(data[offset:offset + size])])

    def asset(self, file):
        """The section of an asset, to be replaced."""
        entry = next(a for a in self.manifest["assets"] if a["file"] == file)
        return self.sections[entry["section"]]

    def plan(self, method):
        """The plan section of the first variant of a method."""
        entry = next(m for m in self.manifest["methods"] if m["name"] == method)
        return self.sections[entry["variants"][0]["plan"]][2]

    def write(self, path):
        text = json.dumps(self.manifest).encode()
        start = 64 + 64 * len(self.sections)
        table, end, body = b"", start + len(text), b""
        for kind, align, data in self.sections:
            offset = (end + (1 << align) - 1) >> align << align
            body += bytes(offset - end) + data
            table += SECTION.pack(kind, 0, offset, len(data), align, 0, xxh3(bytes(data)), 0, 0, 0)
            end = offset + len(data)
        fields = [b"RILLART1", *self.version, 0, end, start, len(text), len(self.sections), 0]
        digest = xxh3(HEADER.pack(*fields, 0, 0) + table + text)
        path.write_bytes(HEADER.pack(*fields, digest, 0) + table + text + body)
        return path


# --- the machine -----------------------------------------------------------------


def tiny_disk(size):
    """A command prefix that mounts a tmpfs of `size` at $1 and runs the rest, or
    None where this is not allowed."""
    script = f'mount -t tmpfs -o size={size} tmpfs "$1" && shift && exec "$@"'
    user = [] if os.geteuid() == 0 else ["--map-root-user", "--user"]
    prefix = ["unshare", "--mount", *user, "sh", "-c", script, "sh"]
    try:
        tried = subprocess.run([*prefix, "/tmp", "true"], capture_output=True)
    except FileNotFoundError:
        return None
    return prefix if tried.returncode == 0 else None


def comma_locale(folder):
    """A locale whose decimal point is a comma, made in `folder`; its name, or
    None without localedef."""
    source = folder / "comma"
    others = "\n".join(f'{c}\ncopy "POSIX"\nEND {c}' for c in (
        "LC_CTYPE", "LC_COLLATE", "LC_MONETARY", "LC_TIME", "LC_MESSAGES"))
    source.write_text('LC_NUMERIC\ndecimal_point "<U002C>"\nthousands_sep "<U002E>"\n'
                      f"grouping 3\nEND LC_NUMERIC\n{others}\n")
    try:
        subprocess.run(["localedef", "-c", "-i", source, "-f", "ANSI_X3.4-1968",
                        folder / "xx_XX"], capture_output=True)
    except FileNotFoundError:
        return None
    return "xx_XX" if (folder / "xx_XX" / "LC_NUMERIC").exists() else None
