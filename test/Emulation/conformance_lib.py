"""What the conformance set's generators share: number formats, the shape of
a case file, and cases of one thread per element.
"""
import math, os, random, struct

M = {8: 0xff, 16: 0xffff, 32: 0xffffffff, 64: 0xffffffffffffffff}
BITS = {'u8': 8, 's8': 8, 'b8': 8, 'u16': 16, 's16': 16, 'b16': 16, 'f16': 16,
        'bf16': 16, 'u32': 32, 's32': 32, 'b32': 32, 'f32': 32, 'u64': 64,
        's64': 64, 'b64': 64, 'f64': 64}
N = 32
out_dir = None
count = 0


def begin(folder):
    """Where write() puts the files."""
    global out_dir
    out_dir = folder
    os.makedirs(folder, exist_ok=True)


def f2b(v):
    try:
        return struct.unpack('<I', struct.pack('<f', v))[0]
    except OverflowError:
        return 0x7f800000 if v > 0 else 0xff800000


def b2f(b):
    return struct.unpack('<f', struct.pack('<I', b & M[32]))[0]


def d2b(v):
    return struct.unpack('<Q', struct.pack('<d', v))[0]


def b2d(b):
    return struct.unpack('<d', struct.pack('<Q', b))[0]


def h2b(v):
    if math.isnan(v):
        return 0x7fff
    try:
        return struct.unpack('<H', struct.pack('<e', v))[0]
    except OverflowError:
        return 0x7c00 if v > 0 else 0xfc00


def b2h(b):
    return struct.unpack('<e', struct.pack('<H', b & 0xffff))[0]


def bf2b(v):
    """f64 -> bf16, nearest even (v must be exact enough in f32 steps)."""
    if math.isnan(v):
        return 0x7fff
    if math.isinf(v):
        return 0x7f80 if v > 0 else 0xff80
    if v == 0:
        return 0x8000 if math.copysign(1, v) < 0 else 0
    s = 0x8000 if v < 0 else 0
    m, e = math.frexp(abs(v))       # m in [0.5, 1)
    e -= 1
    q = max(e, -126) - 7
    n = abs(v) / 2.0 ** q           # exact
    k = math.floor(n)
    r = n - k
    if r > 0.5 or (r == 0.5 and k & 1):
        k += 1
    if k >= 256:
        k //= 2
        q += 1
    if k < 128:
        return s | k
    ex = q + 7 + 127
    return s | 0x7f80 if ex >= 255 else s | ex << 7 | (k - 128)


def b2bf(b):
    return b2f((b & 0xffff) << 16)


def sx(v, n):
    v &= (1 << n) - 1
    return v - (1 << n) if v >> (n - 1) else v


def fr(t, b):
    """Bits to a Python value."""
    n = BITS[t]
    if t[0] == 's':
        return sx(b, n)
    return {'f32': b2f, 'f64': b2d, 'f16': b2h, 'bf16': b2bf}.get(
        t, lambda x: x & M[n])(b)


def to(t, v):
    """A Python value to bits."""
    return {'f32': f2b, 'f64': d2b, 'f16': h2b, 'bf16': bf2b}.get(
        t, lambda x: int(x) & M[BITS[t]])(v)


def samples(t, rng, kind='any'):
    n = BITS[t]
    if t[0] in 'us' or t[:2] in ('b8', 'b1', 'b3', 'b6'):
        if t != 'bf16':
            edge = [0, 1, 2, 3, 31, 32, M[n], M[n] >> 1, (M[n] >> 1) + 1,
                    0x55555555 & M[n]]
            if kind == 'small':
                return [rng.randrange(0, 40) for _ in range(N)]
            return (edge + [rng.randrange(0, M[n] + 1) for _ in range(N)])[:N]
    vals = [0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, 3.0, 100.0]
    if kind == 'positive':
        vals = [1.0, 0.5, 2.0, 4.0, 0.25, 3.0]
    if kind == 'unit':
        vals = [0.0, 0.5, 1.0, -1.0]
    while len(vals) < N:
        v = rng.uniform(-8, 8)
        if kind == 'positive':
            v = abs(v) + 0.01
        if kind == 'unit':
            v = rng.uniform(-1, 1)
        vals.append(v)
    b = [to(t, v) for v in vals]
    if kind == 'special':
        b[:6] = [to(t, math.inf), to(t, -math.inf), to(t, math.nan), to(t, 0.0),
                 to(t, -0.0), to(t, 1.0)]
    return b


REG = {8: ('b16', 'rs'), 16: ('b16', 'rs'), 32: ('b32', 'r'), 64: ('b64', 'rd')}


def write(name, target, text, lines):
    """`target`: a chip, with #VERSION where the PTX must be newer."""
    global count
    target, _, version = target.partition('#')
    default = '8.4' if target in ('sm_80', 'sm_90', 'sm_90a') else '8.7'
    with open(os.path.join(out_dir, name + '.ptx'), 'w') as f:
        f.write('\n'.join(lines) + '\n')
        f.write(f'.version {version or default}\n'
                f'.target {target}\n.address_size 64\n')
        f.write(text)
    count += 1


def hexes(v):
    return ' '.join('%x' % x for x in v)


def case(name, outs, ins, asm, fn, tol='exact', target='sm_80', kind='any',
         decl='', inputs=None, grid=1):
    """Each thread reads one element of every input, runs asm (%o0.., %i0..)
    and writes its outputs. fn gets Python values, gives value(s)."""
    rng = random.Random(name)
    outs = [outs] if isinstance(outs, str) else outs
    ins = [ins] if isinstance(ins, str) else ins
    kinds = kind if isinstance(kind, list) else [kind] * len(ins)
    data = inputs or [samples(t, rng, k) for t, k in zip(ins, kinds)]
    want = [[] for _ in outs]
    for i in range(N):
        r = fn(*[fr(t, d[i]) for t, d in zip(ins, data)])
        r = r if isinstance(r, tuple) else (r,)
        for o, t, v in zip(want, outs, r):
            o.append(to(t, v))
    lines = [f'//! kernel k', '//! grid 1 1 1', f'//! block {N} 1 1']
    for i, (t, d) in enumerate(zip(ins, data)):
        lines.append(f'//! in i{i} {t} {hexes(d)}')
    for i, (t, o) in enumerate(zip(outs, want)):
        lines.append(f'//! out o{i} {t} {N} {tol} {hexes(o)}')
    params = [f'.param .u64 p{i}' for i in range(len(ins) + len(outs))]
    body = ''
    for i, t in enumerate(ins):
        body += f'  ld.param.u64 %a, [p{i}];\n  mad.wide.u32 %a, %t, {BITS[t]//8}, %a;\n'
        body += f'  ld.global.{"b" + str(BITS[t]) if BITS[t] > 8 else t} %i{i}, [%a];\n'
    body += ''.join('  ' + l.strip() + '\n' for l in asm.split('\n') if l.strip())
    for i, t in enumerate(outs):
        body += f'  ld.param.u64 %a, [p{len(ins)+i}];\n  mad.wide.u32 %a, %t, {BITS[t]//8}, %a;\n'
        body += f'  st.global.{"b" + str(BITS[t])} [%a], %o{i};\n'
    # Float instructions want float registers.
    def typed(t):
        return t if t in ('f32', 'f64') else REG[BITS[t]][0]
    regs = ''.join(f'  .reg .{typed(t)} %i{i};\n' for i, t in enumerate(ins))
    regs += ''.join(f'  .reg .{typed(t)} %o{i};\n' for i, t in enumerate(outs))
    text = f'''.visible .entry k({", ".join(params)})
{{
  .reg .b64 %a;
  .reg .b32 %t, %x, %y;
  .reg .pred %p, %q;
{regs}{decl}  mov.u32 %t, %tid.x;
{body}  ret;
}}
'''
    write(name, target, text, lines)


def tf32(v, add):
    u = f2b(v)
    return (u + add) & 0xffffe000


def small(v, mant, bias, top):
    """Nearest even to a small float format, saturating; 8 bits."""
    s = 0x80 if math.copysign(1, v) < 0 else 0
    v = min(abs(v), top)
    if v == 0:
        return s
    e = max(math.frexp(v)[1] - 1, 1 - bias)
    q = 2.0 ** (e - mant)
    n = v / q
    k = math.floor(n)
    if n - k > 0.5 or (n - k == 0.5 and k & 1):
        k += 1
    if k * q > top:
        return s | small(top, mant, bias, top)
    if k >= 2 << mant:
        k >>= 1
        e += 1
    return s | (k if k < 1 << mant else (e + bias) << mant | (k - (1 << mant)))
