; Elementwise work with the operations LLVM lowers in several ways: division,
; roots, exponentials, bit counting, rotates, 64-bit division, a switch.
; llc: sm_80
target triple = "nvptx64-nvidia-cuda"

declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
declare float @llvm.sqrt.f32(float)
declare float @llvm.fma.f32(float, float, float)
declare float @llvm.maxnum.f32(float, float)
declare float @llvm.floor.f32(float)
declare i32 @llvm.ctpop.i32(i32)
declare i32 @llvm.ctlz.i32(i32, i1)
declare i32 @llvm.bswap.i32(i32)
declare i32 @llvm.bitreverse.i32(i32)
declare i32 @llvm.fshl.i32(i32, i32, i32)
declare i32 @llvm.smax.i32(i32, i32)
declare i64 @llvm.abs.i64(i64, i1)

define ptx_kernel void @floats(ptr addrspace(1) %x, ptr addrspace(1) %y, ptr addrspace(1) %out, i32 %n) {
  %tid = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %cta = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %dim = call i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
  %base = mul i32 %cta, %dim
  %i = add i32 %base, %tid
  %inside = icmp slt i32 %i, %n
  br i1 %inside, label %work, label %end
work:
  %i64 = sext i32 %i to i64
  %px = getelementptr float, ptr addrspace(1) %x, i64 %i64
  %py = getelementptr float, ptr addrspace(1) %y, i64 %i64
  %a = load float, ptr addrspace(1) %px
  %b = load float, ptr addrspace(1) %py
  %q = fdiv float %a, %b
  %bb = fmul float %b, %b
  %r = call float @llvm.sqrt.f32(float %bb)
  %f = call float @llvm.fma.f32(float %q, float %r, float %a)
  %fl = call float @llvm.floor.f32(float %f)
  %m = call float @llvm.maxnum.f32(float %fl, float %q)
  %po = getelementptr float, ptr addrspace(1) %out, i64 %i64
  store float %m, ptr addrspace(1) %po
  br label %end
end:
  ret void
}

define ptx_kernel void @integers(ptr addrspace(1) %x, ptr addrspace(1) %out) {
  %tid = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %i = sext i32 %tid to i64
  %px = getelementptr i32, ptr addrspace(1) %x, i64 %i
  %v = load i32, ptr addrspace(1) %px
  %k = and i32 %tid, 7
  switch i32 %k, label %other [
    i32 0, label %c0
    i32 1, label %c1
    i32 2, label %c2
    i32 3, label %c3
    i32 4, label %c4
    i32 5, label %c5
  ]
c0:
  %r0 = call i32 @llvm.ctpop.i32(i32 %v)
  br label %end
c1:
  %r1 = call i32 @llvm.ctlz.i32(i32 %v, i1 false)
  br label %end
c2:
  %r2 = call i32 @llvm.bswap.i32(i32 %v)
  br label %end
c3:
  %r3 = call i32 @llvm.bitreverse.i32(i32 %v)
  br label %end
c4:
  %r4 = call i32 @llvm.fshl.i32(i32 %v, i32 %v, i32 7)
  br label %end
c5:
  %s5 = sdiv i32 %v, 10
  %t5 = srem i32 %v, 7
  %r5 = xor i32 %s5, %t5
  br label %end
other:
  %w = sext i32 %v to i64
  %d = sub i64 %i, 40
  %q = sdiv i64 %w, %d
  %abs = call i64 @llvm.abs.i64(i64 %q, i1 false)
  %lo = trunc i64 %abs to i32
  %r6 = call i32 @llvm.smax.i32(i32 %lo, i32 -5)
  br label %end
end:
  %r = phi i32 [%r0, %c0], [%r1, %c1], [%r2, %c2], [%r3, %c3], [%r4, %c4], [%r5, %c5], [%r6, %other]
  %po = getelementptr i32, ptr addrspace(1) %out, i64 %i
  store i32 %r, ptr addrspace(1) %po
  ret void
}
