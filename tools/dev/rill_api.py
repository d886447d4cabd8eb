"""rill.h from Python, for proofs: a model on a device, its methods on arrays."""
import ctypes
import math
import struct

F32, BF16, I64 = 0, 1, 2
SIZES = {F32: 4, BF16: 2, I64: 8}


class Tensor(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("data", ctypes.c_void_p), ("bytes", ctypes.c_size_t),
                ("dtype", ctypes.c_int32), ("rank", ctypes.c_int32), ("shape", ctypes.c_int64 * 8)]


class OpenOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("weights", ctypes.c_char_p), ("id", ctypes.c_char_p),
                ("verify", ctypes.c_int32), ("inspect", ctypes.c_int32),
                ("device", ctypes.c_char_p), ("jit", ctypes.c_int32)]


CALL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)
DISPATCH = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)


class Profiler(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("user", ctypes.c_void_p), ("begin", CALL),
                ("end", CALL), ("dispatch", DISPATCH)]


class RillError(Exception):
    def __init__(self, code, text):
        super().__init__(f"RILL-{code}: {text}")
        self.code = code


def narrow(values):
    """The bf16 of f32 values, rounded to nearest even, as bytes."""
    words = struct.unpack(f"<{len(values)}I", struct.pack(f"<{len(values)}f", *values))
    return struct.pack(f"<{len(values)}H",
                       *(((w + 0x7fff + (w >> 16 & 1)) >> 16) & 0xffff for w in words))


class Library:
    def __init__(self, path):
        self.c = ctypes.CDLL(path)
        self.c.rill_error_what.restype = ctypes.c_char_p
        self.c.rill_error_where.restype = ctypes.c_char_p
        self.c.rill_error_why.restype = ctypes.c_char_p
        for name in ("rill_open", "rill_session_create", "rill_session_reset",
                     "rill_session_rollback", "rill_session_set_next",
                     "rill_session_set_profiler", "rill_invoke"):
            getattr(self.c, name).restype = ctypes.c_void_p

    def check(self, error):
        if error:
            error = ctypes.c_void_p(error)
            text = " / ".join(f(error).decode() for f in
                              (self.c.rill_error_what, self.c.rill_error_where,
                               self.c.rill_error_why))
            code = self.c.rill_error_code(error)
            self.c.rill_error_free(error)
            raise RillError(code, text)


class Session:
    """A model and one session of it."""

    def __init__(self, library, path, device, jit=False):
        self.library, self.model, self.session = library, ctypes.c_void_p(), ctypes.c_void_p()
        options = OpenOptions(ctypes.sizeof(OpenOptions), None, None, 0, 0, device.encode(), jit)
        library.check(library.c.rill_open(path.encode(), ctypes.byref(options),
                                          ctypes.byref(self.model)))
        try:
            library.check(library.c.rill_session_create(self.model, None,
                                                        ctypes.byref(self.session)))
        except RillError:
            self.close()
            raise

    def close(self):
        if self.session:
            self.library.c.rill_session_free(self.session)
        self.library.c.rill_close(self.model)

    def reset(self):
        self.library.check(self.library.c.rill_session_reset(self.session))

    def time_dispatches(self):
        """Times every launch of later calls by itself."""
        self.profiler = Profiler(ctypes.sizeof(Profiler), None, CALL(0), CALL(0),
                                 DISPATCH(lambda user, method, dispatch: None))
        self.library.check(self.library.c.rill_session_set_profiler(
            self.session, ctypes.byref(self.profiler)))

    def set_next(self, token, position):
        """What the next step of the first sequence feeds."""
        self.library.check(self.library.c.rill_session_set_next(
            self.session, ctypes.c_int64(0), ctypes.c_int64(token), ctypes.c_int64(position)))

    def call(self, method, inputs, room):
        """inputs: (dtype, shape, bytes); the one output's dtype, shape and bytes."""
        tensors = (Tensor * len(inputs))()
        keep = []
        for tensor, (dtype, shape, data) in zip(tensors, inputs):
            keep.append(ctypes.create_string_buffer(data, len(data)))
            tensor.size, tensor.dtype = ctypes.sizeof(Tensor), dtype
            tensor.data = ctypes.cast(keep[-1], ctypes.c_void_p)
            tensor.bytes, tensor.rank = len(data), len(shape)
            tensor.shape[:len(shape)] = shape
        buffer = ctypes.create_string_buffer(room)
        out = Tensor(ctypes.sizeof(Tensor), ctypes.cast(buffer, ctypes.c_void_p), room, 0, 0)
        self.library.check(self.library.c.rill_invoke(self.session, method.encode(), tensors,
                                                      len(inputs), ctypes.byref(out), 1))
        shape, size = list(out.shape[:out.rank]), SIZES[out.dtype]
        for extent in shape:
            size *= extent
        return out.dtype, shape, buffer.raw[:size]


def zeros(*shape):
    """An f32 tensor of zeros."""
    return F32, list(shape), bytes(4 * math.prod(shape))


def floats(dtype, shape, values):
    """A tensor of f32, or of bf16, to which the values are rounded."""
    return dtype, list(shape), (narrow(values) if dtype == BF16 else
                                struct.pack(f"<{len(values)}f", *values))


def values_of(tensor):
    """The numbers of a tensor (dtype, shape, bytes)."""
    dtype, _, data = tensor
    if dtype == BF16:
        data = b"".join(b"\0\0" + data[i:i + 2] for i in range(0, len(data), 2))
    letter = "q" if dtype == I64 else "f"
    return list(struct.unpack(f"<{len(data) // struct.calcsize(letter)}{letter}", data))


def integers(values):
    return I64, [1, len(values)], struct.pack(f"<{len(values)}q", *values)
