; bf16 and f16 arithmetic, vectors of them, and conversions.
; llc: sm_90
target triple = "nvptx64-nvidia-cuda"

declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare bfloat @llvm.fma.bf16(bfloat, bfloat, bfloat)
declare <2 x half> @llvm.fma.v2f16(<2 x half>, <2 x half>, <2 x half>)
declare <2 x bfloat> @llvm.maxnum.v2bf16(<2 x bfloat>, <2 x bfloat>)

define ptx_kernel void @halves(ptr addrspace(1) %x, ptr addrspace(1) %y, ptr addrspace(1) %out) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %i = zext i32 %t to i64
  %px = getelementptr <2 x bfloat>, ptr addrspace(1) %x, i64 %i
  %py = getelementptr <2 x half>, ptr addrspace(1) %y, i64 %i
  %b = load <2 x bfloat>, ptr addrspace(1) %px
  %h = load <2 x half>, ptr addrspace(1) %py
  %b0 = extractelement <2 x bfloat> %b, i32 0
  %b1 = extractelement <2 x bfloat> %b, i32 1
  %s = fadd bfloat %b0, %b1
  %p = fmul bfloat %b0, %b1
  %f = call bfloat @llvm.fma.bf16(bfloat %b0, bfloat %b1, bfloat %s)
  %hh = fadd <2 x half> %h, %h
  %hf = call <2 x half> @llvm.fma.v2f16(<2 x half> %h, <2 x half> %h, <2 x half> %hh)
  %bs = insertelement <2 x bfloat> undef, bfloat %s, i32 0
  %bv = insertelement <2 x bfloat> %bs, bfloat %p, i32 1
  %bm = call <2 x bfloat> @llvm.maxnum.v2bf16(<2 x bfloat> %bv, <2 x bfloat> %b)
  %f0 = fpext bfloat %f to float
  %m0 = extractelement <2 x bfloat> %bm, i32 0
  %m1 = extractelement <2 x bfloat> %bm, i32 1
  %f1 = fpext bfloat %m0 to float
  %f2 = fpext bfloat %m1 to float
  %h0 = extractelement <2 x half> %hf, i32 0
  %h1 = extractelement <2 x half> %hf, i32 1
  %f3 = fpext half %h0 to float
  %f4 = fpext half %h1 to float
  %f34 = fsub float %f3, %f4
  %tr = fptrunc float %f34 to bfloat
  %f5 = fpext bfloat %tr to float
  %v0 = insertelement <4 x float> undef, float %f0, i32 0
  %v1 = insertelement <4 x float> %v0, float %f1, i32 1
  %v2 = insertelement <4 x float> %v1, float %f2, i32 2
  %v3 = insertelement <4 x float> %v2, float %f5, i32 3
  %po = getelementptr <4 x float>, ptr addrspace(1) %out, i64 %i
  store <4 x float> %v3, ptr addrspace(1) %po
  ret void
}
