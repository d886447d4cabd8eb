; A block's sum: shuffles in a warp, shared memory between warps, one atomic.
; llc: sm_80
target triple = "nvptx64-nvidia-cuda"

@partial = internal addrspace(3) global [32 x float] undef, align 4

declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
declare float @llvm.nvvm.shfl.sync.down.f32(i32, float, i32, i32)
declare void @llvm.nvvm.barrier.cta.sync.aligned.all(i32)

define internal float @warp_sum(float %v) {
  %a1 = call float @llvm.nvvm.shfl.sync.down.f32(i32 -1, float %v, i32 16, i32 31)
  %s1 = fadd float %v, %a1
  %a2 = call float @llvm.nvvm.shfl.sync.down.f32(i32 -1, float %s1, i32 8, i32 31)
  %s2 = fadd float %s1, %a2
  %a3 = call float @llvm.nvvm.shfl.sync.down.f32(i32 -1, float %s2, i32 4, i32 31)
  %s3 = fadd float %s2, %a3
  %a4 = call float @llvm.nvvm.shfl.sync.down.f32(i32 -1, float %s3, i32 2, i32 31)
  %s4 = fadd float %s3, %a4
  %a5 = call float @llvm.nvvm.shfl.sync.down.f32(i32 -1, float %s4, i32 1, i32 31)
  %s5 = fadd float %s4, %a5
  ret float %s5
}

define ptx_kernel void @reduce(ptr addrspace(1) %x, ptr addrspace(1) %out) {
entry:
  %tid = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %dim = call i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
  %cta = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %b = mul i32 %dim, %cta
  %n = add i32 %b, %tid
  %i = zext i32 %n to i64
  %p = getelementptr float, ptr addrspace(1) %x, i64 %i
  %v = load float, ptr addrspace(1) %p
  %w = call float @warp_sum(float %v)
  %lane = and i32 %tid, 31
  %warp = lshr i32 %tid, 5
  %first = icmp eq i32 %lane, 0
  br i1 %first, label %write, label %wait
write:
  %ps = getelementptr [32 x float], ptr addrspace(3) @partial, i32 0, i32 %warp
  store float %w, ptr addrspace(3) %ps
  br label %wait
wait:
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %inwarp = icmp eq i32 %warp, 0
  br i1 %inwarp, label %last, label %end
last:
  %warps = lshr i32 %dim, 5
  %has = icmp ult i32 %lane, %warps
  %pl = getelementptr [32 x float], ptr addrspace(3) @partial, i32 0, i32 %lane
  br i1 %has, label %read, label %sum
read:
  %r = load float, ptr addrspace(3) %pl
  br label %sum
sum:
  %z = phi float [0.0, %last], [%r, %read]
  %total = call float @warp_sum(float %z)
  br i1 %first, label %add, label %end
add:
  %old = atomicrmw fadd ptr addrspace(1) %out, float %total monotonic
  br label %end
end:
  ret void
}
