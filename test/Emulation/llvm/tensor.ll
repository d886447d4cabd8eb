; One 64 x 8 x 16 bf16 product: both tiles by TMA (128-byte rows, swizzled),
; then wgmma. Parameters: maps of A [64][64] and B [8][64], out [128][4] f32.
; llc: sm_90a
target triple = "nvptx64-nvidia-cuda"

@tiles = internal addrspace(3) global [9216 x i8] undef, align 1024
@bar = internal addrspace(3) global i64 undef, align 8

declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare void @llvm.nvvm.barrier.cta.sync.aligned.all(i32)
declare void @llvm.nvvm.mbarrier.init.shared(ptr addrspace(3), i32)
declare void @llvm.nvvm.cp.async.bulk.tensor.g2s.tile.2d(ptr addrspace(7), ptr addrspace(3), ptr, i32, i32, i16, i64, i1, i1, i32)
declare void @llvm.nvvm.wgmma.fence.sync.aligned()
declare void @llvm.nvvm.wgmma.commit_group.sync.aligned()
declare void @llvm.nvvm.wgmma.wait_group.sync.aligned(i64)

define ptx_kernel void @product(ptr byval([128 x i8]) align 64 "nvvm.grid_constant" %ma, ptr byval([128 x i8]) align 64 "nvvm.grid_constant" %mb, ptr addrspace(1) %out) {
entry:
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %first = icmp eq i32 %t, 0
  br i1 %first, label %init, label %ready
init:
  call void @llvm.nvvm.mbarrier.init.shared(ptr addrspace(3) @bar, i32 1)
  call void asm sideeffect "fence.mbarrier_init.release.cluster;", "~{memory}"()
  br label %ready
ready:
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  br i1 %first, label %load, label %wait
load:
  %barint = ptrtoint ptr addrspace(3) @bar to i32
  call void asm sideeffect "mbarrier.arrive.expect_tx.shared.b64 _, [$0], 9216;", "r,~{memory}"(i32 %barint)
  %da = addrspacecast ptr addrspace(3) @tiles to ptr addrspace(7)
  %db = addrspacecast ptr addrspace(3) getelementptr (i8, ptr addrspace(3) @tiles, i32 8192) to ptr addrspace(7)
  call void @llvm.nvvm.cp.async.bulk.tensor.g2s.tile.2d(ptr addrspace(7) %da, ptr addrspace(3) @bar, ptr %ma, i32 0, i32 0, i16 0, i64 0, i1 false, i1 false, i32 0)
  call void @llvm.nvvm.cp.async.bulk.tensor.g2s.tile.2d(ptr addrspace(7) %db, ptr addrspace(3) @bar, ptr %mb, i32 0, i32 0, i16 0, i64 0, i1 false, i1 false, i32 0)
  br label %wait
wait:
  %bi = ptrtoint ptr addrspace(3) @bar to i32
  call void asm sideeffect "{\0A\09.reg .pred P1;\0A\09LAB_WAIT:\0A\09mbarrier.try_wait.parity.shared.b64 P1, [$0], 0;\0A\09@P1 bra.uni DONE;\0A\09bra.uni LAB_WAIT;\0A\09DONE:\0A\09}", "r,~{memory}"(i32 %bi)
  %ti = ptrtoint ptr addrspace(3) @tiles to i32
  %t64 = zext i32 %ti to i64
  %sa = lshr i64 %t64, 4
  %bb = add i64 %t64, 8192
  %sb = lshr i64 %bb, 4
  ; 128-byte swizzle, 1024 bytes from 8 rows to the next 8.
  %dda = or i64 %sa, 4611686293305294848
  %ddb = or i64 %sb, 4611686293305294848
  call void @llvm.nvvm.wgmma.fence.sync.aligned()
  br label %step
step:
  %k = phi i64 [0, %wait], [%k1, %step]
  %d0 = phi float [0.0, %wait], [%e0, %step]
  %d1 = phi float [0.0, %wait], [%e1, %step]
  %d2 = phi float [0.0, %wait], [%e2, %step]
  %d3 = phi float [0.0, %wait], [%e3, %step]
  %off = shl i64 %k, 1
  %ka = add i64 %dda, %off
  %kb = add i64 %ddb, %off
  %e = call {float, float, float, float} asm sideeffect "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {$0, $1, $2, $3}, $8, $9, 1, 1, 1, 0, 0;", "=f,=f,=f,=f,0,1,2,3,l,l,~{memory}"(float %d0, float %d1, float %d2, float %d3, i64 %ka, i64 %kb)
  call void @llvm.nvvm.wgmma.commit_group.sync.aligned()
  call void @llvm.nvvm.wgmma.wait_group.sync.aligned(i64 0)
  %e0 = extractvalue {float, float, float, float} %e, 0
  %e1 = extractvalue {float, float, float, float} %e, 1
  %e2 = extractvalue {float, float, float, float} %e, 2
  %e3 = extractvalue {float, float, float, float} %e, 3
  %k1 = add i64 %k, 1
  %more = icmp ult i64 %k1, 4
  br i1 %more, label %step, label %done
done:
  %i = zext i32 %t to i64
  %po = getelementptr <4 x float>, ptr addrspace(1) %out, i64 %i
  %v0 = insertelement <4 x float> undef, float %e0, i32 0
  %v1 = insertelement <4 x float> %v0, float %e1, i32 1
  %v2 = insertelement <4 x float> %v1, float %e2, i32 2
  %v3 = insertelement <4 x float> %v2, float %e3, i32 3
  store <4 x float> %v3, ptr addrspace(1) %po
  ret void
}
