; One 16 x 8 x 32 bf16 tile: cp.async into shared memory, ldmatrix, mma.sync.
; A is row-major [16][32], B is [8][32] (n major), D is row-major [16][8] f32.
; llc: sm_80
target triple = "nvptx64-nvidia-cuda"

@a = internal addrspace(3) global [1024 x i8] undef, align 16
@b = internal addrspace(3) global [512 x i8] undef, align 16

declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare void @llvm.nvvm.cp.async.cg.shared.global.16(ptr addrspace(3), ptr addrspace(1))
declare void @llvm.nvvm.cp.async.commit.group()
declare void @llvm.nvvm.cp.async.wait.group(i32)
declare void @llvm.nvvm.barrier.cta.sync.aligned.all(i32)
declare {i32, i32, i32, i32} @llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.b16.p3(ptr addrspace(3))
declare {i32, i32} @llvm.nvvm.ldmatrix.sync.aligned.m8n8.x2.b16.p3(ptr addrspace(3))
declare {float, float, float, float} @llvm.nvvm.mma.m16n8k16.row.col.bf16(i32, i32, i32, i32, i32, i32, float, float, float, float)

define ptx_kernel void @tile(ptr addrspace(1) %pa, ptr addrspace(1) %pb, ptr addrspace(1) %pd) {
entry:
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %t64 = zext i32 %t to i64
  %o16 = shl i32 %t, 4
  %o64 = zext i32 %o16 to i64
  %ga = getelementptr i8, ptr addrspace(1) %pa, i64 %o64
  %ga2 = getelementptr i8, ptr addrspace(1) %ga, i64 512
  %gb = getelementptr i8, ptr addrspace(1) %pb, i64 %o64
  %sa = getelementptr i8, ptr addrspace(3) @a, i32 %o16
  %sa2 = getelementptr i8, ptr addrspace(3) %sa, i32 512
  %sb = getelementptr i8, ptr addrspace(3) @b, i32 %o16
  call void @llvm.nvvm.cp.async.cg.shared.global.16(ptr addrspace(3) %sa, ptr addrspace(1) %ga)
  call void @llvm.nvvm.cp.async.cg.shared.global.16(ptr addrspace(3) %sa2, ptr addrspace(1) %ga2)
  call void @llvm.nvvm.cp.async.cg.shared.global.16(ptr addrspace(3) %sb, ptr addrspace(1) %gb)
  call void @llvm.nvvm.cp.async.commit.group()
  call void @llvm.nvvm.cp.async.wait.group(i32 0)
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  ; A: row lane % 16, 16-byte chunk lane / 16 (of this step). B: row lane % 8,
  ; chunk (lane / 8) % 2.
  %ra = and i32 %t, 15
  %ca = lshr i32 %t, 4
  %rb = and i32 %t, 7
  %cb0 = lshr i32 %t, 3
  %cb = and i32 %cb0, 1
  %ra64 = shl i32 %ra, 6
  %rb64 = shl i32 %rb, 6
  %ca16 = shl i32 %ca, 4
  %cb16 = shl i32 %cb, 4
  %fa = add i32 %ra64, %ca16
  %fb = add i32 %rb64, %cb16
  br label %step
step:
  %k = phi i32 [0, %entry], [%k1, %step]
  %d0 = phi float [0.0, %entry], [%e0, %step]
  %d1 = phi float [0.0, %entry], [%e1, %step]
  %d2 = phi float [0.0, %entry], [%e2, %step]
  %d3 = phi float [0.0, %entry], [%e3, %step]
  %kb = shl i32 %k, 5
  %ia = add i32 %fa, %kb
  %ib = add i32 %fb, %kb
  %la = getelementptr i8, ptr addrspace(3) @a, i32 %ia
  %lb = getelementptr i8, ptr addrspace(3) @b, i32 %ib
  %va = call {i32, i32, i32, i32} @llvm.nvvm.ldmatrix.sync.aligned.m8n8.x4.b16.p3(ptr addrspace(3) %la)
  %vb = call {i32, i32} @llvm.nvvm.ldmatrix.sync.aligned.m8n8.x2.b16.p3(ptr addrspace(3) %lb)
  %a0 = extractvalue {i32, i32, i32, i32} %va, 0
  %a1 = extractvalue {i32, i32, i32, i32} %va, 1
  %a2 = extractvalue {i32, i32, i32, i32} %va, 2
  %a3 = extractvalue {i32, i32, i32, i32} %va, 3
  %b0 = extractvalue {i32, i32} %vb, 0
  %b1 = extractvalue {i32, i32} %vb, 1
  %d = call {float, float, float, float} @llvm.nvvm.mma.m16n8k16.row.col.bf16(i32 %a0, i32 %a1, i32 %a2, i32 %a3, i32 %b0, i32 %b1, float %d0, float %d1, float %d2, float %d3)
  %e0 = extractvalue {float, float, float, float} %d, 0
  %e1 = extractvalue {float, float, float, float} %d, 1
  %e2 = extractvalue {float, float, float, float} %d, 2
  %e3 = extractvalue {float, float, float, float} %d, 3
  %k1 = add i32 %k, 1
  %more = icmp ult i32 %k1, 2
  br i1 %more, label %step, label %out
out:
  %g = lshr i32 %t, 2
  %q = and i32 %t, 3
  %g8 = shl i32 %g, 3
  %q2 = shl i32 %q, 1
  %at = add i32 %g8, %q2
  %at64 = zext i32 %at to i64
  %po = getelementptr float, ptr addrspace(1) %pd, i64 %at64
  %v01a = insertelement <2 x float> undef, float %e0, i32 0
  %v01 = insertelement <2 x float> %v01a, float %e1, i32 1
  store <2 x float> %v01, ptr addrspace(1) %po
  %po2 = getelementptr float, ptr addrspace(1) %po, i64 64
  %v23a = insertelement <2 x float> undef, float %e2, i32 0
  %v23 = insertelement <2 x float> %v23a, float %e3, i32 1
  store <2 x float> %v23, ptr addrspace(1) %po2
  ret void
}
