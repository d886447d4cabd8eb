//===- CudaCode.h - The CUDA kernel being emitted ---------------*- C++ -*-===//
//
// KernelCode for a block of threads: threads, warps, shuffles, barriers and
// shared memory. A template emits one tile; the launcher maps blockIdx to it.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_KERNEL_CUDA_CUDACODE_H
#define RILL_LIB_KERNEL_CUDA_CUDACODE_H

#include "../KernelCode.h"

namespace rill::kernel {

inline constexpr int64_t kWarp = 32;

/// The block has config "threads" threads, a multiple of a warp.
class CudaCode : public KernelCode {
public:
  CudaCode(mlir::OpBuilder &builder, plan::KernelOp kernel,
           mlir::LLVM::LLVMFuncOp function);

  int64_t threads() const { return blockThreads; }
  int64_t warps() const { return blockThreads / kWarp; }
  Value thread() { return threadIndex; }
  Value lane() { return laneIndex; }
  Value warp() { return warpIndex; }

  /// All threads of the block; every thread must come here.
  void barrier();
  /// Whole warps, `count` threads of the block, at its barrier `id` (1 .. 15).
  void barrier(int32_t id, int64_t count);
  /// The lanes of a warp: what they wrote to shared memory is seen by all.
  void warpBarrier();
  /// The value of the lane whose number differs in the bits of `mask`.
  Value shuffleXor(Value value, int64_t mask);
  /// The value of lane `from` (i64).
  Value shuffleFrom(Value value, Value from);
  /// Sum and maximum over the lanes of a warp, equal in every lane; a fixed
  /// order. All lanes must take part.
  Value warpSum(Value value);
  Value warpMax(Value value);
  /// Sum over the block in a fixed order, equal in every thread.
  Value blockSum(Value value);

  /// Shared memory of this kernel, `count` elements, `align` (a power of two)
  /// bytes aligned. Not initialised; every call gives other bytes.
  Memory shared(int64_t count, mlir::Type element, int64_t align = 128);
  /// Lets the next launch begin, and waits for what the launches before have
  /// written; weights and the control block may be read before. Once, where
  /// every thread comes by; nothing without config "dependent".
  void waitForInputs();
  /// Ends the kernel: sizes its shared memory. Bytes that the launch must ask
  /// for; 0 where they are static.
  int64_t finish();
  /// Emitted so far: tensor-core products; loads and copies of 16 bytes from
  /// places of their own, which PTX must hold too.
  int64_t emittedProducts = 0, emittedWide = 0;

  Value word(int32_t value); ///< an i32
  /// Element of a matrix with #rill.packed where a block begins.
  Value packedBlock(const Memory &matrix, Value rowBlock, Value columnBlock);
  Value bitXor(Value a, Value b);
  /// Two bf16 from a 4-byte boundary as an i32.
  Value loadWord(const Memory &memory, Value index);
  /// Eight bf16 from a 16-byte boundary as four i32.
  mlir::SmallVector<Value> loadWords(const Memory &memory, Value index);
  /// cp.async of eight bf16, both sides on 16-byte boundaries; zeros instead
  /// where `inside` is given and false.
  void copyAsync(const Memory &to, Value toIndex, const Memory &from,
                 Value fromIndex, Value inside);
  /// Ends a group of copies; waits until at most `open` groups are under way.
  void commitCopies();
  void waitCopies(int64_t open);
  /// ldmatrix.x4: lane l gives the address of row l % 8 of matrix l / 8.
  mlir::SmallVector<Value> loadMatrices(const Memory &memory, Value index,
                                        bool transpose = false);
  /// Two f32 rounded to bf16 in one i32, `low` in its low half.
  Value packPair(Value low, Value high);
  /// mma.sync m16n8k16 of bf16: c + a * b; four, two and four registers.
  mlir::SmallVector<Value> mma(mlir::ArrayRef<Value> a, mlir::ArrayRef<Value> b,
                               mlir::ArrayRef<Value> c);

  /// `body` on thread, thread + threads, ... below `count`.
  void eachThread(Value count, const std::function<void(Value)> &body);
  /// `body` on `first` + lane, + 32, ... below `count`.
  void eachLane(Value count, const std::function<void(Value)> &body);
  /// Elements that one thread loads at once from rows of `width` elements:
  /// `most`, or fewer where rows would not be aligned.
  static int64_t lanesFor(int64_t width, int64_t most);

  void eachVector(int64_t width, int64_t lanes,
                  const std::function<void(Value, int64_t)> &body) override;
  /// `count` is at most 8 where the matrix is packed.
  Value loadColumns(const Memory &matrix, Value row, Value k,
                    int64_t count) override;
  Value sumRow(const Memory &x, Value at, int64_t width,
               const std::function<Value(Value, int64_t)> &f) override;
  Value foldSpan(Value low, Value high, int64_t step, Value init,
                 const std::function<Value(Value)> &f,
                 const Fold &fold) override;
  void each(Value count, const std::function<void(Value)> &body) override {
    eachThread(count, body);
  }
  void once(const std::function<void()> &body) override;
  void sync() override { barrier(); }
  Memory workspace(int64_t count, mlir::Type element) override {
    return shared(count, element);
  }
  void setBit(const Memory &words, Value bit) override;

private:
  Value shuffle(Value value, Value operand, bool xorLanes);
  /// Every warp's value folded in the warps' order, equal in every thread.
  /// `partials` holds one per warp, made by the first call.
  Value foldWarps(Value value, Memory &partials, const Fold &fold);

  int64_t blockThreads;
  mlir::LLVM::GlobalOp sharedGlobal; ///< an array of `sharedBytes` bytes
  int64_t sharedBytes = 0;
  bool waited = false;
  Value threadIndex, laneIndex, warpIndex;
  Memory partials;     ///< of blockSum
  Memory wordPartials; ///< of foldSpan, i64
};

/// Emits one tile of a kernel for CUDA.
using EmitCudaTile = std::function<void(Value tile)>;
/// Null: the template has no code for `op`.
using BeginCudaKernel = EmitCudaTile (*)(CudaCode &code, mlir::Operation *op);

/// Template "cuda_linear": products of up to 16 rows a block.
EmitCudaTile beginCudaLinear(CudaCode &code, mlir::Operation *op);
/// Template "cuda_gemm": products of many rows.
EmitCudaTile beginCudaGemm(CudaCode &code, mlir::Operation *op);
/// Template "cuda_wgmma": the same by wgmma and tensor maps.
EmitCudaTile beginCudaWgmma(CudaCode &code, mlir::Operation *op);
/// Template "cuda_pack": a matrix as #rill.packed, a row of blocks a tile.
EmitCudaTile beginCudaPack(CudaCode &code, mlir::Operation *op);
/// Template "cuda_short_conv_mix".
EmitCudaTile beginCudaShortConvMix(CudaCode &code, mlir::Operation *op);
/// Template "cuda_short_conv": many rows of the convolution alone.
EmitCudaTile beginCudaShortConv(CudaCode &code, mlir::Operation *op);
/// Template "cuda_attention": any segments; a warp per query head.
EmitCudaTile beginCudaAttention(CudaCode &code, mlir::Operation *op);
/// Template "cuda_flash": attention of many rows by tensor cores.
EmitCudaTile beginCudaFlash(CudaCode &code, mlir::Operation *op);
/// Template "cuda_attention_update": a block per key/value head.
EmitCudaTile beginCudaAttentionUpdate(CudaCode &code, mlir::Operation *op);

} // namespace rill::kernel

#endif
