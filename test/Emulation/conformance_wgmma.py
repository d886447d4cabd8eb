"""Conformance cases of wgmma: operands laid out here by the PTX ISA's core
matrices, products computed here in integers or exact floats.
"""
import random

from conformance_lib import *
from conformance_tensor import emit, param, words

SPAN = {0: 0, 1: 128, 2: 64, 3: 32}  # descriptor's swizzle field -> bytes
ENC = {'bf16': bf2b, 'f16': h2b, 'tf32': f2b,
       'e4m3': lambda v: small(v, 3, 7, 448.0), 'e5m2': lambda v: small(v, 2, 15, 57344.0),
       's8': lambda v: int(v) & 255, 'u8': lambda v: int(v) & 255}
WIDTH = {'bf16': 2, 'f16': 2, 'tf32': 4, 'e4m3': 1, 'e5m2': 1, 's8': 1, 'u8': 1}


def chunk_place(row, chunk, span):
    """Where the pattern puts a 16-byte chunk of a row of `span` bytes."""
    turn = {128: row % 8, 64: row // 2 % 4, 32: row // 4 % 2}[span]
    return chunk ^ turn


def k_major(mat, ty, mode):
    """mat[mn][k], 32 bytes of k: (image, leading, stride) in bytes."""
    w, span = WIDTH[ty], SPAN[mode]
    per = 16 // w
    groups = len(mat) // 8
    if not span:
        # Core matrices of 8 rows of 16 bytes; the k half first, then rows.
        image = bytearray(len(mat) * 32)
        for r, row in enumerate(mat):
            for k, v in enumerate(row):
                at = (k // per * groups + r // 8) * 128 + r % 8 * 16 + k % per * w
                image[at:at + w] = ENC[ty](v).to_bytes(w, 'little')
        return image, groups * 128, 128
    image = bytearray(len(mat) * span)
    for r, row in enumerate(mat):
        for k, v in enumerate(row):
            at = r * span + chunk_place(r, k // per, span) * 16 + k % per * w
            image[at:at + w] = ENC[ty](v).to_bytes(w, 'little')
    return image, 16, 8 * span


def mn_major(mat, ty, mode):
    """The transposed layout: rows of k, 16 bytes of mn side by side."""
    w, span = WIDTH[ty], SPAN[mode]
    k = len(mat[0])
    if not span:
        # Core matrices of 8 k rows of 8 mn; along mn first, then k.
        groups = len(mat) // 8
        image = bytearray(len(mat) * k * w)
        for r, row in enumerate(mat):
            for c, v in enumerate(row):
                at = (c // 8 * groups + r // 8) * 128 + c % 8 * 16 + r % 8 * w
                image[at:at + w] = ENC[ty](v).to_bytes(w, 'little')
        return image, groups * 128, 128
    wide = span // w            # mn per row of the pattern
    atom = 8 * span             # 8 rows of k
    tiles = (len(mat) + wide - 1) // wide
    image = bytearray(tiles * k // 8 * atom)
    for r, row in enumerate(mat):
        for c, v in enumerate(row):
            inside = r % wide
            at = ((r // wide) * (k // 8) + c // 8) * atom + c % 8 * span
            at += chunk_place(c % 8, inside // 8, span) * 16 + inside % 8 * w
            image[at:at + w] = ENC[ty](v).to_bytes(w, 'little')
    return image, k // 8 * atom, atom


def descriptor(leading, stride, mode):
    return leading // 16 << 16 | stride // 16 << 32 | mode << 62


def wgmma(name, ta, tb=None, n=16, acc='f32', mode=1, trans_a=0, trans_b=0, registers=False,
          scale_d=1, scale_a=1, scale_b=1, steps=1, sat=False, big=False):
    tb = tb or ta
    rng = random.Random(name)
    k = 32 // WIDTH[ta]
    integer = ta in ('s8', 'u8')

    def value(t):
        if t == 's8':
            return rng.randrange(-128, 128)
        if t == 'u8':
            return rng.randrange(256)
        return float(rng.randrange(-4, 5))
    mats = [([[value(ta) for _ in range(k)] for _ in range(64)],
             [[value(tb) for _ in range(k)] for _ in range(n)]) for _ in range(steps)]
    start = (2 ** 31 - 1 if sat else None)
    C = [[(start if sat else rng.randrange(-99, 99)) if integer else float(rng.randrange(-8, 9))
          for _ in range(n)] for _ in range(64)]
    D = [[(C[i][j] if scale_d else 0) + scale_a * scale_b * sum(A[i][x] * B[j][x] for A, B in mats for x in range(k))
          for j in range(n)] for i in range(64)]
    if sat:
        D = [[max(-2 ** 31, min(2 ** 31 - 1, v)) for v in row] for row in D]
    regs = n // 2
    row = lambda t, i: 16 * (t // 32) + t % 32 // 4 + 8 * (i // 2 % 2)
    col = lambda t, i: 8 * (i // 4) + 2 * (t % 4) + i % 2
    enc = (lambda v: int(v) & M[32]) if integer else f2b
    if acc == 'f16':
        regs = n // 4
        flat = lambda X: [h2b(X[row(t, 2 * i)][col(t, 2 * i)]) | h2b(X[row(t, 2 * i + 1)][col(t, 2 * i + 1)]) << 16
                          for i in range(regs) for t in range(128)]
    else:
        flat = lambda X: [enc(X[row(t, i)][col(t, i)]) for i in range(regs) for t in range(128)]
    image, parts = bytearray(), []

    def place(mat, ty, trans):
        img, leading, stride = (mn_major if trans else k_major)(mat, ty, mode)
        image.extend(bytes(-len(image) % 1024))
        parts.append((len(image), descriptor(leading, stride, mode)))
        image.extend(img)
    frags = []
    for A, B in mats:
        if registers:
            per = 4 // WIDTH[ta]
            for i in range(4):
                for t in range(128):
                    l = t % 32
                    r = 16 * (t // 32) + l // 4 + 8 * (i & 1)
                    at = per * (l % 4) + 4 * per * (i >> 1)
                    frags.append(sum((ENC[ta](A[r][at + h]) & M[8 * WIDTH[ta]]) << 8 * WIDTH[ta] * h for h in range(per)))
        else:
            place(A, ta, trans_a)
        place(B, tb, trans_b)
    total = len(image) + -len(image) % 16
    image.extend(bytes(total - len(image)))
    accs = [f'%d{i}' for i in range(regs)]
    vec = '{' + ', '.join(accs) + '}'
    rt = 'b32' if acc == 'f16' else 'f32' if acc == 'f32' else 'b32'
    decl = f'  .reg .{rt} %d<{regs}>;\n  .reg .b64 %da, %db;\n  .reg .b32 %f<{4 * steps}>;\n'
    body = f'''  mov.u32 %s, dyn;
  ld.param.u64 %a, [tiles];
  mov.u32 %i, %t;
IN: setp.ge.u32 %q, %i, {total // 4};
  @%q bra INE;
  mad.wide.u32 %ga, %i, 4, %a;
  ld.global.b32 %y, [%ga];
  mad.lo.u32 %x, %i, 4, %s;
  st.shared.b32 [%x], %y;
  add.u32 %i, %i, 128;
  bra IN;
INE: fence.proxy.async;
  bar.sync 0;
  ld.param.u64 %a, [c];
  mad.wide.u32 %a, %t, 4, %a;
'''
    body += ''.join(f'  ld.global.{rt} %d{i}, [%a+{512 * i}];\n' for i in range(regs))
    if registers:
        body += '  ld.param.u64 %a, [frags];\n  mad.wide.u32 %a, %t, 4, %a;\n'
        body += ''.join(f'  ld.global.b32 %f{i}, [%a+{512 * i}];\n' for i in range(4 * steps))
    body += f'  setp.ne.u32 %p, {scale_d}, 0;\n  wgmma.fence.sync.aligned;\n'
    tail = []
    if not integer:
        tail = [str(scale_a), str(scale_b)]
        if WIDTH[ta] == 2:
            tail += ([] if registers else [str(trans_a)]) + [str(trans_b)]
    shape = f'm64n{n}k{k}'
    types = f'{"satfinite." if sat else ""}{acc}.{ta}.{tb}'
    at = iter(parts)
    for step in range(steps):
        def load(reg):
            offset, bits = next(at)
            return (f'  add.u32 %x, %s, {offset};\n  shr.u32 %x, %x, 4;\n  cvt.u64.u32 {reg}, %x;\n'
                    f'  or.b64 {reg}, {reg}, {bits:#x};\n')
        if registers:
            a = '{' + ', '.join(f'%f{4 * step + i}' for i in range(4)) + '}'
        else:
            body += load('%da')
            a = '%da'
        body += load('%db')
        scale = '%p' if step == 0 else '1'
        body += f'  wgmma.mma_async.sync.aligned.{shape}.{types} {", ".join([vec, a, "%db", scale] + tail)};\n'
        body += '  wgmma.commit_group.sync.aligned;\n'
    if steps > 1:
        body += '  wgmma.wait_group.sync.aligned 1;\n'
    body += '  wgmma.wait_group.sync.aligned 0;\n  ld.param.u64 %a, [out];\n  mad.wide.u32 %a, %t, 4, %a;\n'
    body += ''.join(f'  st.global.{rt} [%a+{512 * i}], %d{i};\n' for i in range(regs))
    params = [param('tiles'), param('c')] + ([param('frags')] if registers else []) + [param('out')]
    lines = [f'//! in tiles b32 {hexes(words(image))}', f'//! in c b32 {hexes(flat(C))}']
    if registers:
        lines.append(f'//! in frags b32 {hexes(frags)}')
    lines.append(f'//! out out b32 {128 * regs} exact {hexes(flat(D))}')
    emit('wgmma_' + name, body, params, lines, shared=total, target='sm_90a', regs=decl, block=128)


def generate():
    for mode in (0, 1, 2, 3):
        span = SPAN[mode] or 'none'
        for ty in ('bf16', 'f16', 'tf32', 'e4m3', 's8'):
            wgmma(f'{ty}_swizzle_{span}', ty, mode=mode, acc='s32' if ty == 's8' else 'f32')
        wgmma(f'bf16_trans_b_{span}', 'bf16', mode=mode, trans_b=1, n=64)
        wgmma(f'bf16_trans_a_{span}', 'bf16', mode=mode, trans_a=1)
        wgmma(f'f16_trans_ab_{span}', 'f16', mode=mode, trans_a=1, trans_b=1, n=32)
        wgmma(f'bf16_registers_trans_b_{span}', 'bf16', mode=mode, registers=True, trans_b=1)
    for n in (8, 24, 64, 128):
        wgmma(f'bf16_n{n}', 'bf16', n=n)
    for ty in ('bf16', 'f16', 'tf32', 'e4m3', 'e5m2', 's8', 'u8'):
        wgmma(f'{ty}_registers', ty, registers=True, acc='s32' if ty in ('s8', 'u8') else 'f32')
    wgmma('bf16_registers_n128', 'bf16', n=128, registers=True)
    wgmma('bf16_registers_four_steps', 'bf16', n=64, registers=True, steps=4)
    for a, b in (('e4m3', 'e5m2'), ('e5m2', 'e4m3'), ('e5m2', 'e5m2')):
        wgmma(f'{a}_{b}', a, b)
    for a, b in (('s8', 'u8'), ('u8', 's8'), ('u8', 'u8')):
        wgmma(f'{a}_{b}', a, b, acc='s32')
    wgmma('s8_saturated', 's8', acc='s32', sat=True)
    wgmma('f16_half_accumulators', 'f16', acc='f16', n=32)
    wgmma('e4m3_half_accumulators', 'e4m3', acc='f16', n=16)
    wgmma('f16_half_registers', 'f16', acc='f16', registers=True)
    wgmma('bf16_clear', 'bf16', scale_d=0)
    wgmma('s8_clear', 's8', acc='s32', scale_d=0)
    wgmma('bf16_minus_a', 'bf16', scale_a=-1)
    wgmma('f16_minus_b', 'f16', scale_b=-1)
    wgmma('tf32_minus_both', 'tf32', scale_a=-1, scale_b=-1)
    wgmma('bf16_two_steps', 'bf16', steps=2)
    wgmma('f16_registers_two_steps', 'f16', registers=True, steps=2)
    wgmma('e4m3_three_steps', 'e4m3', steps=3)
