"""Conformance cases of more than one block or of the copy engine: TMA loads,
stores and reductions, bulk copies, ldmatrix and stmatrix, mbarriers, clusters.
Expected results are computed here from the PTX ISA's definitions.
"""
import itertools, random

from conformance_lib import *

TMA_TYPES = {'u8': 0, 'u16': 1, 'u32': 2, 's32': 3, 'u64': 4, 's64': 5,
             'f16': 6, 'f32': 7, 'f64': 8, 'bf16': 9}
HEAD = '''.visible .entry k({params})
{{
  .reg .b64 %a, %m, %ga, %st;
  .reg .b32 %t, %s, %bar, %i, %x, %y, %z;
  .reg .b16 %h;
  .reg .pred %p, %q;
{regs}  mov.u32 %t, %tid.x;
'''
TAIL = '  ret;\n}\n'
SETUP = '''  setp.ne.u32 %p, %t, 0;
  @%p bra INIT;
  mbarrier.init.shared::cta.b64 [%bar], {count};
  fence.mbarrier_init.release.cluster;
INIT: bar.sync 0;
'''
WAIT = '''WAIT: mbarrier.try_wait.parity.shared::cta.b64 %q, [%bar], {parity};
  @!%q bra WAIT;
'''


def words(data):
    """Bytes to 32-bit words."""
    return [int.from_bytes(data[i:i + 4], 'little') for i in range(0, len(data), 4)]


def elements(data, width):
    return [int.from_bytes(data[i:i + width], 'little') for i in range(0, len(data), width)]


def copy_out(nbytes, param, offset='0'):
    """Shared bytes from %s to a parameter's buffer, 32-bit words."""
    return f'''  ld.param.u64 %a, [{param}];
  mov.u32 %i, %t;
OUT: setp.ge.u32 %q, %i, {nbytes // 4};
  @%q bra OUTE;
  mad.lo.u32 %x, %i, 4, %s;
  ld.shared.b32 %y, [%x];
  add.u32 %z, %i, {offset};
  mad.wide.u32 %ga, %z, 4, %a;
  st.global.b32 [%ga], %y;
  add.u32 %i, %i, 32;
  bra OUT;
OUTE:
'''


def copy_in(nbytes, param):
    """A parameter's buffer to shared bytes at %s."""
    return f'''  ld.param.u64 %a, [{param}];
  mov.u32 %i, %t;
IN: setp.ge.u32 %q, %i, {nbytes // 4};
  @%q bra INE;
  mad.wide.u32 %ga, %i, 4, %a;
  ld.global.b32 %y, [%ga];
  mad.lo.u32 %x, %i, 4, %s;
  st.shared.b32 [%x], %y;
  add.u32 %i, %i, 32;
  bra IN;
INE:
'''


def emit(name, body, params, lines, shared=0, target='sm_90', regs='', attrs='',
         grid=1, block=32, before=''):
    """A case with its own kernel body."""
    text = HEAD.format(params=', '.join(params), regs=regs)
    text = text.replace('\n{\n', f'\n{attrs}\n{{\n' if attrs else '\n{\n', 1)
    if shared:
        before = '.extern .shared .align 1024 .b8 dyn[];\n' + before
    head = ['//! kernel k', f'//! grid {grid} 1 1', f'//! block {block} 1 1']
    if shared:
        head.append(f'//! shared {shared}')
    write(name, target, before + text + body + TAIL, head + lines)


def param(name):
    return f'.param .u64 {name}'


MAP = '.param .align 64 .b8 map[128]'


class Tensor:
    """A global tensor: extents innermost first, values by index."""

    def __init__(self, name, type, dims, pad=0):
        self.type, self.dims, self.n = type, dims, BITS[type] // 8
        self.strides, step = [], dims[0] * self.n
        for d in dims[1:]:
            step = (step + 15) // 16 * 16 + pad
            self.strides.append(step)
            step *= d
        self.size = (step + 15) // 16 * 16
        rng = random.Random(name)
        self.data = bytearray(rng.randrange(256) for _ in range(self.size))
        if type in ('f32', 'f16', 'bf16', 'f64'):
            for at in range(0, self.size, self.n):
                v = to(type, float(rng.randrange(-64, 65)))
                self.data[at:at + self.n] = v.to_bytes(self.n, 'little')

    def at(self, index):
        """Byte offset of an element, None outside."""
        if any(not 0 <= i < d for i, d in zip(index, self.dims)):
            return None
        return index[0] * self.n + sum(i * s for i, s in zip(index[1:], self.strides))

    def line(self, buffer, box, swizzle=0, estride=None, fill=0):
        rank = len(self.dims)
        nums = list(self.dims) + self.strides + list(box) + list(estride or [1] * rank)
        return (f'//! tensormap {buffer} {TMA_TYPES[self.type]} {rank} '
                + ' '.join(map(str, nums)) + f' {swizzle} {fill}')


def box_indices(box, corner, estride):
    """Tensor indices of a box, innermost dimension fastest. With an element
    stride e a box of b covers ceil(b / e) elements; dimension 0 has none."""
    spans = [range(box[0])] + [range(0, b, e) for b, e in zip(box[1:], estride[1:])]
    for idx in itertools.product(*reversed(spans)):
        yield [c + i for c, i in zip(corner, reversed(idx))]


def swizzle_bytes(dense, row_bytes, mode):
    """A dense box, row after row, as the copy engine places it: 16-byte
    chunks of a row change places by the row's number in the pattern."""
    if mode == 0:
        return dense
    assert row_bytes == {1: 32, 2: 64, 3: 128}[mode]
    out = bytearray(len(dense))
    per = row_bytes // 16
    for row in range(len(dense) // row_bytes):
        # The pattern repeats after 8 rows of 128, of 64 (pairs), of 32 (fours).
        turn = row % 8 if mode == 3 else row // 2 % 4 if mode == 2 else row // 4 % 2
        for chunk in range(per):
            src = row * row_bytes + chunk * 16
            dst = row * row_bytes + (chunk ^ turn) * 16
            out[dst:dst + 16] = dense[src:src + 16]
    return bytes(out)


def gathered(t, box, corner, estride, fill=b'\0'):
    out = bytearray()
    for idx in box_indices(box, corner, estride):
        at = t.at(idx)
        out += t.data[at:at + t.n] if at is not None else fill * (t.n // len(fill))
    return bytes(out)


def tma_load(name, type, dims, box, corner, swizzle=0, estride=None, pad=0,
             form='.shared::cluster.global.tile', hint=False, nan=None, target='sm_90'):
    t = Tensor(name, type, dims, pad)
    es = estride or [1] * len(dims)
    dense = gathered(t, box, corner, es, nan or b'\0')
    want = swizzle_bytes(dense, box[0] * t.n, swizzle)
    n = len(want)
    body = f'''  mov.b64 %m, map;
  cvta.param.u64 %m, %m;
  mov.u32 %s, dyn;
  add.u32 %bar, %s, {(n + 127) // 128 * 128};
{SETUP.format(count=1)}  @%p bra WAIT;
  mbarrier.arrive.expect_tx.shared::cta.b64 %st, [%bar], {n};
'''
    coords = ', '.join(str(c) for c in corner)
    extra = ''
    if hint:
        body += '  createpolicy.fractional.L2::evict_first.b64 %ga, 1.0;\n'
        extra = ', %ga'
    body += (f'  cp.async.bulk.tensor.{len(dims)}d{form}.mbarrier::complete_tx::bytes'
             f'{".L2::cache_hint" if hint else ""} [%s], [%m, {{{coords}}}], [%bar]{extra};\n')
    body += WAIT.format(parity=0) + copy_out(n, 'out')
    emit('tma_load_' + name, body, [MAP, param('in'), param('out')],
         [t.line('in', box, swizzle, es, int(nan is not None)), f'//! in in b32 {hexes(words(t.data))}',
          f'//! out out {type if nan else "b32"} {n // (t.n if nan else 4)} exact '
          + hexes(elements(want, t.n) if nan else words(want))],
         shared=(n + 127) // 128 * 128 + 16, target=target)


def tma_store(name, type, dims, box, corner, swizzle=0, op=None, pad=0):
    """`op`: a reduction, given on Python values."""
    t = Tensor(name, type, dims, pad)
    src = Tensor(name + ' source', type, [box[0] * 1], 0)
    count = 1
    for b in box:
        count *= b
    rng = random.Random(name)
    dense = bytearray()
    for _ in range(count):
        v = (to(type, float(rng.randrange(-64, 65))) if type in ('f32', 'f16', 'bf16', 'f64')
             else rng.randrange(1 << BITS[type]))
        dense += v.to_bytes(t.n, 'little')
    image = swizzle_bytes(bytes(dense), box[0] * t.n, swizzle)
    want = bytearray(t.data)
    for k, idx in enumerate(box_indices(box, corner, [1] * len(dims))):
        at = t.at(idx)
        if at is None:
            continue
        v = int.from_bytes(dense[k * t.n:(k + 1) * t.n], 'little')
        if op:
            old = int.from_bytes(want[at:at + t.n], 'little')
            v = to(type, op[1](fr(type, old), fr(type, v)))
        want[at:at + t.n] = v.to_bytes(t.n, 'little')
    n = len(image)
    what = (f'cp.reduce.async.bulk.tensor.{len(dims)}d.global.shared::cta.{op[0]}.tile.bulk_group'
            if op else f'cp.async.bulk.tensor.{len(dims)}d.global.shared::cta.tile.bulk_group')
    coords = ', '.join(str(c) for c in corner)
    body = f'''  mov.b64 %m, map;
  cvta.param.u64 %m, %m;
  mov.u32 %s, dyn;
{copy_in(n, 'in')}  fence.proxy.async.shared::cta;
  bar.sync 0;
  setp.ne.u32 %p, %t, 0;
  @%p bra DONE;
  {what} [%m, {{{coords}}}], [%s];
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group 0;
DONE:
'''
    emit(('tma_reduce_' if op else 'tma_store_') + name, body, [MAP, param('in'), param('out')],
         [t.line('out', box, swizzle), f'//! in in b32 {hexes(words(image))}',
          f'//! out out b32 {t.size // 4} exact {hexes(words(want))}',
          f'//! start out {hexes(words(t.data))}'], shared=n + 16)


def tma():
    tma_load('1d_f32', 'f32', [64], [32], [8])
    tma_load('1d_u8', 'u8', [256], [128], [16])
    tma_load('1d_past_end', 'u32', [40], [32], [24])
    tma_load('1d_negative', 'u32', [40], [32], [-8])
    tma_load('1d_outside', 'u32', [40], [32], [64])
    tma_load('2d_f32', 'f32', [20, 10], [8, 4], [4, 3])
    tma_load('2d_bf16', 'bf16', [48, 12], [16, 8], [8, 2], pad=32)
    tma_load('2d_f16', 'f16', [48, 12], [16, 8], [8, 2])
    tma_load('2d_u16', 'u16', [48, 12], [8, 8], [1, 1])
    tma_load('2d_s32', 's32', [16, 9], [4, 8], [3, 0])
    tma_load('2d_u64', 'u64', [10, 9], [4, 8], [3, 0])
    tma_load('2d_s64', 's64', [10, 9], [2, 4], [8, 3])
    tma_load('2d_f64', 'f64', [10, 9], [4, 4], [5, 2])
    tma_load('2d_u8', 'u8', [64, 9], [16, 8], [7, 2])
    tma_load('2d_corner', 'f32', [20, 10], [8, 8], [16, 6])
    tma_load('2d_negative', 'f32', [20, 10], [8, 8], [-3, -2])
    tma_load('2d_rows_outside', 'f32', [20, 10], [8, 8], [0, 12])
    for mode, span in ((1, 32), (2, 64), (3, 128)):
        tma_load(f'2d_swizzle{span}_bf16', 'bf16', [128, 20], [span // 2, 16], [0, 2], mode)
        tma_load(f'2d_swizzle{span}_u8', 'u8', [256, 20], [span, 16], [span, 4], mode)
        tma_load(f'2d_swizzle{span}_f32_edge', 'f32', [40, 20], [span // 4, 16], [20, 9], mode)
        tma_store(f'2d_swizzle{span}_bf16', 'bf16', [128, 20], [span // 2, 16], [16, 2], mode)
    tma_load('3d_f32', 'f32', [12, 6, 5], [8, 4, 2], [2, 1, 2])
    tma_load('3d_bf16_swizzle128', 'bf16', [64, 10, 4], [64, 8, 2], [0, 1, 1], 3)
    tma_load('3d_edge', 'f32', [12, 6, 5], [8, 4, 3], [6, -1, 3])
    tma_load('4d_f32', 'f32', [8, 4, 3, 3], [4, 2, 2, 2], [1, 1, 0, 1])
    tma_load('4d_edge', 'u16', [16, 4, 3, 3], [8, 3, 2, 2], [12, 2, -1, 2])
    tma_load('5d_f32', 'f32', [8, 3, 3, 2, 3], [4, 2, 2, 2, 2], [2, 1, 1, 0, 1])
    tma_load('5d_edge', 'bf16', [16, 3, 3, 2, 3], [8, 2, 2, 2, 2], [-4, 2, 2, 1, -1])
    tma_load('2d_element_stride', 'f32', [16, 20], [8, 8], [0, 1], estride=[1, 2])
    tma_load('3d_element_strides', 'f32', [8, 9, 9], [4, 5, 6], [0, 1, 0], estride=[1, 2, 4])
    # Any NaN will do: comparisons of float types take one for another.
    for ty, nan in (('f32', b'\0\0\xc0\x7f'), ('bf16', b'\xc0\x7f'), ('f16', b'\0\x7e')):
        tma_load(f'2d_nan_fill_{ty}', ty, [24, 10], [8, 8], [20, -2], nan=nan)
    tma_load('2d_default_tile', 'f32', [20, 10], [8, 4], [4, 3], form='.shared::cluster.global')
    tma_load('2d_cache_hint', 'f32', [20, 10], [8, 4], [4, 3], hint=True)
    tma_load('2d_shared_cta', 'f32', [20, 10], [8, 4], [4, 3], form='.shared::cta.global.tile', target='sm_90#8.6')
    tma_store('1d_f32', 'f32', [64], [32], [8])
    tma_store('1d_past_end', 'u32', [40], [32], [24])
    tma_store('2d_bf16', 'bf16', [48, 12], [16, 8], [8, 2], pad=32)
    tma_store('2d_edge', 'f32', [20, 10], [8, 8], [16, -2])
    tma_store('3d_f32', 'f32', [12, 6, 5], [8, 4, 2], [2, 1, 2])
    tma_store('4d_f32', 'f32', [8, 4, 3, 3], [4, 2, 2, 2], [1, 1, 0, 1])
    tma_store('5d_u16', 'u16', [16, 3, 3, 2, 3], [8, 2, 2, 2, 2], [4, 2, 1, 0, 1])
    add = ('add', lambda a, b: a + b)
    for ty in ('u32', 's32', 'u64', 'f32', 'f16', 'bf16'):
        tma_store('2d_add_' + ty, ty, [24, 10], [16, 4], [4, 3], op=add)
    for ty in ('u32', 's32', 'u64', 's64', 'f16', 'bf16'):
        tma_store('2d_min_' + ty, ty, [24, 10], [16, 4], [4, 3], op=('min', min))
        tma_store('2d_max_' + ty, ty, [24, 10], [16, 4], [4, 3], op=('max', max))
    for op, f in (('and', lambda a, b: a & b), ('or', lambda a, b: a | b), ('xor', lambda a, b: a ^ b)):
        tma_store(f'2d_{op}_u32', 'u32', [24, 10], [16, 4], [4, 3], op=(op, f))
        tma_store(f'2d_{op}_u64', 'u64', [24, 10], [16, 4], [4, 3], op=(op, f))
    inc = lambda a, b: 0 if a >= b else a + 1
    dec = lambda a, b: b if a == 0 or a > b else a - 1
    tma_store('2d_inc_u32', 'u32', [24, 10], [16, 4], [4, 3], op=('inc', inc))
    tma_store('2d_dec_u32', 'u32', [24, 10], [16, 4], [4, 3], op=('dec', dec))
    tma_store('3d_add_f32_swizzle64', 'f32', [16, 8, 3], [16, 8, 2], [0, 0, 1], swizzle=2, op=add)


def randoms(name, n):
    rng = random.Random(name)
    return bytes(rng.randrange(256) for _ in range(n))


def bulk_load(name, n, instruction, target='sm_90'):
    data = randoms(name, n + 32)
    body = f'''  mov.u32 %s, dyn;
  add.u32 %bar, %s, {n};
{SETUP.format(count=1)}  ld.param.u64 %a, [in];
  add.u64 %a, %a, 16;
  mov.u32 %x, {n};
  @%p bra WAIT;
  mbarrier.arrive.expect_tx.shared::cta.b64 %st, [%bar], %x;
  {instruction}
{WAIT.format(parity=0)}''' + copy_out(n, 'out')
    emit(name, body, [param('in'), param('out')],
         [f'//! in in b32 {hexes(words(data))}',
          f'//! out out b32 {n // 4} exact {hexes(words(data[16:16 + n]))}'],
         shared=n + 16, target=target)


def bulk_store(name, n, instruction, want=None, start=None, data=None, wait='0'):
    data = data or randoms(name, n)
    start = start or bytes(n)
    body = f'''  mov.u32 %s, dyn;
{copy_in(n, 'in')}  fence.proxy.async;
  bar.sync 0;
  ld.param.u64 %a, [out];
  setp.ne.u32 %p, %t, 0;
  mov.u32 %x, {n};
  @%p bra DONE;
  {instruction}
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group{wait};
DONE:
'''
    emit(name, body, [param('in'), param('out')],
         [f'//! in in b32 {hexes(words(data))}',
          f'//! out out b32 {n // 4} exact {hexes(words(want or data))}',
          f'//! start out {hexes(words(start))}'], shared=n + 16)


REDUCE = [('add', 'u32', lambda a, b: a + b), ('add', 's32', lambda a, b: a + b), ('add', 'u64', lambda a, b: a + b),
          ('inc', 'u32', lambda a, b: 0 if a >= b else a + 1), ('dec', 'u32', lambda a, b: b if a == 0 or a > b else a - 1),
          ('min', 'u32', min), ('min', 's32', min), ('max', 'u32', max), ('max', 's32', max),
          ('and', 'b32', lambda a, b: a & b), ('or', 'b32', lambda a, b: a | b), ('xor', 'b32', lambda a, b: a ^ b)]
REDUCE_GLOBAL = REDUCE + [
    ('min', 'u64', min), ('min', 's64', min), ('max', 'u64', max), ('max', 's64', max),
    ('and', 'b64', lambda a, b: a & b), ('or', 'b64', lambda a, b: a | b), ('xor', 'b64', lambda a, b: a ^ b),
    ('add', 'f32', lambda a, b: a + b), ('add', 'f64', lambda a, b: a + b),
    ('add.noftz', 'f16', lambda a, b: a + b), ('add.noftz', 'bf16', lambda a, b: a + b),
    ('min', 'f16', min), ('max', 'f16', max), ('min', 'bf16', min), ('max', 'bf16', max)]


def reduced(name, ty, f, n):
    """Source, start and result bytes of a reduction."""
    rng, w = random.Random(name), BITS[ty] // 8
    is_float = ty in ('f16', 'bf16', 'f32', 'f64')
    one = lambda: (to(ty, float(rng.randrange(-32, 33))) if is_float
                   else rng.choice((0, 1, 5, M[BITS[ty]], rng.randrange(1 << BITS[ty]))))
    a, b = [one() for _ in range(n // w)], [one() for _ in range(n // w)]
    c = [to(ty, f(fr(ty, x), fr(ty, y))) & M[BITS[ty]] for x, y in zip(a, b)]
    pack = lambda v: b''.join(x.to_bytes(w, 'little') for x in v)
    return pack(b), pack(a), pack(c)


def bulk():
    bulk_load('bulk_load_cluster', 256, 'cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%s], [%a], %x, [%bar];')
    bulk_load('bulk_load_16', 16, 'cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%s], [%a], 16, [%bar];')
    bulk_load('bulk_load_cta', 256, 'cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes [%s], [%a], %x, [%bar];', target='sm_90#8.6')
    bulk_load('bulk_load_hint', 128, 'createpolicy.fractional.L2::evict_last.b64 %ga, 1.0;\n  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%s], [%a], %x, [%bar], %ga;')
    bulk_load('bulk_prefetch_load', 256, 'cp.async.bulk.prefetch.L2.global [%a], %x;\n  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%s], [%a], %x, [%bar];')
    bulk_store('bulk_store', 256, 'cp.async.bulk.global.shared::cta.bulk_group [%a], [%s], %x;', wait=' 0')
    bulk_store('bulk_store_read_wait', 256, 'cp.async.bulk.global.shared::cta.bulk_group [%a], [%s], %x;', wait='.read 0')
    for op, ty, f in REDUCE_GLOBAL:
        name = f'bulk_reduce_{op.split(".")[0]}_{ty}'
        src, old, want = reduced(name, ty, f, 128)
        bulk_store(name, 128, f'cp.reduce.async.bulk.global.shared::cta.bulk_group.{op}.{ty} [%a], [%s], %x;',
                   want=want, start=old, data=src, wait=' 0')


def matrices():
    """ldmatrix and stmatrix by the 8 x 8 definition: lane l holds row l / 4,
    columns 2 (l % 4) and the next; .trans exchanges rows and columns."""
    for count, trans in itertools.product((1, 2, 4), (False, True)):
        x = f'x{count}' + ('.trans' if trans else '')
        name = f'x{count}' + ('_trans' if trans else '')
        rng = random.Random(name)
        mats = [[[rng.randrange(65536) for _ in range(8)] for _ in range(8)] for _ in range(count)]
        image = b''.join(v.to_bytes(2, 'little') for m in mats for row in m for v in row)
        cell = (lambda m, r, c: m[c][r]) if trans else (lambda m, r, c: m[r][c])
        frag = [[cell(m, l // 4, 2 * (l % 4)) | cell(m, l // 4, 2 * (l % 4) + 1) << 16 for l in range(32)] for m in mats]
        regs = ''.join(f'  .reg .b32 %v{i};\n' for i in range(count))
        vec = '{' + ', '.join(f'%v{i}' for i in range(count)) + '}'
        rows = f'  and.b32 %x, %t, {8 * count - 1};\n  mad.lo.u32 %x, %x, 16, %s;\n'
        flat = [v for f in frag for v in f]
        load = f'  mov.u32 %s, dyn;\n{copy_in(len(image), "in")}  bar.sync 0;\n{rows}'
        load += f'  ldmatrix.sync.aligned.m8n8.{x}.shared.b16 {vec}, [%x];\n  ld.param.u64 %a, [out];\n'
        for i in range(count):
            load += f'  mad.wide.u32 %ga, %t, 4, %a;\n  st.global.b32 [%ga+{128 * i}], %v{i};\n'
        emit('ldmatrix_all_' + name, load, [param('in'), param('out')],
             [f'//! in in b32 {hexes(words(image))}', f'//! out out b32 {32 * count} exact {hexes(flat)}'],
             shared=len(image), target='sm_80', regs=regs)
        store = '  mov.u32 %s, dyn;\n  ld.param.u64 %a, [in];\n'
        for i in range(count):
            store += f'  mad.wide.u32 %ga, %t, 4, %a;\n  ld.global.b32 %v{i}, [%ga+{128 * i}];\n'
        store += f'{rows}  stmatrix.sync.aligned.m8n8.{x}.shared.b16 [%x], {vec};\n  bar.sync 0;\n' + copy_out(len(image), 'out')
        emit('stmatrix_' + name, store, [param('in'), param('out')],
             [f'//! in in b32 {hexes(flat)}', f'//! out out b32 {len(image) // 4} exact {hexes(words(image))}'],
             shared=len(image), regs=regs)
    src = [i * 0x10001 for i in range(32)]
    half = lambda r, c: src[r * 4 + c // 2] >> 16 * (c & 1) & 0xffff
    case('movmatrix_trans', 'b32', 'b32', 'movmatrix.sync.aligned.m8n8.trans.b16 %o0, %i0;',
         lambda v: half(2 * (v % 65536 % 4), v % 65536 // 4) | half(2 * (v % 65536 % 4) + 1, v % 65536 // 4) << 16, inputs=[src])


CLUSTER = '.explicitcluster\n.reqnctapercluster {0}, 1, 1'


def cluster_case(name, body, want, ranks=2, shared=256, regs='', target='sm_90', clusters=1, ins=()):
    """Each block of a cluster writes 32 words at out[block * 32 + thread]
    from %y."""
    blocks = ranks * clusters
    text = f'  mov.u32 %s, dyn;\n  mov.u32 %i, %ctaid.x;\n  mov.u32 %bar, %cluster_ctarank;\n{body}'
    text += '''  ld.param.u64 %a, [out];
  mad.lo.u32 %x, %i, 32, %t;
  mad.wide.u32 %ga, %x, 4, %a;
  st.global.b32 [%ga], %y;
'''
    values = [want(b // ranks, b % ranks, t) & M[32] for b in range(blocks) for t in range(32)]
    emit(name, text, [param(n) for n, _ in ins] + [param('out')],
         [f'//! in {n} b32 {hexes(v)}' for n, v in ins] + [f'//! out out b32 {blocks * 32} exact {hexes(values)}'],
         shared=shared, regs=regs, attrs=CLUSTER.format(ranks), grid=blocks, target=target)


SYNC = '  barrier.cluster.arrive.aligned;\n  barrier.cluster.wait.aligned;\n'
PEER = '  add.u32 %z, %bar, 1;\n  and.b32 %z, %z, {0};\n'
OWN = '  mad.lo.u32 %x, %t, 4, %s;\n  mad.lo.u32 %y, %bar, 100, %t;\n'


def clusters():
    for reg, f in (('cluster_ctarank', lambda c, r, t: r), ('cluster_nctarank', lambda c, r, t: 4),
                   ('clusterid.x', lambda c, r, t: c), ('nclusterid.x', lambda c, r, t: 2),
                   ('cluster_ctaid.x', lambda c, r, t: r), ('cluster_nctaid.x', lambda c, r, t: 4)):
        cluster_case('cluster_' + reg.replace('.', '_'), f'  mov.u32 %y, %{reg};\n', f, ranks=4, clusters=2)
    cluster_case('cluster_is_explicit', '  mov.pred %q, %is_explicit_cluster;\n  selp.u32 %y, 1, 0, %q;\n', lambda c, r, t: 1)
    peer = lambda r, n: (r + 1) % n
    for n in (2, 4, 8):
        cluster_case(f'dsmem_load_{n}', OWN + '  st.shared.u32 [%x], %y;\n' + SYNC + PEER.format(n - 1)
                     + '  mapa.shared::cluster.u32 %x, %x, %z;\n  ld.shared::cluster.u32 %y, [%x];\n' + SYNC,
                     lambda c, r, t, n=n: peer(r, n) * 100 + t, ranks=n)
    cluster_case('dsmem_store', OWN + SYNC + PEER.format(3)
                 + '  mapa.shared::cluster.u32 %z, %x, %z;\n  st.shared::cluster.u32 [%z], %y;\n' + SYNC + '  ld.shared.u32 %y, [%x];\n',
                 lambda c, r, t: (r + 3) % 4 * 100 + t, ranks=4)
    cluster_case('dsmem_v4', OWN + '  mad.lo.u32 %x, %t, 16, %s;\n  st.shared.v4.u32 [%x], {%y, %y, %t, %bar};\n' + SYNC + PEER.format(1)
                 + '  mapa.shared::cluster.u32 %x, %x, %z;\n  ld.shared::cluster.v4.u32 {%y, %z, %v0, %v1}, [%x];\n'
                 + '  add.u32 %y, %y, %z;\n  add.u32 %y, %y, %v0;\n  add.u32 %y, %y, %v1;\n' + SYNC,
                 lambda c, r, t: 2 * ((1 - r) * 100 + t) + t + 1 - r, shared=512, regs='  .reg .b32 %v0, %v1;\n')
    cluster_case('dsmem_generic', OWN + '  st.shared.u32 [%x], %y;\n' + SYNC + PEER.format(1)
                 + '  cvt.u64.u32 %a, %x;\n  cvta.shared.u64 %a, %a;\n  mapa.u64 %ga, %a, %z;\n  ld.u32 %y, [%ga];\n' + SYNC,
                 lambda c, r, t: (1 - r) * 100 + t)
    cluster_case('dsmem_cvta_cluster', OWN + '  st.shared.u32 [%x], %y;\n' + SYNC + PEER.format(1)
                 + '  mapa.shared::cluster.u32 %x, %x, %z;\n  cvt.u64.u32 %a, %x;\n  cvta.shared::cluster.u64 %a, %a;\n  ld.u32 %y, [%a];\n' + SYNC,
                 lambda c, r, t: (1 - r) * 100 + t)
    cluster_case('getctarank', PEER.format(3) + '  mapa.shared::cluster.u32 %x, %s, %z;\n  getctarank.shared::cluster.u32 %y, %x;\n',
                 lambda c, r, t: (r + 1) % 4, ranks=4)
    for op, want in (('add', lambda c, r, t: 1000 + 4 * t), ('max', lambda c, r, t: 1000), ('exch', None)):
        if want:
            cluster_case('dsmem_atom_' + op, '  mad.lo.u32 %x, %t, 4, %s;\n  mov.u32 %y, 1000;\n  st.shared.u32 [%x], %y;\n' + SYNC
                         + f'  mov.u32 %z, 0;\n  mapa.shared::cluster.u32 %z, %x, %z;\n  atom.relaxed.cluster.shared::cluster.{op}.u32 %y, [%z], %t;\n'
                         + SYNC + '  ld.shared::cluster.u32 %y, [%z];\n' + SYNC, want, ranks=4)
    cluster_case('dsmem_red_add', '  mad.lo.u32 %x, %t, 4, %s;\n  mov.u32 %y, 7;\n  st.shared.u32 [%x], %y;\n' + SYNC + PEER.format(1)
                 + '  mapa.shared::cluster.u32 %z, %x, %z;\n  red.relaxed.cluster.shared::cluster.add.u32 [%z], %t;\n'
                 + SYNC + '  ld.shared.u32 %y, [%x];\n', lambda c, r, t: 7 + t)
    for suffix in (('.release.aligned', '.acquire.aligned'), ('.release', '.acquire'), ('.relaxed.aligned', '.acquire.aligned')):
        pre = '  fence.acq_rel.cluster;\n' if 'relaxed' in suffix[0] else ''
        name = suffix[0][1:].replace('.', '_')
        sync = f'{pre}  barrier.cluster.arrive{suffix[0]};\n  barrier.cluster.wait{suffix[1]};\n'
        cluster_case('cluster_barrier_' + name, OWN + '  st.shared.u32 [%x], %y;\n' + sync + PEER.format(1)
                     + '  mapa.shared::cluster.u32 %x, %x, %z;\n  ld.shared::cluster.u32 %y, [%x];\n' + sync,
                     lambda c, r, t: (1 - r) * 100 + t)
    init = '''  setp.ne.u32 %p, %t, 0;
  add.u32 %x, %s, 128;
  @%p bra INIT;
  mbarrier.init.shared::cta.b64 [%x], {count};
  fence.mbarrier_init.release.cluster;
INIT: barrier.cluster.arrive.aligned;
  barrier.cluster.wait.aligned;
'''
    wait = '''WAIT: mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %q, [%x], 0;
  @!%q bra WAIT;
'''
    cluster_case('mbarrier_remote_arrive', init.format(count=32) + PEER.format(1) + '''  mad.lo.u32 %y, %t, 4, %s;
  mapa.shared::cluster.u32 %v0, %y, %z;
  mapa.shared::cluster.u32 %v1, %x, %z;
  mad.lo.u32 %v2, %bar, 100, %t;
  st.shared::cluster.u32 [%v0], %v2;
  mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%v1];
''' + wait + '  ld.shared.u32 %y, [%y];\n' + SYNC, lambda c, r, t: (1 - r) * 100 + t, regs='  .reg .b32 %v0, %v1, %v2;\n')
    expect = '''  @%p bra NOEX;
  mbarrier.arrive.expect_tx.shared::cta.b64 %st, [%x], {0};
NOEX:
'''
    cluster_case('st_async', init.format(count=1) + expect.format(128) + PEER.format(1) + '''  mad.lo.u32 %y, %t, 4, %s;
  mapa.shared::cluster.u32 %v0, %y, %z;
  mapa.shared::cluster.u32 %v1, %x, %z;
  mad.lo.u32 %v2, %bar, 100, %t;
  st.async.shared::cluster.mbarrier::complete_tx::bytes.u32 [%v0], %v2, [%v1];
''' + wait + '  ld.shared.u32 %y, [%y];\n' + SYNC, lambda c, r, t: (1 - r) * 100 + t, regs='  .reg .b32 %v0, %v1, %v2;\n')
    cluster_case('st_async_v4', init.format(count=1).replace('128', '512') + expect.format(512) + PEER.format(1) + '''  mad.lo.u32 %y, %t, 16, %s;
  mapa.shared::cluster.u32 %v0, %y, %z;
  mapa.shared::cluster.u32 %v1, %x, %z;
  mad.lo.u32 %v2, %bar, 100, %t;
  st.async.shared::cluster.mbarrier::complete_tx::bytes.v4.b32 [%v0], {%v2, %t, %bar, %t}, [%v1];
''' + wait + '  ld.shared.v4.u32 {%y, %v0, %v1, %v2}, [%y];\n  mad.lo.u32 %y, %y, 3, %v0;\n  mad.lo.u32 %y, %y, 3, %v1;\n  mad.lo.u32 %y, %y, 3, %v2;\n' + SYNC,
                 lambda c, r, t: ((((1 - r) * 100 + t) * 3 + t) * 3 + 1 - r) * 3 + t, shared=544, regs='  .reg .b32 %v0, %v1, %v2;\n')
    for op, ty, f in (('add', 'u32', lambda a, b: a + b), ('min', 's32', min), ('max', 'u32', max), ('and', 'b32', lambda a, b: a & b),
                      ('or', 'b32', lambda a, b: a | b), ('xor', 'b32', lambda a, b: a ^ b),
                      ('inc', 'u32', lambda a, b: 0 if a >= b else a + 1), ('dec', 'u32', lambda a, b: b if a == 0 or a > b else a - 1)):
        cluster_case(f'red_async_{op}_{ty}', init.format(count=1).replace('  setp.ne', '  mad.lo.u32 %y, %t, 4, %s;\n  mov.u32 %v0, 19;\n  st.shared.u32 [%y], %v0;\n  setp.ne', 1)
                     + expect.format(128) + PEER.format(1) + f'''  mapa.shared::cluster.u32 %v0, %y, %z;
  mapa.shared::cluster.u32 %v1, %x, %z;
  red.async.relaxed.cluster.shared::cluster.mbarrier::complete_tx::bytes.{op}.{ty} [%v0], %t, [%v1];
''' + wait + '  ld.shared.u32 %y, [%y];\n' + SYNC, lambda c, r, t, f=f: f(19, t), regs='  .reg .b32 %v0, %v1;\n')
    n, data = 128, randoms('peer copy', 256)
    src = words(data)
    fill = f'''  ld.param.u64 %a, [in];
  mad.lo.u32 %y, %i, 32, %t;
  mad.wide.u32 %ga, %y, 4, %a;
  ld.global.b32 %v2, [%ga];
  mad.lo.u32 %y, %t, 4, %s;
  st.shared.b32 [%y], %v2;
  fence.proxy.async;
'''
    move = init.format(count=1).replace('128', '512') + expect.format(n) + PEER.format(1) + '''  add.u32 %v0, %s, 256;
  mapa.shared::cluster.u32 %v0, %v0, %z;
  mapa.shared::cluster.u32 %v1, %x, %z;
  @%p bra WAIT;
  {0} [%v0], [%s], 128, [%v1];
''' + wait + '  ld.shared.u32 %y, [%y+256];\n' + SYNC
    cluster_case('bulk_peer_copy', fill + move.format('cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes'),
                 lambda c, r, t: src[(1 - r) * 32 + t], shared=544, regs='  .reg .b32 %v0, %v1, %v2;\n', ins=[('in', src)])
    for op, ty, f in REDUCE:
        if BITS[ty] != 32:
            continue
        seed = fill + '  mov.u32 %v2, 77;\n  st.shared.b32 [%y+256], %v2;\n'
        cluster_case(f'bulk_peer_{op}_{ty}', seed + move.format(f'cp.reduce.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes.{op}.{ty}'),
                     lambda c, r, t, f=f, ty=ty: to(ty, f(77, fr(ty, src[(1 - r) * 32 + t]))), shared=544,
                     regs='  .reg .b32 %v0, %v1, %v2;\n', ins=[('in', src)])
    multicast('bulk_multicast', 'cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%s], [%a], 128, [%x], %h;')
    multicast('tma_multicast', 'cp.async.bulk.tensor.1d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [%s], [%m, {0}], [%x], %h;', True)


def multicast(name, instruction, mapped=False):
    """Block 2 of 4 sends to blocks 0, 1 and 3; block 2 keeps what it had."""
    data = words(randoms(name, 128))
    body = '''  mov.u32 %s, dyn;
  mov.u32 %i, %ctaid.x;
  mov.u32 %bar, %cluster_ctarank;
  mad.lo.u32 %y, %t, 4, %s;
  st.shared.u32 [%y], %t;
  fence.proxy.async;
  setp.ne.u32 %p, %t, 0;
  add.u32 %x, %s, 128;
  @%p bra INIT;
  mbarrier.init.shared::cta.b64 [%x], 1;
  fence.mbarrier_init.release.cluster;
  mov.u32 %z, 128;
  setp.eq.u32 %q, %bar, 2;
  selp.u32 %z, 0, %z, %q;
  mbarrier.arrive.expect_tx.shared::cta.b64 %st, [%x], %z;
INIT: barrier.cluster.arrive.aligned;
  barrier.cluster.wait.aligned;
  setp.ne.u32 %q, %bar, 2;
  or.pred %p, %p, %q;
  ld.param.u64 %a, [in];
  mov.u16 %h, 11;
''' + ('  mov.b64 %m, map;\n  cvta.param.u64 %m, %m;\n' if mapped else '') + f'''  @%p bra WAIT;
  {instruction}
WAIT: mbarrier.try_wait.parity.shared::cta.b64 %q, [%x], 0;
  @!%q bra WAIT;
  ld.shared.u32 %y, [%y];
''' + SYNC + '''  ld.param.u64 %a, [out];
  mad.lo.u32 %x, %i, 32, %t;
  mad.wide.u32 %ga, %x, 4, %a;
  st.global.b32 [%ga], %y;
'''
    want = [t if b == 2 else data[t] for b in range(4) for t in range(32)]
    lines = [f'//! in in b32 {hexes(data)}', f'//! out out b32 128 exact {hexes(want)}']
    if mapped:
        lines.insert(0, '//! tensormap in 2 1 32 32 1 0 0')
    emit(name, body, ([MAP] if mapped else []) + [param('in'), param('out')], lines, shared=256,
         attrs=CLUSTER.format(4), grid=4)


def barriers():
    """mbarrier forms on one barrier, and what is ordered but silent."""
    S = '  .shared .align 16 .b8 s[1024];\n  .reg .b32 %sa;\n  .reg .b64 %ga, %st;\n'
    lane = [list(range(N))]
    init = 'mov.u32 %sa, s;\nsetp.eq.u32 %p, %t, 0;\n@%p mbarrier.init.shared::cta.b64 [%sa], {0};\nbar.sync 0;\n'
    spin = 'W: mbarrier.{0} %q, [%sa], {1};\n@!%q bra W;\nmov.u32 %o0, 1;\n'
    one = lambda i: 1
    for name, arrive, wait in (
            ('state', 'mbarrier.arrive.shared::cta.b64 %st, [%sa];', spin.format('test_wait.shared::cta.b64', '%st')),
            ('try_state', 'mbarrier.arrive.shared::cta.b64 %st, [%sa];', spin.format('try_wait.shared::cta.b64', '%st')),
            ('try_time', 'mbarrier.arrive.shared::cta.b64 %st, [%sa];', spin.format('try_wait.parity.shared::cta.b64', '0, 1000')),
            ('acquire', 'mbarrier.arrive.release.cta.shared::cta.b64 %st, [%sa];', spin.format('try_wait.parity.acquire.cta.shared::cta.b64', '0')),
            ('no_result', 'mbarrier.arrive.shared::cta.b64 _, [%sa];', spin.format('try_wait.parity.shared::cta.b64', '0'))):
        case('mbarrier_' + name, 'u32', 'u32', init.format(32) + arrive + '\n' + wait, one, decl=S, inputs=lane, target='sm_90')
    case('mbarrier_count', 'u32', 'u32', init.format(64) + 'mbarrier.arrive.shared::cta.b64 %st, [%sa], 2;\n' + spin.format('try_wait.parity.shared::cta.b64', '0'),
         one, decl=S, inputs=lane, target='sm_90')
    case('mbarrier_drop', 'u32', 'u32', init.format(32) + '''setp.ge.u32 %q, %t, 16;
@%q mbarrier.arrive_drop.shared::cta.b64 %st, [%sa];
@!%q mbarrier.arrive.shared::cta.b64 %st, [%sa];
W: mbarrier.try_wait.parity.shared::cta.b64 %q, [%sa], 0;
@!%q bra W;
setp.ge.u32 %q, %t, 16;
@!%q mbarrier.arrive.shared::cta.b64 %st, [%sa];
V: mbarrier.try_wait.parity.shared::cta.b64 %q, [%sa], 1;
@!%q bra V;
mov.u32 %o0, 1;''', one, decl=S, inputs=lane, target='sm_90')
    case('mbarrier_no_complete', 'u32', 'u32', init.format(40) + '''@%p mbarrier.arrive.noComplete.shared::cta.b64 %st, [%sa], 8;
bar.sync 0;
mbarrier.arrive.shared::cta.b64 %st, [%sa];
''' + spin.format('try_wait.parity.shared::cta.b64', '0'), one, decl=S, inputs=lane, target='sm_90')
    case('mbarrier_pending_count', 'u32', 'u32', init.format(33) + '''mov.u32 %o0, 33;
@%p mbarrier.arrive.shared::cta.b64 %st, [%sa];
@%p mbarrier.pending_count.b64 %o0, %st;
bar.sync 0;
@%p mbarrier.inval.shared::cta.b64 [%sa];''', lambda i: 33, decl=S, inputs=lane, target='sm_90')
    case('mbarrier_expect_complete_tx', 'u32', 'u32', init.format(32) + '''@%p mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%sa], 64;
bar.sync 0;
mbarrier.arrive.shared::cta.b64 %st, [%sa];
mbarrier.test_wait.parity.shared::cta.b64 %q, [%sa], 0;
selp.u32 %o0, 1, 0, %q;
bar.sync 0;
@%p mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [%sa], 64;
W: mbarrier.try_wait.parity.shared::cta.b64 %q, [%sa], 0;
@!%q bra W;
add.u32 %o0, %o0, 2;''', lambda i: 2, decl=S, inputs=lane, target='sm_90')
    case('mbarrier_three_phases', 'u32', 'u32', init.format(32) + ''.join(f'''mbarrier.arrive.shared::cta.b64 %st, [%sa];
W{k}: mbarrier.try_wait.parity.shared::cta.b64 %q, [%sa], {k & 1};
@!%q bra W{k};
''' for k in range(3)) + 'mov.u32 %o0, 1;', one, decl=S, inputs=lane, target='sm_90')
    for noinc in ('', '.noinc'):
        case('cp_async_mbarrier_arrive' + noinc.replace('.', '_'), 'b32', 'b32', init.format(64 if noinc else 32) + f'''ld.param.u64 %ga, [p0];
mad.wide.u32 %ga, %t, 4, %ga;
add.u32 %x, %sa, 64;
mad.lo.u32 %x, %t, 4, %x;
cp.async.ca.shared.global [%x], [%ga], 4;
cp.async.mbarrier.arrive{noinc}.shared::cta.b64 [%sa];
mbarrier.arrive.shared::cta.b64 %st, [%sa];
W: mbarrier.try_wait.parity.shared::cta.b64 %q, [%sa], 0;
@!%q bra W;
ld.shared.b32 %o0, [%x];''', lambda v: v, decl=S, inputs=lane, target='sm_90')
    for n, op in ((4, 'ca'), (8, 'ca'), (16, 'ca')):
        case(f'cp_async_ca_{n}', 'b32', 'b32', f'''mov.u32 %sa, s;
mad.lo.u32 %sa, %t, 16, %sa;
ld.param.u64 %ga, [p0];
and.b32 %x, %t, 7;
mad.wide.u32 %ga, %x, 16, %ga;
cp.async.{op}.shared.global [%sa], [%ga], {n};
cp.async.commit_group;
cp.async.wait_group 0;
ld.shared.b32 %o0, [%sa+{n - 4}];''', lambda i, n=n: i % 8 * 4 + n // 4 - 1, decl=S, inputs=lane)
    case('cp_async_two_groups', 'b32', 'b32', '''mov.u32 %sa, s;
mad.lo.u32 %sa, %t, 4, %sa;
ld.param.u64 %ga, [p0];
mad.wide.u32 %ga, %t, 4, %ga;
cp.async.ca.shared.global [%sa], [%ga], 4;
cp.async.commit_group;
cp.async.ca.shared.global [%sa+128], [%ga], 4;
cp.async.commit_group;
cp.async.wait_group 1;
ld.shared.b32 %x, [%sa];
cp.async.wait_group 0;
ld.shared.b32 %o0, [%sa+128];
add.u32 %o0, %o0, %x;''', lambda v: 2 * v, decl=S, inputs=lane)
    silent = ['fence.acq_rel.cta', 'fence.acq_rel.cluster', 'fence.acq_rel.gpu', 'fence.acq_rel.sys', 'fence.sc.cta', 'fence.sc.cluster',
              'fence.sc.gpu', 'fence.sc.sys', 'membar.cta', 'membar.gl', 'membar.sys', 'fence.proxy.alias', 'fence.proxy.async',
              'fence.proxy.async.global', 'fence.proxy.async.shared::cta', 'fence.proxy.async.shared::cluster',
              'fence.mbarrier_init.release.cluster', 'griddepcontrol.wait', 'griddepcontrol.launch_dependents', 'nanosleep.u32 100',
              'barrier.sync.aligned 1', 'barrier.sync.aligned 1, 32', 'barrier.cta.sync 0', 'pmevent 1',
              'fence.acquire.gpu#8.6', 'fence.release.gpu#8.6', 'fence.proxy.tensormap::generic.release.gpu']
    for ins in silent:
        ins, _, version = ins.partition('#')
        name = 'order_' + ins.split(';')[0].replace('.', '_').replace(':', '').replace(' ', '_').replace(',', '')
        target = 'sm_90' + ('#' + version if version else '')
        case(name, 'u32', 'u32', ins + ';\nmov.u32 %o0, %i0;', lambda v: v, inputs=lane, target=target)
    for first in (0, 4, 31):
        mask = M[32] & ~((1 << first) - 1)
        case(f'elect_sync_from_{first}', 'u32', 'u32', f'''mov.u32 %o0, 0;
setp.ge.u32 %q, %t, {first};
@!%q bra E;
elect.sync _|%p, {mask};
selp.u32 %o0, 1, 0, %p;
E:''', lambda i, first=first: int(i == first), inputs=lane, target='sm_90')
    for reg in ('clock', 'clock_hi', 'globaltimer_lo'):
        case('read_' + reg, 'u32', 'u32', f'mov.u32 %x, %{reg};\nmov.u32 %y, %{reg};\nsub.u32 %x, %y, %x;\nsetp.lt.u32 %p, %x, 0x7fffffff;\nselp.u32 %o0, 1, 0, %p;', one, inputs=lane)
    for reg in ('clock64', 'globaltimer'):
        case('read_' + reg, 'u32', 'u32', f'mov.u64 %ga, %{reg};\nmov.u64 %gb, %{reg};\nsetp.ge.u64 %p, %gb, %ga;\nselp.u32 %o0, 1, 0, %p;', one,
             decl='  .reg .b64 %ga, %gb;\n', inputs=lane)


def set_registers():
    """A warpgroup gives registers back and takes them again; PDL without a
    predecessor; values are not touched."""
    body = """  ld.param.u64 %a, [out];
  mad.wide.u32 %ga, %t, 4, %a;
  mul.lo.u32 %x, %t, 7;
  setmaxnreg.dec.sync.aligned.u32 40;
  griddepcontrol.launch_dependents;
  add.u32 %x, %x, 1;
  setmaxnreg.inc.sync.aligned.u32 128;
  griddepcontrol.wait;
  st.global.b32 [%ga], %x;
"""
    emit('setmaxnreg', body, [param('out')],
         [f'//! out out b32 128 exact {hexes([7 * t + 1 for t in range(128)])}'],
         target='sm_90a', attrs='.maxntid 128, 1, 1\n.maxnreg 128', block=128)


def generate():
    set_registers()
    tma()
    bulk()
    matrices()
    clusters()
    barriers()
