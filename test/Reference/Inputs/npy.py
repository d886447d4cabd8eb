"""Reads and writes the .npy files of rill-evaluate's tests, without NumPy."""
import ast
import pathlib
import struct

CODES = {"<f4": "f", "<i8": "q", "<u2": "H"}


def write(path, descr, shape, values):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    pathlib.Path(path).write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() +
                                   struct.pack(f"<{len(values)}{CODES[descr]}", *values))


def read(path):
    """(shape, values)"""
    data = pathlib.Path(path).read_bytes()
    assert data[:6] == b"\x93NUMPY"
    end = 10 + struct.unpack("<H", data[8:10])[0]
    header = ast.literal_eval(data[10:end].decode())
    code = CODES[header["descr"]]
    return header["shape"], list(struct.unpack(f"<{(len(data) - end) // struct.calcsize(code)}{code}", data[end:]))
