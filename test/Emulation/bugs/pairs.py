#!/usr/bin/env python3
"""Writes the pairs of right and broken kernels of simt_emulation section 6
as PTX. usage: pairs.py OUTPUT-FOLDER

A pair is one body; lines marked `//R` stand in the right kernel alone, lines
marked `//B` in the broken twin alone, and `//@` marks the line (or lines) one
of which the report must name. Header lines of the files, read by the test:
  //? kind KIND   //? block N   //? grid N   //? shared BYTES   //? cluster N
  //? checks LEVEL (the lowest one that must find it)
Every kernel takes two pointers: in (4096 words i -> i) and out (4096 words).
"""
import os, sys
out = sys.argv[1]
os.makedirs(out, exist_ok=True)
n = 0


def pair(name, kind, body, block=64, grid=1, shared=0, cluster=1, level='memcheck',
         target='sm_90a', decl=''):
    global n
    n += 1
    for v, drop in (('right', '//B'), ('broken', '//R')):
        lines = [l for l in body.strip('\n').split('\n') if drop not in l]
        with open(os.path.join(out, f'{name}.{v}.ptx'), 'w') as f:
            f.write(f'//? kind {kind}\n//? block {block}\n//? grid {grid}\n//? shared {shared}\n'
                    f'//? cluster {cluster}\n//? checks {level}\n.version 8.4\n.target {target}\n.address_size 64\n'
                    '.extern .shared .align 1024 .b8 dyn[];\n.const .align 4 .b8 tab[1024] = {1};\n'
                    f'.visible .entry k(.param .u64 pin, .param .u64 pout)\n{{\n'
                    '  .reg .pred %p<8>;\n  .reg .b16 %h<8>;\n  .reg .b32 %r<32>;\n  .reg .f32 %f<64>;\n  .reg .b64 %rd<16>;\n'
                    '  .shared .align 128 .b8 s[8192];\n' + decl +
                    '  ld.param.u64 %rd1, [pin];\n  ld.param.u64 %rd2, [pout];\n'
                    '  mov.u32 %r1, %tid.x;\n  mov.u32 %r2, %ctaid.x;\n  mov.u32 %r3, s;\n'
                    '  mad.lo.u32 %r4, %r1, 4, %r3;\n  mul.wide.u32 %rd3, %r1, 4;\n'
                    '  add.u64 %rd4, %rd1, %rd3;\n  add.u64 %rd5, %rd2, %rd3;\n')
            f.write('\n'.join('  ' + l.strip() for l in lines) + '\n  ret;\n}\n')


# ---- bounds, alignment ------------------------------------------------------
pair('oob-global-read', 'out-of-bounds', '''
ld.global.u32 %r5, [%rd4];                //R
ld.global.u32 %r5, [%rd4+16384];          //B @
st.global.u32 [%rd5], %r5;''', level='none')
pair('oob-global-write', 'out-of-bounds', '''
mov.u32 %r5, 1;
st.global.u32 [%rd5], %r5;                //R
st.global.u32 [%rd5+16380], %r5;          //B @''', level='none')
pair('oob-global-vector', 'out-of-bounds', '''
mul.wide.u32 %rd6, %r1, 16;
add.u64 %rd6, %rd1, %rd6;
ld.global.v4.u32 {%r5,%r6,%r7,%r8}, [%rd6];         //R
ld.global.v4.u32 {%r5,%r6,%r7,%r8}, [%rd6+15376];   //B @
st.global.u32 [%rd5], %r8;''', level='none')
pair('oob-shared-read', 'out-of-bounds', '''
st.shared.u32 [%r4], %r1;
bar.sync 0;
ld.shared.u32 %r5, [%r4];                 //R
ld.shared.u32 %r5, [%r4+8192];            //B @
st.global.u32 [%rd5], %r5;''', level='none')
pair('oob-shared-dynamic', 'out-of-bounds', '''
mov.u32 %r5, dyn;
mad.lo.u32 %r5, %r1, 4, %r5;
st.shared.u32 [%r5], %r1;                 //R
st.shared.u32 [%r5+256], %r1;             //B @''', shared=256, level='none')
pair('null-pointer', 'out-of-bounds', '''
mov.u64 %rd6, 0;                          //B
mov.u64 %rd6, %rd4;                       //R
ld.global.u32 %r5, [%rd6];                //@
st.global.u32 [%rd5], %r5;''', level='none')
pair('misaligned-vector', 'misaligned', '''
ld.global.v4.u32 {%r5,%r6,%r7,%r8}, [%rd1];         //R
ld.global.v4.u32 {%r5,%r6,%r7,%r8}, [%rd1+8];       //B @
st.global.u32 [%rd5], %r8;''', level='none')
pair('misaligned-shared', 'misaligned', '''
st.shared.u32 [%r4], %r1;                 //R
st.shared.u32 [%r4+2], %r1;               //B @''', level='none')
pair('misaligned-ldmatrix', 'misaligned', '''
st.shared.u32 [%r4], %r1;
bar.sync 0;
and.b32 %r5, %r1, 7;
mad.lo.u32 %r5, %r5, 16, %r3;
ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r6}, [%r5];    //R
ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r6}, [%r5+8];  //B @
st.global.u32 [%rd5], %r6;''', block=32, level='none')
pair('local-overflow', 'out-of-bounds', '''
mov.u64 %rd6, loc;
st.local.u32 [%rd6], %r1;
ld.local.u32 %r5, [%rd6];                 //R
ld.local.u32 %r5, [%rd6+1000000];         //B @
st.global.u32 [%rd5], %r5;''', decl='  .local .align 4 .b8 loc[16];\n', level='none')
# ---- initialisation ---------------------------------------------------------
pair('uninit-shared', 'uninitialized', '''
st.shared.u32 [%r4], %r1;                 //R
bar.sync 0;
ld.shared.u32 %r5, [%r4];                 //@
st.global.u32 [%rd5], %r5;''')
pair('uninit-shared-tail', 'uninitialized', '''
setp.lt.u32 %p1, %r1, 63;                 //B
@%p1 st.shared.u32 [%r4], %r1;            //B
st.shared.u32 [%r4], %r1;                 //R
bar.sync 0;
ld.shared.u32 %r5, [%r4];                 //@
st.global.u32 [%rd5], %r5;''')
pair('uninit-ldmatrix', 'uninitialized', '''
st.shared.u32 [%r4], %r1;
setp.lt.u32 %p1, %r1, 16;                 //B
mad.lo.u32 %r7, %r1, 4, %r3;
st.shared.u32 [%r7+256], %r1;             //R
@%p1 st.shared.u32 [%r7+256], %r1;        //B
bar.sync 0;
mad.lo.u32 %r5, %r1, 16, %r3;
ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r6,%r8,%r9,%r10}, [%r5]; //@
st.global.u32 [%rd5], %r6;''', block=32, decl='') if False else None
# ---- races in shared memory -------------------------------------------------
pair('race-write-read', 'race', '''
st.shared.u32 [%r4], %r1;
bar.sync 0;                               //R
xor.b32 %r5, %r1, 33;
mad.lo.u32 %r5, %r5, 4, %r3;
ld.shared.u32 %r6, [%r5];                 //@
st.global.u32 [%rd5], %r6;''', level='race')
pair('race-read-write', 'race', '''
st.shared.u32 [%r4], %r1;
bar.sync 0;
xor.b32 %r5, %r1, 33;
mad.lo.u32 %r5, %r5, 4, %r3;
ld.shared.u32 %r6, [%r5];
bar.sync 0;                               //R
st.shared.u32 [%r4], %r6;                 //@''', level='race')
pair('race-write-write', 'race', '''
mov.u32 %r5, %r4;                         //R
and.b32 %r5, %r1, 31;                     //B
mad.lo.u32 %r5, %r5, 4, %r3;              //B
st.shared.u32 [%r5], %r1;                 //@''', level='race')
pair('race-same-warp', 'race', '''
st.shared.u32 [%r4], %r1;
bar.warp.sync -1;                         //R
xor.b32 %r5, %r1, 1;
mad.lo.u32 %r5, %r5, 4, %r3;
ld.shared.u32 %r6, [%r5];                 //@
st.global.u32 [%rd5], %r6;''', level='race')
pair('race-loop-buffer', 'race', '''
mov.u32 %r10, 0;
L:
st.shared.u32 [%r4], %r10;                //@
bar.sync 0;
xor.b32 %r5, %r1, 33;
mad.lo.u32 %r5, %r5, 4, %r3;
ld.shared.u32 %r6, [%r5];                 //@
bar.sync 0;                               //R
add.u32 %r10, %r10, 1;
setp.lt.u32 %p1, %r10, 4;
@%p1 bra L;
st.global.u32 [%rd5], %r6;''', level='race')
pair('race-named-barrier', 'race', '''
setp.lt.u32 %p1, %r1, 32;
@%p1 bra P;
bar.sync 1, 64;                           //R
bar.sync 2, 64;                           //B
xor.b32 %r5, %r1, 32;
mad.lo.u32 %r5, %r5, 4, %r3;
ld.shared.u32 %r6, [%r5];                 //@
st.global.u32 [%rd5], %r6;
bra E;
P: bar.arrive 2, 64;                      //B
P: st.shared.u32 [%r4], %r1;              //R
st.shared.u32 [%r4], %r1;                 //B @
bar.arrive 1, 64;                         //R
E:''', level='race')
pair('race-atomic-plain', 'race', '''
setp.eq.u32 %p1, %r1, 0;
@%p1 st.shared.u32 [%r3], %r1;
bar.sync 0;
atom.shared.add.u32 %r5, [%r3], 1;
bar.sync 0;                               //R
ld.shared.u32 %r6, [%r3];                 //@
st.global.u32 [%rd5], %r6;''', level='race')
pair('race-warp-exchange', 'race', '''
st.shared.u32 [%r4], %r1;
bar.sync 0;
setp.lt.u32 %p1, %r1, 32;
@%p1 ld.shared.u32 %r6, [%r4+128];
bar.sync 0;                               //R
@%p1 bra E;
st.shared.u32 [%r4], %r2;                 //@
E:''', level='race')
# ---- races in global memory ---------------------------------------------------
pair('race-global-blocks', 'race', '''
mad.lo.u32 %r5, %r2, 64, %r1;             //R
mov.u32 %r5, %r1;                         //B
mul.wide.u32 %rd6, %r5, 4;
add.u64 %rd6, %rd2, %rd6;
st.global.u32 [%rd6], %r2;                //@''', grid=2, level='race')
pair('race-global-threads', 'race', '''
st.global.u32 [%rd5], %r1;
bar.sync 0;                               //R
xor.b32 %r5, %r1, 33;
mul.wide.u32 %rd6, %r5, 4;
add.u64 %rd6, %rd2, %rd6;
ld.global.u32 %r6, [%rd6];                //@
st.shared.u32 [%r4], %r6;''', level='race')
FLAG = '''
setp.ne.u32 %p1, %r2, 0;
@%p1 bra C;
st.global.u32 [%rd5], %r1;
bar.sync 0;
setp.ne.u32 %p2, %r1, 0;
@%p2 bra E;
'''
WAIT = '''
bra E;
C: setp.ne.u32 %p2, %r1, 0;
@%p2 bra J;
W: ld.acquire.gpu.global.u32 %r6, [%rd2+8192];
setp.eq.u32 %p3, %r6, 0;
@%p3 bra W;
J: bar.sync 0;
ld.global.u32 %r7, [%rd5];                //@
st.global.u32 [%rd5+1024], %r7;
E:'''
pair('flag-no-release', 'race', FLAG + '''
st.release.gpu.global.u32 [%rd2+8192], 1; //R
st.relaxed.gpu.global.u32 [%rd2+8192], 1; //B
''' + WAIT, grid=2, level='race')
pair('flag-no-fence', 'race', FLAG + '''
fence.acq_rel.gpu;                        //R
atom.global.add.u32 %r8, [%rd2+8192], 1;
''' + WAIT, grid=2, level='race')
pair('flag-cta-scope', 'race', FLAG + '''
fence.acq_rel.gpu;                        //R
fence.acq_rel.cta;                        //B
red.relaxed.gpu.global.add.u32 [%rd2+8192], 1;
''' + WAIT, grid=2, level='race')
pair('flag-no-acquire', 'race', FLAG + 'st.release.gpu.global.u32 [%rd2+8192], 1;' +
     WAIT.replace('W: ld.acquire.gpu.global.u32 %r6, [%rd2+8192];',
                  'W: ld.acquire.gpu.global.u32 %r6, [%rd2+8192]; //R\nW: ld.relaxed.gpu.global.u32 %r6, [%rd2+8192]; //B'), grid=2, level='race')
pair('flag-red-release', 'race', FLAG + '''
red.release.gpu.global.add.u32 [%rd2+8192], 1; //R
red.global.add.u32 [%rd2+8192], 1;        //B
''' + WAIT, grid=2, level='race')
# ---- barriers -----------------------------------------------------------------
pair('barrier-divergent', 'deadlock', '''
setp.lt.u32 %p1, %r1, 16;                 //B
@%p1 bra E;                               //B
bar.sync 0;                               //@
E: st.shared.u32 [%r4], %r1;
bar.sync 0;                               //@''', level='none')
pair('barrier-skipped', 'deadlock', '''
setp.ge.u32 %p1, %r1, 32;                 //B
@%p1 ret;                                 //B
bar.sync 0;                               //@
st.global.u32 [%rd5], %r1;''', level='none')
pair('barrier-lost-arrive', 'deadlock', '''
setp.lt.u32 %p1, %r1, 32;
@%p1 bra P;
bar.sync 1, 64;                           //@
bra E;
P: nanosleep.u32 10;
bar.arrive 1, 64;                         //R
E:''', level='none')
pair('barrier-count', 'barrier-misuse', '''
bar.sync 1, 64;                           //R
mov.u32 %r9, 65;                          //B
bar.sync 1, %r9;                          //B @''', level='none')
pair('grid-too-large', 'deadlock', '''
setp.ne.u32 %p2, %r1, 0;
@%p2 bra J;
fence.acq_rel.gpu;
atom.global.add.u32 %r5, [%rd2+8192], 1;
W: ld.acquire.gpu.global.u32 %r6, [%rd2+8192];   //@
setp.lt.u32 %p3, %r6, 100;                //R
setp.lt.u32 %p3, %r6, 20000;              //B
@%p3 bra W;
J: bar.sync 0;                            //@''', grid=100, level='none')
pair('shfl-missing-lanes', 'deadlock', '''
setp.lt.u32 %p1, %r1, 16;                 //B
@%p1 bra E;                               //B
shfl.sync.bfly.b32 %r5, %r1, 1, 31, -1;   //@
st.global.u32 [%rd5], %r5;
E: bar.warp.sync -1;                      //@''', block=32, level='none')
pair('shfl-inactive-lane', 'inactive-lane', '''
setp.lt.u32 %p1, %r1, 16;
@!%p1 bra E;
shfl.sync.bfly.b32 %r5, %r1, 1, 31, 0xffff;     //R
shfl.sync.bfly.b32 %r5, %r1, 16, 31, 0xffff;    //B @
st.global.u32 [%rd5], %r5;
E:''', block=32, level='none')
pair('vote-own-mask', 'inactive-lane', '''
setp.lt.u32 %p1, %r1, 16;
vote.sync.ballot.b32 %r5, %p1, -1;        //R
vote.sync.ballot.b32 %r5, %p1, 0xffff;    //B @
st.global.u32 [%rd5], %r5;''', block=32, level='none')
# ---- cp.async ------------------------------------------------------------------
CP = '''
mad.lo.u32 %r5, %r1, 16, %r3;
and.b32 %r6, %r1, 63;
mul.wide.u32 %rd6, %r6, 16;
add.u64 %rd6, %rd1, %rd6;
cp.async.cg.shared.global [%r5], [%rd6], 16;
cp.async.commit_group;
'''
pair('cp-async-no-wait', 'pending-access', CP + '''
cp.async.wait_group 0;                    //R
bar.sync 0;
ld.shared.u32 %r7, [%r5];                 //@
st.global.u32 [%rd5], %r7;
cp.async.wait_group 0;                    //B''')
pair('cp-async-wrong-count', 'pending-access', CP + '''
cp.async.cg.shared.global [%r5+1024], [%rd6], 16;
cp.async.commit_group;
cp.async.wait_group 0;                    //R
cp.async.wait_group 1;                    //B
bar.sync 0;
ld.shared.u32 %r7, [%r5+1024];            //@
st.global.u32 [%rd5], %r7;
cp.async.wait_group 0;''')
pair('cp-async-no-barrier', 'race', CP + '''
cp.async.wait_group 0;
bar.sync 0;                               //R
xor.b32 %r8, %r1, 33;
mad.lo.u32 %r8, %r8, 16, %r3;
ld.shared.u32 %r7, [%r8];                 //@
st.global.u32 [%rd5], %r7;''', level='race', block=64)
pair('cp-async-exit', 'pending-at-exit', CP.replace('cp.async.cg.shared.global [%r5], [%rd6], 16;', 'cp.async.cg.shared.global [%r5], [%rd6], 16; //@') + '''
cp.async.wait_group 0;                    //R''')
pair('cp-async-overwrite', 'pending-access', CP + '''
cp.async.wait_group 0;                    //R
st.shared.u32 [%r5], %r1;                 //@
cp.async.wait_group 0;''')
pair('cp-async-misaligned', 'misaligned', '''
mad.lo.u32 %r5, %r1, 16, %r3;
cp.async.cg.shared.global [%r5], [%rd1], 16;      //R
cp.async.cg.shared.global [%r5], [%rd1+4], 16;    //B @
cp.async.wait_all;''', level='none')
# ---- mbarrier, bulk copies --------------------------------------------------------
INIT = '''
mov.u32 %r10, dyn;
setp.eq.u32 %p1, %r1, 0;
@%p1 mbarrier.init.shared.b64 [%r10+4096], 1;
@%p1 fence.proxy.async;
bar.sync 0;
@!%p1 bra W;
'''
LOAD = 'cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r10], [%rd1], 1024, [%r10+4096];\n'
WAITM = '''
W: mbarrier.try_wait.parity.shared.b64 %p2, [%r10+4096], 0; //@
@!%p2 bra W;
'''
READ = '''
mad.lo.u32 %r5, %r1, 4, %r10;
ld.shared.u32 %r6, [%r5];                 //@
st.global.u32 [%rd5], %r6;'''
EXPECT = 'mbarrier.arrive.expect_tx.shared.b64 %rd6, [%r10+4096], 1024;\n'
pair('bulk-no-wait', 'pending-access', INIT + EXPECT + LOAD + '''
W: nanosleep.u32 1;                       //B
W: mbarrier.try_wait.parity.shared.b64 %p2, [%r10+4096], 0; //R
@!%p2 bra W;                              //R
''' + READ + '''
X: mbarrier.try_wait.parity.shared.b64 %p2, [%r10+4096], 0;
@!%p2 bra X;''', shared=8192)
pair('bulk-wrong-parity', 'pending-access', INIT + EXPECT + LOAD + WAITM.replace('0; //@', '0; //R\nW: mbarrier.try_wait.parity.shared.b64 %p2, [%r10+4096], 1; //B') + READ + '''
X: mbarrier.try_wait.parity.shared.b64 %p2, [%r10+4096], 0;
@!%p2 bra X;''', shared=8192)
pair('bulk-too-few-bytes', 'deadlock', INIT + '''
mbarrier.arrive.expect_tx.shared.b64 %rd6, [%r10+4096], 1024; //R
mbarrier.arrive.expect_tx.shared.b64 %rd6, [%r10+4096], 2048; //B
''' + LOAD + WAITM + READ, shared=8192, level='none')
pair('mbarrier-no-init', 'mbarrier-misuse', INIT.replace('@%p1 mbarrier.init.shared.b64 [%r10+4096], 1;', '@%p1 mbarrier.init.shared.b64 [%r10+4096], 1; //R\n@%p1 mbarrier.init.shared.b64 [%r10+4104], 1; //B') +
     'mbarrier.arrive.shared.b64 %rd6, [%r10+4096]; //@\nW: bar.sync 0;', shared=8192, level='none')
pair('mbarrier-too-many', 'mbarrier-misuse', '''
mov.u32 %r10, dyn;
setp.eq.u32 %p1, %r1, 0;
@%p1 mbarrier.init.shared.b64 [%r10], 64;       //R
@%p1 mbarrier.init.shared.b64 [%r10], 31;       //B
bar.sync 0;
mbarrier.arrive.shared.b64 %rd6, [%r10];        //R
mbarrier.arrive.noComplete.shared.b64 %rd6, [%r10], 40; //B @''', shared=4096, level='none')
pair('mbarrier-lost-arrive', 'deadlock', '''
mov.u32 %r10, dyn;
setp.eq.u32 %p1, %r1, 0;
@%p1 mbarrier.init.shared.b64 [%r10], 2;
bar.sync 0;
setp.lt.u32 %p3, %r1, 2;                  //R
setp.lt.u32 %p3, %r1, 1;                  //B
@%p3 mbarrier.arrive.shared.b64 %rd6, [%r10];
W: mbarrier.try_wait.parity.shared.b64 %p2, [%r10], 0; //@
@!%p2 bra W;                              //@''', shared=4096, level='none')
pair('mbarrier-overwritten', 'mbarrier-misuse', '''
mov.u32 %r10, dyn;
setp.eq.u32 %p1, %r1, 0;
@%p1 mbarrier.init.shared.b64 [%r10], 1;
@%p1 st.shared.u32 [%r10+8], %r1;         //R
@%p1 st.shared.u32 [%r10+4], %r1;         //B @''', shared=4096)
pair('mbarrier-no-empty-wait', 'race', '''
mov.u32 %r10, dyn;
setp.eq.u32 %p1, %r1, 0;
@%p1 mbarrier.init.shared.b64 [%r10+4096], 32;
bar.sync 0;
mad.lo.u32 %r5, %r1, 4, %r10;
st.shared.u32 [%r5], %r1;
bar.sync 0;
setp.lt.u32 %p3, %r1, 32;
@!%p3 bra P;
ld.shared.u32 %r6, [%r5+128];
mbarrier.arrive.shared.b64 %rd6, [%r10+4096];
bra E;
P: nanosleep.u32 1;
W: mbarrier.try_wait.parity.shared.b64 %p2, [%r10+4096], 0; //R
@!%p2 bra W;                              //R
st.shared.u32 [%r5], %r2;                 //@
E: bar.sync 0;''', shared=8192, level='race')
STORE = '''
mov.u32 %r10, dyn;
mad.lo.u32 %r5, %r1, 4, %r10;
st.shared.u32 [%r5], %r1;
fence.proxy.async;                        //R
bar.sync 0;
setp.ne.u32 %p1, %r1, 0;
@%p1 bra E;
cp.async.bulk.global.shared::cta.bulk_group [%rd2], [%r10], 256; //@
cp.async.bulk.commit_group;
cp.async.bulk.wait_group 0;
E:'''
pair('bulk-store-no-proxy-fence', 'missing-proxy-fence', STORE, shared=8192, level='race')
pair('bulk-store-overwrite', 'pending-access', STORE.replace('fence.proxy.async;                        //R', 'fence.proxy.async;').replace('[%r10], 256; //@', '[%r10], 256;').replace(
    'cp.async.bulk.wait_group 0;', 'cp.async.bulk.wait_group.read 0; //R\nst.shared.u32 [%r10], %r2; //@\ncp.async.bulk.wait_group 0;'), shared=8192)
pair('bulk-store-exit', 'pending-at-exit', STORE.replace('fence.proxy.async;                        //R', 'fence.proxy.async;').replace(
    'cp.async.bulk.wait_group 0;', 'cp.async.bulk.wait_group 0; //R'), shared=8192)
# ---- wgmma ----------------------------------------------------------------------
ACC = ', '.join(f'%f{i}' for i in range(4))
WG = '''
mov.u32 %r10, dyn;
mad.lo.u32 %r5, %r1, 32, %r10;
mov.u32 %r6, 0x3f803f80;
st.shared.v4.u32 [%r5], {%r6,%r6,%r6,%r6};
st.shared.v4.u32 [%r5+16], {%r6,%r6,%r6,%r6};
fence.proxy.async;                        //FENCE
bar.sync 0;
mov.f32 %f0, 0f00000000;
mov.f32 %f1, 0f00000000;
mov.f32 %f2, 0f00000000;
mov.f32 %f3, 0f00000000;
setp.eq.u32 %p1, 0, 0;
shr.u32 %r7, %r10, 4;
cvt.u64.u32 %rd6, %r7;
and.b64 %rd6, %rd6, 0x3fff;
mov.u64 %rd7, 0x0000001000080000;
or.b64 %rd6, %rd6, %rd7;
wgmma.fence.sync.aligned;
'''
MM = 'wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {' + ACC + '}, %rd6, %rd6, %p1, 1, 1, 0, 0; //MMA\nwgmma.commit_group.sync.aligned;\n'
END = 'wgmma.wait_group.sync.aligned 0;\nst.global.f32 [%rd5], %f0;'
pair('wgmma-no-proxy-fence', 'missing-proxy-fence', WG.replace('//FENCE', '//R') + MM.replace('//MMA', '//@') + END, block=128, shared=8192, level='race')
pair('wgmma-no-wait', 'register-in-flight', WG + MM + '''
wgmma.wait_group.sync.aligned 0;          //R
st.global.f32 [%rd5], %f0;                //@
wgmma.wait_group.sync.aligned 0;''', block=128, shared=8192)
MMR = MM.replace('%rd6, %rd6, %p1, 1, 1, 0, 0', '{%r6, %r6, %r6, %r6}, %rd6, %p1, 1, 1, 0')
pair('wgmma-a-overwritten', 'register-in-flight', WG + MMR + '''
wgmma.wait_group.sync.aligned 0;          //R
mov.u32 %r6, %r1;                         //@
wgmma.wait_group.sync.aligned 0;
st.global.f32 [%rd5], %f0;
st.global.u32 [%rd5], %r6;''', block=128, shared=8192)
pair('wgmma-bad-descriptor', 'bad-descriptor', WG.replace('mov.u64 %rd7, 0x0000001000080000;', 'mov.u64 %rd7, 0x0000001000080000; //R\nmov.u64 %rd7, 0x0000100000080000; //B') + MM.replace('//MMA', '//@') + END, block=128, shared=8192, level='none')
pair('wgmma-overwrite-operand', 'pending-access', WG + MM + '''
wgmma.wait_group.sync.aligned 0;          //R
bar.sync 0;                               //R
st.shared.u32 [%r5], %r1;                 //@
wgmma.wait_group.sync.aligned 0;''', block=128, shared=8192)
# ---- clusters ----------------------------------------------------------------------
pair('cluster-no-barrier', 'race', '''
st.shared.u32 [%r4], %r1;
barrier.cluster.arrive.aligned;           //R
barrier.cluster.wait.aligned;             //R
mov.u32 %r5, %cluster_ctarank;
xor.b32 %r5, %r5, 1;
mapa.shared::cluster.u32 %r6, %r4, %r5;
st.shared::cluster.u32 [%r6], %r1;        //@
barrier.cluster.arrive.aligned;
barrier.cluster.wait.aligned;''', grid=2, cluster=2, level='race')
pair('cluster-early-exit', 'shared-lifetime', '''
st.shared.u32 [%r4], %r1;
barrier.cluster.arrive.aligned;
barrier.cluster.wait.aligned;
mov.u32 %r5, %cluster_ctarank;
setp.eq.u32 %p1, %r5, 1;
@%p1 bra E;
mov.u32 %r9, 0;
L: nanosleep.u32 1;
add.u32 %r9, %r9, 1;
setp.lt.u32 %p2, %r9, 30;
@%p2 bra L;
mapa.shared::cluster.u32 %r6, %r4, 1;
ld.shared::cluster.u32 %r7, [%r6];        //@
E:
barrier.cluster.arrive.aligned;        //R
barrier.cluster.wait.aligned;             //R
nanosleep.u32 1;''', grid=2, cluster=2, level='none')
# ---- the rest --------------------------------------------------------------------
pair('trap', 'trap', '''
setp.gt.u32 %p1, %r1, 100;                //R
setp.gt.u32 %p1, %r1, 10;                 //B
@%p1 trap;                                //@''', level='none')
pair('write-constant', 'read-only-write', '''
mov.u64 %rd6, tab;                        //B
mov.u64 %rd6, %rd5;                       //R
st.u32 [%rd6], %r1;                       //@''', level='none')
pair('warp-sync-missing', 'deadlock', '''
setp.lt.u32 %p1, %r1, 5;                  //B
@%p1 bra E;                               //B
bar.warp.sync -1;                         //@
E: bar.warp.sync 0xffffffff;              //@''', block=32, level='none')
print(n, 'pairs')
