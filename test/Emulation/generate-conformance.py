#!/usr/bin/env python3
"""Writes the conformance set: one small PTX file per instruction form, with
inputs and expected results computed here, independently of the emulator.

usage: generate-conformance.py OUTPUT-FOLDER
"""
import math, random, sys

import conformance_lib
from conformance_lib import *

conformance_lib.begin(sys.argv[1])

# ---- integers -------------------------------------------------------------
for t in ('u16', 's16', 'u32', 's32', 'u64', 's64'):
    n, s = BITS[t], t[0] == 's'
    case(f'add_{t}', t, [t, t], f'add.{t} %o0, %i0, %i1;', lambda a, b: a + b)
    case(f'sub_{t}', t, [t, t], f'sub.{t} %o0, %i0, %i1;', lambda a, b: a - b)
    case(f'mul_lo_{t}', t, [t, t], f'mul.lo.{t} %o0, %i0, %i1;', lambda a, b: a * b)
    case(f'mul_hi_{t}', t, [t, t], f'mul.hi.{t} %o0, %i0, %i1;', lambda a, b, n=n: (a * b) >> n)
    case(f'mad_lo_{t}', t, [t, t, t], f'mad.lo.{t} %o0, %i0, %i1, %i2;', lambda a, b, c: a * b + c)
    if n < 64:
        w = t[0] + str(2 * n)
        case(f'mul_wide_{t}', w, [t, t], f'mul.wide.{t} %o0, %i0, %i1;', lambda a, b: a * b)
        case(f'mad_wide_{t}', w, [t, t, w], f'mad.wide.{t} %o0, %i0, %i1, %i2;', lambda a, b, c: a * b + c)
    case(f'mad_hi_{t}', t, [t, t, t], f'mad.hi.{t} %o0, %i0, %i1, %i2;', lambda a, b, c, n=n: ((a * b) >> n) + c)

    def div(a, b):
        b = b or 7
        q = abs(a) // abs(b)
        return -q if (a < 0) != (b < 0) else q
    fix = f'setp.eq.{t} %p, %i1, 0;\n@%p mov.b{n} %i1, 7;\n'
    case(f'div_{t}', t, [t, t], fix + f'div.{t} %o0, %i0, %i1;', div)
    case(f'rem_{t}', t, [t, t], fix + f'rem.{t} %o0, %i0, %i1;',
         lambda a, b: a - div(a, b) * (b or 7))
    case(f'min_{t}', t, [t, t], f'min.{t} %o0, %i0, %i1;', min)
    case(f'max_{t}', t, [t, t], f'max.{t} %o0, %i0, %i1;', max)
    case(f'sad_{t}', t, [t, t, t], f'sad.{t} %o0, %i0, %i1, %i2;', lambda a, b, c: abs(a - b) + c)
    case(f'shr_{t}', t, [t, 'u32'], f'shr.{t} %o0, %i0, %i1;',
         lambda a, b, n=n, s=s: (a >> min(b, n - 1)) if s else (a >> b if b < n else 0), kind=['any', 'small'])
    for c, f in (('eq', lambda a, b: a == b), ('ne', lambda a, b: a != b), ('lt', lambda a, b: a < b),
                 ('le', lambda a, b: a <= b), ('gt', lambda a, b: a > b), ('ge', lambda a, b: a >= b)):
        if n == 32 or c in ('lt', 'ge'):
            case(f'setp_{c}_{t}', 'u32', [t, t],
                 f'setp.{c}.{t} %p, %i0, %i1;\nselp.u32 %o0, 11, 22, %p;', lambda a, b, f=f: 11 if f(a, b) else 22)
for t in ('s16', 's32', 's64'):
    case(f'abs_{t}', t, t, f'abs.{t} %o0, %i0;', abs)
    case(f'neg_{t}', t, t, f'neg.{t} %o0, %i0;', lambda a: -a)
for t in ('b16', 'b32', 'b64'):
    n = BITS[t]
    case(f'and_{t}', t, [t, t], f'and.{t} %o0, %i0, %i1;', lambda a, b: a & b)
    case(f'or_{t}', t, [t, t], f'or.{t} %o0, %i0, %i1;', lambda a, b: a | b)
    case(f'xor_{t}', t, [t, t], f'xor.{t} %o0, %i0, %i1;', lambda a, b: a ^ b)
    case(f'not_{t}', t, t, f'not.{t} %o0, %i0;', lambda a: ~a)
    case(f'cnot_{t}', t, t, f'cnot.{t} %o0, %i0;', lambda a: int(a == 0))
    case(f'shl_{t}', t, [t, 'u32'], f'shl.{t} %o0, %i0, %i1;', lambda a, b: a << b if b < 200 else 0, kind=['any', 'small'])
    case(f'selp_{t}', t, [t, t, 'u32'], f'setp.gt.u32 %p, %i2, 19;\nselp.{t} %o0, %i0, %i1, %p;',
         lambda a, b, c: a if c > 19 else b, kind=['any', 'any', 'small'])
for t in ('b32', 'b64'):
    n = BITS[t]
    case(f'popc_{t}', 'u32', t, f'popc.{t} %o0, %i0;', lambda a: bin(a).count('1'))
    case(f'clz_{t}', 'u32', t, f'clz.{t} %o0, %i0;', lambda a, n=n: n - a.bit_length())
    case(f'brev_{t}', t, t, f'brev.{t} %o0, %i0;', lambda a, n=n: int(format(a, f'0{n}b')[::-1], 2))
    case(f'bfi_{t}', t, [t, t, 'u32', 'u32'], f'bfi.{t} %o0, %i0, %i1, %i2, %i3;',
         lambda a, b, p, l, n=n: (b & ~(((1 << l) - 1) << p) | (a & ((1 << l) - 1)) << p) & M[n], kind=['any', 'any', 'small', 'small'])
for t in ('u32', 's32', 'u64', 's64'):
    n = BITS[t]

    def bfe(a, p, l, n=n, t=t):
        b = a & M[n]
        if l == 0:
            return 0
        top = min(p + l - 1, n - 1)
        sign = t[0] == 's' and (b >> top) & 1
        d = 0
        for i in range(n):
            bit = (b >> (p + i)) & 1 if i < l and p + i < n else sign
            d |= int(bit) << i
        return d
    case(f'bfe_{t}', t, [t, 'u32', 'u32'], f'bfe.{t} %o0, %i0, %i1, %i2;', bfe, kind=['any', 'small', 'small'])

    def bfind(a):
        v = ~a if a < 0 else a
        return v.bit_length() - 1 if v else M[32]
    case(f'bfind_{t}', 'u32', t, f'bfind.{t} %o0, %i0;', bfind)
    case(f'bfind_shiftamt_{t}', 'u32', t, f'bfind.shiftamt.{t} %o0, %i0;',
         lambda a, n=n: n - 1 - bfind(a) if bfind(a) != M[32] else M[32])
clamp = lambda v: max(-2**31, min(2**31 - 1, v))
case('add_sat_s32', 's32', ['s32', 's32'], 'add.sat.s32 %o0, %i0, %i1;', lambda a, b: clamp(a + b))
case('sub_sat_s32', 's32', ['s32', 's32'], 'sub.sat.s32 %o0, %i0, %i1;', lambda a, b: clamp(a - b))
case('add_cc_u32', ['u32', 'u32'], ['u32'] * 4, 'add.cc.u32 %o0, %i0, %i2;\naddc.u32 %o1, %i1, %i3;',
     lambda a, b, c, d: ((a + c), (a + c + (b + d << 32)) >> 32))
case('sub_cc_u32', ['u32', 'u32'], ['u32'] * 4, 'sub.cc.u32 %o0, %i0, %i2;\nsubc.u32 %o1, %i1, %i3;',
     lambda a, b, c, d: ((a - c), (a - c + (b - d << 32)) >> 32))
case('mad_cc_u32', ['u32', 'u32'], ['u32'] * 3, 'mad.lo.cc.u32 %o0, %i0, %i1, %i2;\nmadc.hi.u32 %o1, %i0, %i1, 0;',
     lambda a, b, c: (a * b + c, (a * b + c) >> 32))
for t in ('u32', 's32'):
    e24 = (lambda v: sx(v, 24)) if t == 's32' else (lambda v: v & 0xffffff)
    case(f'mul24_lo_{t}', t, [t, t], f'mul24.lo.{t} %o0, %i0, %i1;', lambda a, b, e=e24: e(a) * e(b))
    case(f'mad24_lo_{t}', t, [t, t, t], f'mad24.lo.{t} %o0, %i0, %i1, %i2;', lambda a, b, c, e=e24: e(a) * e(b) + c)
    case(f'mul24_hi_{t}', t, [t, t], f'mul24.hi.{t} %o0, %i0, %i1;', lambda a, b, e=e24: (e(a) * e(b)) >> 16)


def by(v, i, s):
    b = v >> 8 * i & 255
    return sx(b, 8) if s else b


for x in 'us':
    for y in 'us':
        case(f'dp4a_{x}32_{y}32', y + '32' if x == y else 's32', ['u32', 'u32', 'u32'],
             f'dp4a.{x}32.{y}32 %o0, %i0, %i1, %i2;',
             lambda a, b, c, x=x, y=y: c + sum(by(a, i, x == 's') * by(b, i, y == 's') for i in range(4)))
case('dp2a_lo_s32_s32', 's32', ['u32', 'u32', 'u32'], 'dp2a.lo.s32.s32 %o0, %i0, %i1, %i2;',
     lambda a, b, c: c + sum(sx(a >> 16 * i, 16) * by(b, i, True) for i in range(2)))
case('dp2a_hi_u32_u32', 'u32', ['u32', 'u32', 'u32'], 'dp2a.hi.u32.u32 %o0, %i0, %i1, %i2;',
     lambda a, b, c: c + sum((a >> 16 * i & 0xffff) * by(b, i + 2, False) for i in range(2)))
for lut in (0x96, 0xe8, 0xca, 0x1b, 0xfe):
    def lop(a, b, c, lut=lut):
        return sum(((lut >> ((a >> i & 1) * 4 + (b >> i & 1) * 2 + (c >> i & 1))) & 1) << i for i in range(32))
    case(f'lop3_{lut:02x}', 'b32', ['b32'] * 3, f'lop3.b32 %o0, %i0, %i1, %i2, {lut};', lop)


def prmt(a, b, c):
    v, d = a | b << 32, 0
    for i in range(4):
        s = c >> 4 * i & 15
        x = v >> 8 * (s & 7) & 255
        d |= ((0xff if x & 0x80 else 0) if s & 8 else x) << 8 * i
    return d


case('prmt_b32', 'b32', ['b32'] * 3, 'prmt.b32 %o0, %i0, %i1, %i2;', prmt)
TAB = {'f4e': [0x3210, 0x4321, 0x5432, 0x6543], 'b4e': [0x5670, 0x6701, 0x7012, 0x0123],
       'rc8': [0, 0x1111, 0x2222, 0x3333], 'ecl': [0x3210, 0x3211, 0x3222, 0x3333],
       'ecr': [0, 0x1110, 0x2210, 0x3210], 'rc16': [0x1010, 0x3232, 0x1010, 0x3232]}
for m, tab in TAB.items():
    case(f'prmt_{m}', 'b32', ['b32'] * 3, f'prmt.b32.{m} %o0, %i0, %i1, %i2;',
         lambda a, b, c, tab=tab: prmt(a, b, tab[c & 3]))
for d, f in (('l', lambda v, n: v << n >> 32), ('r', lambda v, n: v >> n)):
    case(f'shf_{d}_clamp', 'b32', ['b32', 'b32', 'u32'], f'shf.{d}.clamp.b32 %o0, %i0, %i1, %i2;',
         lambda a, b, c, f=f: f(a | b << 32, min(c, 32)), kind=['any', 'any', 'small'])
    case(f'shf_{d}_wrap', 'b32', ['b32', 'b32', 'u32'], f'shf.{d}.wrap.b32 %o0, %i0, %i1, %i2;',
         lambda a, b, c, f=f: f(a | b << 32, c & 31), kind=['any', 'any', 'small'])
case('bmsk_clamp', 'b32', ['u32', 'u32'], 'bmsk.clamp.b32 %o0, %i0, %i1;',
     lambda a, b: (((1 << min(b, 32)) - 1) << a) if a < 32 else 0, kind='small')
case('szext_clamp_s32', 's32', ['s32', 'u32'], 'szext.clamp.s32 %o0, %i0, %i1;',
     lambda a, b: sx(a, min(b, 32)) if b else 0, kind=['any', 'small'])
case('szext_clamp_u32', 'u32', ['u32', 'u32'], 'szext.clamp.u32 %o0, %i0, %i1;',
     lambda a, b: a & ((1 << min(b, 32)) - 1), kind=['any', 'small'])


def fns(mask, base, off):
    base &= 31
    if off == 0:
        return base if mask >> base & 1 else M[32]
    left, step, at = abs(off), (1 if off > 0 else -1), base
    while 0 <= at < 32:
        if mask >> at & 1:
            left -= 1
            if left == 0:
                return at
        at += step
    return M[32]


case('fns_b32', 'b32', ['b32', 'u32', 's32'],
     'and.b32 %x, %i1, 31;\nrem.s32 %y, %i2, 6;\nfns.b32 %o0, %i0, %x, %y;',
     lambda m, b, o: fns(m, b, int(math.fmod(o, 6))))
case('add_u16x2', 'b32', ['b32', 'b32'], 'add.u16x2 %o0, %i0, %i1;', target='sm_90',
     fn=lambda a, b: (a + b & 0xffff) | ((a >> 16) + (b >> 16) & 0xffff) << 16)
for op, f in (('min', min), ('max', max)):
    case(f'{op}_s16x2', 'b32', ['b32', 'b32'], f'{op}.s16x2 %o0, %i0, %i1;', target='sm_90',
         fn=lambda a, b, f=f: (f(sx(a, 16), sx(b, 16)) & 0xffff) | (f(sx(a >> 16, 16), sx(b >> 16, 16)) & 0xffff) << 16)
    case(f'{op}_relu_s32', 's32', ['s32', 's32'], f'{op}.s32.relu %o0, %i0, %i1;' if False else f'{op}.relu.s32 %o0, %i0, %i1;',
         target='sm_90', fn=lambda a, b, f=f: max(0, f(a, b)))
case('slct_b32_s32', 'b32', ['b32', 'b32', 's32'], 'slct.b32.s32 %o0, %i0, %i1, %i2;', lambda a, b, c: a if c >= 0 else b)
case('slct_b64_f32', 'b64', ['b64', 'b64', 'f32'], 'slct.b64.f32 %o0, %i0, %i1, %i2;', lambda a, b, c: a if c >= 0 else b)
for op in ('and', 'or', 'xor'):
    F = {'and': lambda x, y: x and y, 'or': lambda x, y: x or y, 'xor': lambda x, y: x != y}[op]
    case(f'setp_lt_{op}_s32', 'u32', ['s32', 's32', 's32'],
         f'setp.gt.s32 %q, %i2, 0;\nsetp.lt.{op}.s32 %p, %i0, %i1, %q;\nselp.u32 %o0, 1, 0, %p;',
         lambda a, b, c, F=F: int(F(a < b, c > 0)))
    case(f'{op}_pred', 'u32', ['s32', 's32'],
         f'setp.gt.s32 %p, %i0, 0;\nsetp.gt.s32 %q, %i1, 0;\n{op}.pred %p, %p, %q;\nselp.u32 %o0, 1, 0, %p;',
         lambda a, b, F=F: int(F(a > 0, b > 0)))
case('setp_two_results', ['u32', 'u32'], ['s32', 's32'],
     'setp.lt.s32 %p|%q, %i0, %i1;\nselp.u32 %o0, 1, 0, %p;\nselp.u32 %o1, 1, 0, %q;',
     lambda a, b: (int(a < b), int(not a < b)))
case('set_lt_u32_s32', 'u32', ['s32', 's32'], 'set.lt.u32.s32 %o0, %i0, %i1;', lambda a, b: M[32] if a < b else 0)
case('set_gt_f32_f32', 'f32', ['f32', 'f32'], 'set.gt.f32.f32 %o0, %i0, %i1;', lambda a, b: 1.0 if a > b else 0.0)
for c in ('lo', 'ls', 'hi', 'hs'):
    F = {'lo': lambda a, b: a < b, 'ls': lambda a, b: a <= b, 'hi': lambda a, b: a > b, 'hs': lambda a, b: a >= b}[c]
    case(f'setp_{c}_u32', 'u32', ['u32', 'u32'], f'setp.{c}.u32 %p, %i0, %i1;\nselp.u32 %o0, 1, 0, %p;', lambda a, b, F=F: int(F(a, b)))

# ---- f32 and f64 ----------------------------------------------------------
for t in ('f32', 'f64'):
    case(f'add_{t}', t, [t, t], f'add.rn.{t} %o0, %i0, %i1;', lambda a, b: a + b)
    case(f'sub_{t}', t, [t, t], f'sub.rn.{t} %o0, %i0, %i1;', lambda a, b: a - b)
    case(f'mul_{t}', t, [t, t], f'mul.rn.{t} %o0, %i0, %i1;', lambda a, b: a * b)
    case(f'div_rn_{t}', t, [t, t], f'div.rn.{t} %o0, %i0, %i1;', lambda a, b: a / b, kind=['any', 'positive'])
    case(f'rcp_rn_{t}', t, t, f'rcp.rn.{t} %o0, %i0;', lambda a: 1 / a, kind='positive')
    case(f'sqrt_rn_{t}', t, t, f'sqrt.rn.{t} %o0, %i0;', math.sqrt, kind='positive')
    case(f'min_{t}', t, [t, t], f'min.{t} %o0, %i0, %i1;', lambda a, b: min(a, b) if a != b else (a if math.copysign(1, a) < 0 else b))
    case(f'max_{t}', t, [t, t], f'max.{t} %o0, %i0, %i1;', lambda a, b: max(a, b) if a != b else (b if math.copysign(1, a) < 0 else a))
    case(f'abs_{t}', t, t, f'abs.{t} %o0, %i0;', abs)
    case(f'neg_{t}', t, t, f'neg.{t} %o0, %i0;', lambda a: -a)
    case(f'copysign_{t}', t, [t, t], f'copysign.{t} %o0, %i0, %i1;', lambda a, b: math.copysign(b, a))
    for c, F in (('eq', lambda a, b: a == b), ('lt', lambda a, b: a < b), ('ge', lambda a, b: a >= b),
                 ('equ', lambda a, b: a == b or a != a or b != b), ('ltu', lambda a, b: a < b or a != a or b != b),
                 ('neu', lambda a, b: not a == b), ('num', lambda a, b: a == a and b == b), ('nan', lambda a, b: a != a or b != b)):
        case(f'setp_{c}_{t}', 'u32', [t, t], f'setp.{c}.{t} %p, %i0, %i1;\nselp.u32 %o0, 1, 0, %p;',
             lambda a, b, F=F: int(F(a, b)), kind=['special', 'any'])
from fractions import Fraction


def exact_fma(a, b, c):
    return Fraction(a) * Fraction(b) + Fraction(c)


def near32(x):
    """Nearest f32 of a fraction, ties to even."""
    if x == 0:
        return 0.0
    s, x = (-1 if x < 0 else 1), abs(x)
    e = 0
    while x >= 2 ** (e + 1):
        e += 1
    while x < Fraction(2) ** e:
        e -= 1
    q = Fraction(2) ** (max(e, -126) - 23)
    n, r = divmod(x, q)
    n = int(n)
    if r * 2 > q or (r * 2 == q and n & 1):
        n += 1
    return s * float(n * q)


case('fma_rn_f32', 'f32', ['f32'] * 3, 'fma.rn.f32 %o0, %i0, %i1, %i2;', lambda a, b, c: near32(exact_fma(a, b, c)) if exact_fma(a, b, c) else a * b + c)
case('mad_f32', 'f32', ['f32'] * 3, 'mad.rn.f32 %o0, %i0, %i1, %i2;', lambda a, b, c: near32(exact_fma(a, b, c)) if exact_fma(a, b, c) else a * b + c)
case('fma_rn_f64', 'f64', ['f64'] * 3, 'fma.rn.f64 %o0, %i0, %i1, %i2;', lambda a, b, c: float(exact_fma(a, b, c)) if exact_fma(a, b, c) else a * b + c)


def direct(x, mode):
    """Fraction to f32 in a directed mode."""
    n = near32(x)
    if Fraction(n) == x or x == 0:
        return n
    b = f2b(n)
    up = b2f(b + 1) if n > 0 else (b2f(b - 1))
    down = b2f(b - 1) if n > 0 else (b2f(b + 1))
    if mode == 'rz':
        mode = 'rm' if x > 0 else 'rp'
    if mode == 'rm':
        return n if Fraction(n) < x else down
    return n if Fraction(n) > x else up


for mode in ('rz', 'rm', 'rp'):
    z = -0.0 if mode == 'rm' else 0.0
    case(f'add_{mode}_f32', 'f32', ['f32', 'f32'], f'add.{mode}.f32 %o0, %i0, %i1;', kind='positive',
         fn=lambda a, b, m=mode: direct(Fraction(a) + Fraction(b), m))
    case(f'mul_{mode}_f32', 'f32', ['f32', 'f32'], f'mul.{mode}.f32 %o0, %i0, %i1;', kind='positive',
         fn=lambda a, b, m=mode: direct(Fraction(a) * Fraction(b), m))
    case(f'fma_{mode}_f32', 'f32', ['f32'] * 3, f'fma.{mode}.f32 %o0, %i0, %i1, %i2;', kind='positive',
         fn=lambda a, b, c, m=mode: direct(exact_fma(a, b, c), m))
    case(f'div_{mode}_f32', 'f32', ['f32', 'f32'], f'div.{mode}.f32 %o0, %i0, %i1;', kind='positive',
         fn=lambda a, b, m=mode: direct(Fraction(a) / Fraction(b), m))
sat = lambda v: 0.0 if not v > 0 else min(v, 1.0)
case('add_sat_f32', 'f32', ['f32', 'f32'], 'add.sat.f32 %o0, %i0, %i1;', lambda a, b: sat(a + b), kind='unit')
case('mul_sat_f32', 'f32', ['f32', 'f32'], 'mul.sat.f32 %o0, %i0, %i1;', lambda a, b: sat(a * b))
case('add_ftz_f32', 'f32', ['f32', 'f32'], 'add.ftz.f32 %o0, %i0, %i1;', lambda a, b: a + b)
case('min_nan_f32', 'f32', ['f32', 'f32'], 'min.NaN.f32 %o0, %i0, %i1;', kind=['special', 'positive'],
     fn=lambda a, b: math.nan if a != a else min(a, b))
case('max_xorsign_abs_f32', 'f32', ['f32', 'f32'], 'max.xorsign.abs.f32 %o0, %i0, %i1;', target='sm_90',
     fn=lambda a, b: math.copysign(max(abs(a), abs(b)), math.copysign(1, a) * math.copysign(1, b)))
for name, f, k in (('rsqrt.approx', lambda a: a ** -0.5, 'positive'), ('sqrt.approx', math.sqrt, 'positive'),
                   ('rcp.approx', lambda a: 1 / a, 'positive'), ('ex2.approx', lambda a: 2.0 ** a, 'any'),
                   ('ex2.approx.ftz', lambda a: 2.0 ** a, 'any')):
    case(name.replace('.', '_') + '_f32', 'f32', 'f32', f'{name}.f32 %o0, %i0;', f, tol='ulp 4', kind=k)
case('lg2_approx_f32', 'f32', 'f32', 'lg2.approx.f32 %o0, %i0;', math.log2, tol='abs 1e-6', kind='positive')
case('sin_approx_f32', 'f32', 'f32', 'sin.approx.f32 %o0, %i0;', math.sin, tol='abs 1e-6', kind='unit')
case('cos_approx_f32', 'f32', 'f32', 'cos.approx.f32 %o0, %i0;', math.cos, tol='abs 1e-6', kind='unit')
case('tanh_approx_f32', 'f32', 'f32', 'tanh.approx.f32 %o0, %i0;', math.tanh, tol='rel 0.0006')
case('div_approx_f32', 'f32', ['f32', 'f32'], 'div.approx.f32 %o0, %i0, %i1;', lambda a, b: a / b, tol='ulp 3', kind=['any', 'positive'])
case('div_full_f32', 'f32', ['f32', 'f32'], 'div.full.f32 %o0, %i0, %i1;', lambda a, b: a / b, tol='ulp 3', kind=['any', 'positive'])
for w, F in (('finite', math.isfinite), ('infinite', math.isinf), ('notanumber', math.isnan), ('number', lambda a: not math.isnan(a))):
    case(f'testp_{w}_f32', 'u32', 'f32', f'testp.{w}.f32 %p, %i0;\nselp.u32 %o0, 1, 0, %p;', lambda a, F=F: int(F(a)), kind='special')

# ---- f16, bf16 ------------------------------------------------------------
for t, rd, wr in (('f16', b2h, h2b), ('bf16', b2bf, bf2b)):
    tg = 'sm_90'
    for op, f in (('add', lambda a, b: a + b), ('sub', lambda a, b: a - b), ('mul', lambda a, b: a * b)):
        r = '.rn' if t == 'bf16' else ''
        case(f'{op}_{t}', t, [t, t], f'{op}{r}.{t} %o0, %i0, %i1;', f, target=tg)
    case(f'fma_rn_{t}', t, [t] * 3, f'fma.rn.{t} %o0, %i0, %i1, %i2;', lambda a, b, c: a * b + c, target=tg)
    case(f'fma_rn_relu_{t}', t, [t] * 3, f'fma.rn.relu.{t} %o0, %i0, %i1, %i2;', lambda a, b, c: max(a * b + c, 0.0), target=tg)
    case(f'min_{t}', t, [t, t], f'min.{t} %o0, %i0, %i1;', lambda a, b: min(a, b) if a != b else (a if math.copysign(1, a) < 0 else b), target=tg)
    case(f'max_{t}', t, [t, t], f'max.{t} %o0, %i0, %i1;', lambda a, b: max(a, b) if a != b else (b if math.copysign(1, a) < 0 else a), target=tg)
    case(f'neg_{t}', t, t, f'neg.{t} %o0, %i0;', lambda a: -a, target=tg)
    case(f'abs_{t}', t, t, f'abs.{t} %o0, %i0;', abs, target=tg)
    case(f'setp_lt_{t}', 'u32', [t, t], f'setp.lt.{t} %p, %i0, %i1;\nselp.u32 %o0, 1, 0, %p;', lambda a, b: int(a < b), target=tg)
    rng = random.Random(t)
    pairs = [[wr(rng.uniform(-4, 4)) | wr(rng.uniform(-4, 4)) << 16 for _ in range(N)] for _ in range(3)]

    def two(f):
        def g(*v):
            lo = wr(f(*[rd(x) for x in v]))
            return lo | wr(f(*[rd(x >> 16) for x in v])) << 16
        return g
    for op, f, n in (('add', lambda a, b: a + b, 2), ('mul', lambda a, b: a * b, 2), ('fma.rn', lambda a, b, c: a * b + c, 3)):
        r = '.rn' if t == 'bf16' and op != 'fma.rn' else ''
        case(f'{op.replace(".", "_")}_{t}x2', 'b32', ['b32'] * n,
             f'{op}{r}.{t}x2 %o0, ' + ', '.join(f'%i{i}' for i in range(n)) + ';', two(f), target=tg, inputs=pairs[:n])
    case(f'max_{t}x2', 'b32', ['b32'] * 2, f'max.{t}x2 %o0, %i0, %i1;', two(max), target=tg, inputs=pairs[:2])
    case(f'cvt_f32_{t}', 'f32', t, f'cvt.f32.{t} %o0, %i0;', lambda a: a, target=tg)
    case(f'cvt_rn_{t}_f32', t, 'f32', f'cvt.rn.{t}.f32 %o0, %i0;', lambda a: a, target=tg)
    case(f'cvt_rn_{t}x2_f32', 'b32', ['f32', 'f32'], f'cvt.rn.{t}x2.f32 %o0, %i0, %i1;', lambda a, b, wr=wr: wr(a) << 16 | wr(b), target=tg)
    case(f'cvt_rn_relu_{t}x2_f32', 'b32', ['f32', 'f32'], f'cvt.rn.relu.{t}x2.f32 %o0, %i0, %i1;',
         lambda a, b, wr=wr: wr(a if a > 0 else 0.0) << 16 | wr(b if b > 0 else 0.0), target=tg)
case('ex2_approx_f16', 'f16', 'f16', 'ex2.approx.f16 %o0, %i0;', lambda a: 2.0 ** a, tol='rel 0.002', target='sm_90')
case('tanh_approx_bf16', 'bf16', 'bf16', 'tanh.approx.bf16 %o0, %i0;', math.tanh, tol='rel 0.01', target='sm_90')

# ---- conversions ----------------------------------------------------------
for a in ('u8', 's8', 'u16', 's16', 'u32', 's32', 'u64', 's64'):
    for b in ('u16', 's16', 'u32', 's32', 'u64', 's64'):
        if a[1:] != b[1:] and (BITS[a] < 32 or BITS[b] < 64):
            case(f'cvt_{b}_{a}', b, a, f'cvt.{b}.{a} %o0, %i0;', lambda v: v)
for a in ('u32', 's32', 'u64', 's64'):
    case(f'cvt_rn_f32_{a}', 'f32', a, f'cvt.rn.f32.{a} %o0, %i0;', lambda v: near32(Fraction(v)))
    case(f'cvt_rz_f32_{a}', 'f32', a, f'cvt.rz.f32.{a} %o0, %i0;', lambda v: direct(Fraction(v), 'rz'))
    case(f'cvt_rn_f64_{a}', 'f64', a, f'cvt.rn.f64.{a} %o0, %i0;', float)
    lo, hi = (0, M[BITS[a]]) if a[0] == 'u' else (-2 ** (BITS[a] - 1), 2 ** (BITS[a] - 1) - 1)
    for m, F in (('rni', lambda v: round(v)), ('rzi', math.trunc), ('rmi', math.floor), ('rpi', math.ceil)):
        case(f'cvt_{m}_{a}_f32', a, 'f32', f'cvt.{m}.{a}.f32 %o0, %i0;', lambda v, F=F, lo=lo, hi=hi: max(lo, min(hi, F(v))))
    case(f'cvt_rzi_{a}_f64', a, 'f64', f'cvt.rzi.{a}.f64 %o0, %i0;', lambda v, lo=lo, hi=hi: max(lo, min(hi, math.trunc(v))))
case('cvt_rn_f32_f64', 'f32', 'f64', 'cvt.rn.f32.f64 %o0, %i0;', lambda v: v)
case('cvt_f64_f32', 'f64', 'f32', 'cvt.f64.f32 %o0, %i0;', lambda v: v)
for m, F in (('rni', lambda v: float(round(v))), ('rzi', lambda v: float(math.trunc(v))), ('rmi', lambda v: float(math.floor(v))), ('rpi', lambda v: float(math.ceil(v)))):
    case(f'cvt_{m}_f32_f32', 'f32', 'f32', f'cvt.{m}.f32.f32 %o0, %i0;', lambda v, F=F: math.copysign(F(v), v))
case('cvt_sat_f32_f32', 'f32', 'f32', 'cvt.sat.f32.f32 %o0, %i0;', sat)
for a, lo, hi in (('s8', -128, 127), ('u8', 0, 255), ('s16', -32768, 32767), ('u16', 0, 65535)):
    case(f'cvt_sat_{a}_s32', 's32' if a[0] == 's' else 'u32', 's32', f'cvt.sat.{a}.s32 %o0, %i0;',
         lambda v, lo=lo, hi=hi: max(lo, min(hi, v)))
case('cvt_pack_sat_s16_s32', 'b32', ['s32', 's32'], 'cvt.pack.sat.s16.s32 %o0, %i0, %i1;',
     lambda a, b: (max(-32768, min(32767, a)) & 0xffff) << 16 | max(-32768, min(32767, b)) & 0xffff)
case('cvt_pack_sat_u8_s32', 'b32', ['s32', 's32', 'b32'], 'cvt.pack.sat.u8.s32.b32 %o0, %i0, %i1, %i2;',
     lambda a, b, c: max(0, min(255, a)) << 8 | max(0, min(255, b)) | c << 16)


case('cvt_rna_tf32_f32', 'b32', 'f32', 'cvt.rna.tf32.f32 %o0, %i0;', lambda v: tf32(v, 0x1000))


for t, a in (('e4m3', (3, 7, 448.0)), ('e5m2', (2, 15, 57344.0))):
    case(f'cvt_rn_satfinite_{t}x2_f32', 'b16', ['f32', 'f32'], f'cvt.rn.satfinite.{t}x2.f32 %o0, %i0, %i1;',
         lambda x, y, a=a: small(x, *a) << 8 | small(y, *a), target='sm_90')
    vals = [i for i in range(256) if i & 0x7f < (0x7f if t == 'e4m3' else 0x7c)]
    rng = random.Random(t)
    data = [rng.choice(vals) | rng.choice(vals) << 8 for _ in range(N)]

    def wide(b, t=t):
        if t == 'e5m2':
            return b << 8
        e, f = b >> 3 & 15, b & 7
        v = (8 + f) * 2.0 ** (e - 10) if e else f * 2.0 ** -9
        return h2b(-v if b & 0x80 else v)
    case(f'cvt_rn_f16x2_{t}x2', 'b32', 'b16', f'cvt.rn.f16x2.{t}x2 %o0, %i0;',
         lambda v, w=wide: w(v & 255) | w(v >> 8) << 16, target='sm_90', inputs=[data])

# ---- moves, special registers, vectors ------------------------------------
case('mov_pack_b64', 'b64', ['b32', 'b32'], 'mov.b64 %o0, {%i0, %i1};', lambda a, b: a | b << 32)
case('mov_unpack_b64', ['b32', 'b32'], 'b64', 'mov.b64 {%o0, %o1}, %i0;', lambda a: (a, a >> 32))
case('mov_pack_b32_b16', 'b32', ['b16', 'b16'], 'mov.b32 %o0, {%i0, %i1};', lambda a, b: a | b << 16)
case('mov_unpack_b32', ['b16', 'b16'], 'b32', 'mov.b32 {%o0, %o1}, %i0;', lambda a: (a, a >> 16))
for name, v in (('tid.x', lambda i: i), ('laneid', lambda i: i), ('lanemask_lt', lambda i: (1 << i) - 1), ('lanemask_eq', lambda i: 1 << i),
                ('lanemask_ge', lambda i: M[32] & ~((1 << i) - 1)), ('lanemask_le', lambda i: (2 << i) - 1), ('lanemask_gt', lambda i: M[32] & ~((2 << i) - 1)),
                ('ntid.x', lambda i: 32), ('nctaid.x', lambda i: 1), ('ctaid.x', lambda i: 0)):
    case('mov_' + name.replace('.', '_'), 'u32', 'u32', f'mov.u32 %o0, %{name};', v, inputs=[list(range(N))])
case('branch_divergent', 'u32', 'u32', '''setp.lt.u32 %p, %t, 13;
@%p bra A;
mul.lo.u32 %o0, %i0, 3;
bra B;
A: add.u32 %o0, %i0, 100;
B: add.u32 %o0, %o0, 1;''', lambda i: i + 101 if i < 13 else i * 3 + 1, inputs=[list(range(N))])
case('loop_by_lane', 'u32', 'u32', '''mov.u32 %o0, 0;
mov.u32 %x, 0;
L: setp.ge.u32 %p, %x, %i0;
@%p bra E;
add.u32 %o0, %o0, %x;
add.u32 %x, %x, 1;
bra L;
E:''', lambda i: i * (i - 1) // 2, inputs=[list(range(N))])
case('brx_idx', 'u32', 'u32', '''and.b32 %x, %i0, 3;
T: .branchtargets A, B, C, D;
brx.idx %x, T;
A: mov.u32 %o0, 10; bra Z;
B: mov.u32 %o0, 20; bra Z;
C: mov.u32 %o0, 30; bra Z;
D: mov.u32 %o0, 40;
Z:''', lambda i: (i % 4 + 1) * 10, inputs=[list(range(N))])

# ---- warp collectives -----------------------------------------------------
lane = [list(range(N))]
val = [[(i * 2654435761 + 12345) & M[32] for i in range(N)]]
V = val[0]
sh = lambda mode, b, c: lambda v: None


def shuffled(mode, b, c):
    res = []
    for l in range(N):
        seg, cl = c >> 8 & 31, c & 31
        top, low = (l & seg) | (cl & ~seg & 31), l & seg
        j = {'up': l - b, 'down': l + b, 'bfly': l ^ b, 'idx': low | (b & ~seg & 31)}[mode]
        ok = j >= top if mode == 'up' else j <= top
        res.append((V[j] if ok else V[l], int(ok)))
    return res


for mode, b, c in (('up', 3, 0), ('down', 5, 31), ('bfly', 16, 31), ('idx', 7, 31), ('down', 2, 0x1c1f), ('bfly', 1, 0x181f), ('up', 1, 0x1800), ('idx', 2, 0x181f)):
    table = dict(zip(V, shuffled(mode, b, c)))
    case(f'shfl_{mode}_{b}_{c:x}', ['b32', 'u32'], 'b32',
         f'shfl.sync.{mode}.b32 %o0|%p, %i0, {b}, {c}, -1;\nselp.u32 %o1, 1, 0, %p;', lambda v, t=table: t[v], inputs=val)
odd = sum(1 << i for i in range(N) if i % 3 == 0)
case('vote_ballot', 'b32', 'u32', 'rem.u32 %x, %i0, 3;\nsetp.eq.u32 %p, %x, 0;\nvote.sync.ballot.b32 %o0, %p, -1;', lambda i: odd, inputs=lane)
for v, e in (('all', 0), ('any', 1), ('uni', 0)):
    case(f'vote_{v}', 'u32', 'u32', f'rem.u32 %x, %i0, 3;\nsetp.eq.u32 %p, %x, 0;\nvote.sync.{v}.pred %q, %p, -1;\nselp.u32 %o0, 1, 0, %q;', lambda i, e=e: e, inputs=lane)
case('match_any_b32', 'b32', 'u32', 'and.b32 %x, %i0, 5;\nmatch.any.sync.b32 %o0, %x, -1;',
     lambda i: sum(1 << j for j in range(N) if j & 5 == i & 5), inputs=lane)
case('match_all_b32', ['b32', 'u32'], 'u32', 'mov.b32 %x, 7;\nmatch.all.sync.b32 %o0|%p, %x, -1;\nselp.u32 %o1, 1, 0, %p;', lambda i: (M[32], 1), inputs=lane)
for op, t, F in (('add', 'u32', lambda v: sum(v)), ('min', 'u32', min), ('max', 'u32', max), ('and', 'b32', None), ('or', 'b32', None), ('xor', 'b32', None), ('min', 's32', None), ('max', 's32', None)):
    vs = V
    if op == 'and': r = __import__('functools').reduce(lambda a, b: a & b, vs)
    elif op == 'or': r = __import__('functools').reduce(lambda a, b: a | b, vs)
    elif op == 'xor': r = __import__('functools').reduce(lambda a, b: a ^ b, vs)
    elif t == 's32': r = {'min': min, 'max': max}[op](sx(v, 32) for v in vs)
    else: r = F(vs)
    case(f'redux_{op}_{t}', t, 'b32', f'redux.sync.{op}.{t} %o0, %i0, -1;', lambda v, r=r: r, inputs=val)
case('activemask', 'b32', 'u32', 'activemask.b32 %o0;', lambda i: M[32], inputs=lane)
case('elect_sync', ['b32', 'u32'], 'u32', 'elect.sync %o0|%p, -1;\nselp.u32 %o1, 1, 0, %p;', lambda i: (0, int(i == 0)), inputs=lane, target='sm_90')
case('bar_red_popc', 'u32', 'u32', 'setp.lt.u32 %p, %i0, 11;\nbar.red.popc.u32 %o0, 0, %p;', lambda i: 11, inputs=lane)
case('bar_red_and', 'u32', 'u32', 'setp.lt.u32 %p, %i0, 11;\nbar.red.and.pred %q, 0, %p;\nselp.u32 %o0, 1, 0, %q;', lambda i: 0, inputs=lane)
case('bar_red_or', 'u32', 'u32', 'setp.lt.u32 %p, %i0, 11;\nbar.red.or.pred %q, 0, %p;\nselp.u32 %o0, 1, 0, %q;', lambda i: 1, inputs=lane)
case('bar_warp_sync', 'u32', 'u32', 'bar.warp.sync -1;\nmov.u32 %o0, %i0;', lambda i: i, inputs=lane)

# ---- memory ---------------------------------------------------------------
S = '  .shared .align 16 .b8 s[1024];\n  .reg .b32 %sa, %sb;\n'
addr = 'mov.u32 %sa, s;\nmad.lo.u32 %sa, %t, {0}, %sa;\nxor.b32 %sb, %t, 5;\nmov.u32 %x, s;\nmad.lo.u32 %sb, %sb, {0}, %x;\n'
for t in ('b8', 'b16', 'b32', 'b64'):
    n = BITS[t] // 8
    case(f'shared_{t}', t if n > 1 else 'b16', t if n > 1 else 'u8', addr.format(n) + f'st.shared.{t} [%sa], %i0;\nbar.sync 0;\nld.shared.{"u8" if n == 1 else t} %o0, [%sb];',
         lambda v, n=n: None, decl=S) if False else None
for t in ('b16', 'b32', 'b64'):
    n = BITS[t] // 8
    data = [(i * 40503 + 7) & M[BITS[t]] for i in range(N)]
    table = {data[i]: data[i ^ 5] for i in range(N)}
    case(f'shared_{t}', t, t, addr.format(n) + f'st.shared.{t} [%sa], %i0;\nbar.sync 0;\nld.shared.{t} %o0, [%sb];',
         lambda v, tb=table: tb[v], decl=S, inputs=[data])
    case(f'shared_generic_{t}', t, t, addr.format(n) + f'cvt.u64.u32 %ga, %sa;\ncvta.shared.u64 %ga, %ga;\nst.{t} [%ga], %i0;\nbar.sync 0;\nld.shared.{t} %o0, [%sb];',
         lambda v, tb=table: tb[v], decl=S + '  .reg .b64 %ga;\n', inputs=[data])
case('shared_v4', ['b32', 'b32'], ['b32', 'b32'], addr.format(16) + 'st.shared.v4.b32 [%sa], {%i0, %i1, %t, 9};\nbar.sync 0;\nld.shared.v4.b32 {%o0, %x, %y, %o1}, [%sb];\nadd.u32 %o1, %x, %y;',
     lambda a, b: (dict(zip(range(N), V))[a % N ^ 5] if False else a ^ 5, (b ^ 5) + (a ^ 5)), decl=S, inputs=[list(range(N)), list(range(N))])
case('local_memory', 'u32', 'u32', '''mov.u64 %ga, l;
and.b32 %x, %t, 7;
mad.wide.u32 %ga, %x, 4, %ga;
st.local.u32 [%ga], %i0;
ld.local.u32 %o0, [%ga];''', lambda i: i, decl='  .local .align 4 .b8 l[32];\n  .reg .b64 %ga;\n', inputs=lane)
for op, F in (('add', lambda: 496), ('max', lambda: 31), ('min', lambda: 0), ('or', lambda: 31), ('xor', lambda: 0)):
    case(f'atom_shared_{op}', 'u32', 'u32', f'''mov.u32 %sa, s;
setp.eq.u32 %p, %t, 0;
@%p st.shared.u32 [%sa], 0;
bar.sync 0;
atom.shared.{op}.{"b32" if op in ("or", "xor") else "u32"} %x, [%sa], %i0;
bar.sync 0;
ld.shared.u32 %o0, [%sa];''', lambda i, F=F: F(), decl=S, inputs=lane)
case('atom_shared_inc', 'u32', 'u32', '''mov.u32 %sa, s;
setp.eq.u32 %p, %t, 0;
@%p st.shared.u32 [%sa], 0;
bar.sync 0;
atom.shared.inc.u32 %x, [%sa], 9;
bar.sync 0;
ld.shared.u32 %o0, [%sa];''', lambda i: 2, decl=S, inputs=lane)
case('atom_shared_cas_exch', 'u32', 'u32', '''mov.u32 %sa, s;
mad.lo.u32 %sa, %t, 4, %sa;
st.shared.u32 [%sa], %i0;
atom.shared.cas.b32 %x, [%sa], 5, 500;
atom.shared.exch.b32 %o0, [%sa], 1;''', lambda i: 500 if i == 5 else i, decl=S, inputs=lane)
case('red_shared_add_f32', 'f32', 'f32', '''mov.u32 %sa, s;
setp.eq.u32 %p, %t, 0;
@%p st.shared.f32 [%sa], 0f00000000;
bar.sync 0;
red.shared.add.f32 [%sa], %i0;
bar.sync 0;
ld.shared.f32 %o0, [%sa];''', lambda v: 64.0, decl=S, inputs=[[f2b(2.0)] * N])
case('cp_async_16', 'b32', 'b32', '''mov.u32 %sa, s;
mad.lo.u32 %sa, %t, 16, %sa;
ld.param.u64 %ga, [p0];
and.b32 %x, %t, 7;
mad.wide.u32 %ga, %x, 16, %ga;
cp.async.cg.shared.global [%sa], [%ga], 16;
cp.async.commit_group;
cp.async.wait_group 0;
ld.shared.b32 %o0, [%sa];''', lambda i: (i % 8) * 4, decl=S + '  .reg .b64 %ga;\n', inputs=lane)
case('cp_async_zfill', 'b32', 'b32', '''mov.u32 %sa, s;
mad.lo.u32 %sa, %t, 4, %sa;
ld.param.u64 %ga, [p0];
mad.wide.u32 %ga, %t, 4, %ga;
setp.lt.u32 %p, %t, 10;
selp.u32 %x, 4, 0, %p;
cp.async.ca.shared.global [%sa], [%ga], 4, %x;
cp.async.wait_all;
ld.shared.b32 %o0, [%sa];''', lambda i: i if i < 10 else 0, decl=S + '  .reg .b64 %ga;\n', inputs=lane)
case('mbarrier_phase', 'u32', 'u32', '''mov.u32 %sa, s;
setp.eq.u32 %p, %t, 0;
@%p mbarrier.init.shared.b64 [%sa], 32;
bar.sync 0;
mbarrier.arrive.shared.b64 %ga, [%sa];
W: mbarrier.test_wait.parity.shared.b64 %q, [%sa], 0;
@!%q bra W;
mov.u32 %o0, 1;''', lambda i: 1, decl=S + '  .reg .b64 %ga;\n', inputs=lane)
case('ldmatrix_x1', 'b32', 'u32', '''mov.u32 %sa, s;
mad.lo.u32 %sb, %t, 4, %sa;
shl.b32 %x, %t, 1;
add.u32 %y, %x, 1;
shl.b32 %y, %y, 16;
or.b32 %x, %x, %y;
st.shared.b32 [%sb], %x;
bar.sync 0;
and.b32 %x, %t, 7;
mad.lo.u32 %sb, %x, 16, %sa;
ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%o0}, [%sb];''', lambda i: (2 * i) | (2 * i + 1) << 16, decl=S, inputs=lane)
case('ldmatrix_x1_trans', 'b32', 'u32', '''mov.u32 %sa, s;
mad.lo.u32 %sb, %t, 4, %sa;
shl.b32 %x, %t, 1;
add.u32 %y, %x, 1;
shl.b32 %y, %y, 16;
or.b32 %x, %x, %y;
st.shared.b32 [%sb], %x;
bar.sync 0;
and.b32 %x, %t, 7;
mad.lo.u32 %sb, %x, 16, %sa;
ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%o0}, [%sb];''',
     lambda i: (2 * (i % 4) * 8 + i // 4) | ((2 * (i % 4) + 1) * 8 + i // 4) << 16, decl=S, inputs=lane)

# ---- mma ------------------------------------------------------------------


def mma(name, k, bits, ta, rd_a, gen, tc='f32', target='sm_80', tol='exact', tb=None):
    """Small integers, so that every sum is exact."""
    tb = tb or ta
    rng = random.Random(name)
    A = [[gen(rng) for _ in range(k)] for _ in range(16)]
    B = [[gen(rng) for _ in range(8)] for _ in range(k)]
    C = [[float(rng.randrange(-8, 9)) for _ in range(8)] for _ in range(16)]
    per, na, nb = 32 // bits, k * bits // 64, k * bits // 128
    enc = rd_a
    def pack(vals):
        return sum((enc(v) & M[bits if bits < 32 else 32]) << (bits * i) for i, v in enumerate(vals))
    ia = [[pack([A[l // 4 + 8 * (i & 1)][per * (l % 4) + h + 4 * per * (i >> 1)] for h in range(per)]) for l in range(N)] for i in range(na)]
    ib = [[pack([B[per * (l % 4) + h + 4 * per * i][l // 4] for h in range(per)]) for l in range(N)] for i in range(nb)]
    cell = lambda Mx, l, i: Mx[l // 4 + 8 * (i >> 1)][2 * (l % 4) + (i & 1)]
    D = [[C[r][c] + sum(A[r][x] * B[x][c] for x in range(k)) for c in range(8)] for r in range(16)]
    ct = 's32' if tc == 's32' else 'b32' if tc == 'f16' else 'f32'
    if tc == 'f16':
        ic = [[h2b(cell(C, l, 2 * i)) | h2b(cell(C, l, 2 * i + 1)) << 16 for l in range(N)] for i in range(2)]
        od = [[h2b(cell(D, l, 2 * i)) | h2b(cell(D, l, 2 * i + 1)) << 16 for l in range(N)] for i in range(2)]
    else:
        ic = [[to(ct, cell(C, l, i)) for l in range(N)] for i in range(4)]
        od = [[to(ct, cell(D, l, i)) for l in range(N)] for i in range(4)]
    nc = len(ic)
    inputs = ia + ib + ic
    ins = ['b32'] * (na + nb) + [ct] * nc
    names = [f'%i{i}' for i in range(len(ins))]
    vec = lambda v: '{' + ', '.join(v) + '}'
    asm = (f'mma.sync.aligned.m16n8k{k}.row.col.{tc}.{ta}.{tb}.{tc} {vec([f"%o{i}" for i in range(nc)])}, '
           f'{vec(names[:na])}, {vec(names[na:na+nb])}, {vec(names[na+nb:])};')
    it = iter(range(N))
    case(name, [ct] * nc, ins, asm, lambda *v: tuple(fr(ct, od[j][i]) for i in [next(it)] for j in range(nc)), tol=tol, target=target, inputs=inputs)


g = lambda rng: float(rng.randrange(-4, 5))
mma('mma_m16n8k16_bf16', 16, 16, 'bf16', bf2b, g)
mma('mma_m16n8k8_bf16', 8, 16, 'bf16', bf2b, g)
mma('mma_m16n8k16_f16', 16, 16, 'f16', h2b, g)
mma('mma_m16n8k8_f16', 8, 16, 'f16', h2b, g)
mma('mma_m16n8k16_f16_f16', 16, 16, 'f16', h2b, g, tc='f16')
mma('mma_m16n8k8_tf32', 8, 32, 'tf32', f2b, g)
mma('mma_m16n8k4_tf32', 4, 32, 'tf32', f2b, g)
mma('mma_m16n8k32_s8', 32, 8, 's8', lambda v: int(v) & 255, lambda r: r.randrange(-128, 128), tc='s32')
mma('mma_m16n8k16_s8', 16, 8, 's8', lambda v: int(v) & 255, lambda r: r.randrange(-128, 128), tc='s32')
mma('mma_m16n8k32_u8', 32, 8, 'u8', lambda v: int(v) & 255, lambda r: r.randrange(0, 256), tc='s32')
mma('mma_m16n8k32_e4m3', 32, 8, 'e4m3', lambda v: small(v, 3, 7, 448.0), g, target='sm_90', tol='rel 1e-6')
mma('mma_m16n8k32_e5m2', 32, 8, 'e5m2', lambda v: small(v, 2, 15, 57344.0), g, target='sm_90', tol='rel 1e-6')
import conformance_tensor
import conformance_wgmma

conformance_tensor.generate()
conformance_wgmma.generate()
print(conformance_lib.count, 'cases')
