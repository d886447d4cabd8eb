; Atomics, orderings and scopes; a flag handed from block to block.
; llc: sm_90
target triple = "nvptx64-nvidia-cuda"

declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
declare void @llvm.nvvm.barrier.cta.sync.aligned.all(i32)

; Blocks add their number to the data in turn: block b waits until flag == b.
define ptx_kernel void @turns(ptr addrspace(1) %data, ptr addrspace(1) %flag) {
entry:
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %b = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  br label %spin
spin:
  %f = load atomic i32, ptr addrspace(1) %flag syncscope("device") acquire, align 4
  %mine = icmp eq i32 %f, %b
  br i1 %mine, label %go, label %spin
go:
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %i = zext i32 %t to i64
  %p = getelementptr i32, ptr addrspace(1) %data, i64 %i
  %v = load i32, ptr addrspace(1) %p
  %v3 = mul i32 %v, 3
  %n = add i32 %v3, %b
  store i32 %n, ptr addrspace(1) %p
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %first = icmp eq i32 %t, 0
  br i1 %first, label %raise, label %end
raise:
  %next = add i32 %b, 1
  store atomic i32 %next, ptr addrspace(1) %flag syncscope("device") release, align 4
  br label %end
end:
  ret void
}

define ptx_kernel void @counts(ptr addrspace(1) %c) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %c1 = getelementptr i32, ptr addrspace(1) %c, i64 1
  %c2 = getelementptr i32, ptr addrspace(1) %c, i64 2
  %c3 = getelementptr i32, ptr addrspace(1) %c, i64 3
  %c4 = getelementptr i32, ptr addrspace(1) %c, i64 4
  %c5 = getelementptr i32, ptr addrspace(1) %c, i64 5
  %c6 = getelementptr i32, ptr addrspace(1) %c, i64 6
  %a = atomicrmw add ptr addrspace(1) %c, i32 %t syncscope("device") monotonic
  %m = atomicrmw max ptr addrspace(1) %c1, i32 %t monotonic
  %o = atomicrmw or ptr addrspace(1) %c2, i32 %t monotonic
  %x = atomicrmw xor ptr addrspace(1) %c3, i32 %t monotonic
  %u = atomicrmw umin ptr addrspace(1) %c4, i32 %t monotonic
  %s = atomicrmw uinc_wrap ptr addrspace(1) %c5, i32 9 monotonic
  fence syncscope("device") acq_rel
  br label %try
try:
  %old = load atomic i32, ptr addrspace(1) %c6 monotonic, align 4
  %new = add i32 %old, 2
  %r = cmpxchg ptr addrspace(1) %c6, i32 %old, i32 %new acq_rel monotonic
  %ok = extractvalue {i32, i1} %r, 1
  br i1 %ok, label %end, label %try
end:
  ret void
}
