//===- KernelCode.h - The function being emitted for a kernel ---*- C++ -*-===//
//
// Pointers of the operands, control block, and scalar helpers on i64 and f32.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_LIB_KERNEL_KERNELCODE_H
#define RILL_LIB_KERNEL_KERNELCODE_H

#include "rill/Dialect/Rill/Rill.h"
#include "rill/Dialect/RillPlan/RillPlan.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"

#include <functional>
#include <string>

namespace rill::kernel {

using mlir::Value;

/// What a kernel is called with (kernel_abi.h).
enum class KernelAbi : uint8_t { Cpu, Cuda };

/// Emits ops at the end of the current block. Integers are i64, floating
/// point is f32 or vectors of it; loads widen, stores round.
class KernelCode {
public:
  KernelCode(mlir::OpBuilder &builder, plan::KernelOp kernel,
             mlir::LLVM::LLVMFuncOp function, KernelAbi abi = KernelAbi::Cpu);
  virtual ~KernelCode() = default;

  /// Where a kernel value (block argument or yielded result) lives.
  struct Memory {
    Value pointer;
    mlir::RankedTensorType type;
    mlir::SmallVector<std::string> dims; ///< one program per dynamic dim
  };
  const Memory &memory(Value value);
  /// The state named `symbol` inside the kernel.
  Memory state(llvm::StringRef symbol);

  /// Size of a dimension: a constant, or its program evaluated on S, h, w.
  Value dim(const Memory &memory, int64_t index);
  /// Product of the first `count` dimensions.
  Value rows(const Memory &memory, int64_t count);
  Value program(llvm::StringRef program);
  /// The value of an index operand of the op: a shape symbol.
  Value symbol(Value index);
  /// start[b] of the control block.
  Value start(Value sequence);
  /// A word of the control block's head (kernel_abi.h): an i64, and an f64
  /// where it holds the bits of one.
  Value controlWord(int64_t index);
  Value controlReal(int64_t index);
  /// `count` words of the control block, to read or write.
  Memory controlWords(int64_t index, int64_t count);
  /// start[b], token[b] or position[b], [B].
  Memory controlField(ControlField field, int64_t batch);
  Value scratch() { return function.getArgument(4); }
  /// An integer of the kernel's tile configuration.
  int64_t config(llvm::StringRef name);

  // Scalars.
  Value integer(int64_t value);
  Value flag(bool value);
  Value real(double value);
  Value add(Value a, Value b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value div(Value a, Value b); ///< signed, of non-negative values
  Value rem(Value a, Value b);
  Value min(Value a, Value b);
  Value max(Value a, Value b);
  Value less(Value a, Value b);
  Value equal(Value a, Value b);
  Value both(Value a, Value b);
  Value either(Value a, Value b);
  /// Bit `index` of `mask` as i1.
  Value bit(Value mask, Value index);
  Value fadd(Value a, Value b);
  Value fsub(Value a, Value b);
  Value fmul(Value a, Value b);
  Value fdiv(Value a, Value b);
  Value fma(Value a, Value b, Value c);
  Value fmax(Value a, Value b);
  Value exp(Value x);
  /// 1 / sqrt(x), both correctly rounded.
  Value rsqrt(Value x);
  Value fless(Value a, Value b);
  /// Lane i is i < count.
  Value lanesBelow(Value count, int64_t lanes);
  Value toFloat(Value integer);
  /// Truncates towards zero.
  Value toInteger(Value real);

  // Memory: `index` counts elements from the pointer.
  Value address(Value pointer, Value index, mlir::Type element);
  Value load(const Memory &memory, Value index);
  Value loadInteger(const Memory &memory, Value index);
  void storeInteger(Value value, const Memory &memory, Value index);
  void store(Value value, const Memory &memory, Value index);
  /// `lanes` consecutive elements, widened to f32. Alignment of one element.
  Value loadVector(const Memory &memory, Value index, int64_t lanes);
  /// `count` consecutive elements: a vector, or a scalar when count is 1.
  Value loadSome(const Memory &memory, Value index, int64_t count);
  void storeSome(Value value, const Memory &memory, Value index);
  /// `count` elements of a row of a matrix from column `k` on; of a packed one,
  /// k is a multiple of `count`.
  virtual Value loadColumns(const Memory &matrix, Value row, Value k,
                            int64_t count);
  /// `scalar` as it stands for `count` elements: itself when count is 1.
  Value spread(Value scalar, int64_t count);
  /// `body` on all of 0 .. width-1: whole vectors of `lanes`, then what is
  /// left as one narrower vector. On CUDA the threads of a block share them.
  virtual void eachVector(int64_t width, int64_t lanes,
                          const std::function<void(Value, int64_t)> &body);
  /// Sum over the `width` elements from `at` of f(elements, their number), in
  /// an order that depends on the width alone.
  virtual Value sumRow(const Memory &x, Value at, int64_t width,
                       const std::function<Value(Value, int64_t)> &f);
  /// f of all i = low, low + step, ... below `high`, i64 or vectors of it,
  /// folded from `init`, then the lanes of that: an associative and commutative
  /// `fold`, whose order is not defined. On CUDA the threads of a block share
  /// the work and all come here; equal in every thread.
  using Fold = std::function<Value(Value, Value)>;
  virtual Value foldSpan(Value low, Value high, int64_t step, Value init,
                         const std::function<Value(Value)> &f,
                         const Fold &fold);
  /// `body` on 0 .. count - 1, in any order; on CUDA shared by the threads.
  virtual void each(Value count, const std::function<void(Value)> &body);
  /// `body` once per tile.
  virtual void once(const std::function<void()> &body) { body(); }
  /// What the threads of a block wrote before is seen by all of them behind.
  virtual void sync() {}
  /// Work space of a tile, `count` elements, not initialised: the scratch of
  /// a CPU worker, shared memory on CUDA. Once per kernel.
  virtual Memory workspace(int64_t count, mlir::Type element);
  /// Sets a bit of a bit set in words of i32; on CUDA with other threads.
  virtual void setBit(const Memory &words, Value bit);
  /// The lanes of a vector folded; a scalar stays.
  Value foldLanes(Value vector, const Fold &fold);
  /// `body` on the columns first .. first + count - 1 of a tile. A last tile
  /// that does not fit into `total` columns takes its columns one by one.
  void eachTile(Value first, int64_t count, int64_t total,
                const std::function<void(Value, int64_t)> &body);
  /// 2 * `lanes` consecutive bf16 elements as f32: those at even places, those
  /// at odd places. Two integer ops instead of two widenings.
  std::pair<Value, Value> loadPairs(const Memory &memory, Value index,
                                    int64_t lanes);
  void storeVector(Value value, const Memory &memory, Value index);
  /// An f32 scalar or vector rounded to `element` and widened again.
  Value rounded(Value value, mlir::Type element);
  /// Asks for the cache line of an element that will be read; any address.
  void prefetch(const Memory &memory, Value index);
  Value splat(Value scalar, int64_t lanes);
  /// Sum of a vector's lanes, in a fixed order (halves, then quarters, ...).
  Value sumLanes(Value vector);
  Value maxLanes(Value vector);
  /// Lane i of the result is sumLanes(vectors[i]), to the bit; at most as many
  /// vectors as lanes. The lanes behind the last vector are zero.
  Value sumMany(mlir::ArrayRef<Value> vectors);
  /// As sumMany, for the largest lane.
  Value maxMany(mlir::ArrayRef<Value> vectors);
  /// Lanes first .. first + count - 1; a scalar when count is 1.
  Value slice(Value vector, int64_t first, int64_t count);
  Value extract(Value vector, int64_t lane);
  Value insert(Value scalar, Value vector, int64_t lane);
  /// The vector followed by zeros up to `lanes`; a scalar is lane 0.
  Value pad(Value value, int64_t lanes);
  /// Room for `count` f32 values on the stack, 64-byte aligned.
  Memory local(int64_t count);

  // Control flow.
  using Body = std::function<mlir::SmallVector<Value>(Value, mlir::ValueRange)>;
  mlir::SmallVector<Value> loop(Value low, Value high, int64_t step,
                                mlir::ValueRange init, const Body &body);
  /// A loop with values that no compiler below unrolls: what is in flight at
  /// once is written out in `body`.
  mlir::SmallVector<Value> rolledLoop(Value low, Value high, int64_t step,
                                      mlir::ValueRange init, const Body &body);
  void loop(Value low, Value high, const std::function<void(Value)> &body);
  void when(Value condition, const std::function<void()> &body);
  Value select(Value condition, Value yes, Value no);
  /// `condition ? body() : otherwise`, body emitted in its own branch.
  mlir::SmallVector<Value>
  selectBranch(Value condition,
               const std::function<mlir::SmallVector<Value>()> &body,
               mlir::ValueRange otherwise);

  /// The value a region of f32 scalars yields for `arguments` (scalars or
  /// vectors of equal shape).
  Value inlineRegion(mlir::Region &body, mlir::ValueRange arguments);

  mlir::OpBuilder &b;
  mlir::Location loc;
  plan::KernelOp kernel;
  mlir::LLVM::LLVMFuncOp function;

private:
  Memory makeMemory(unsigned operand, mlir::RankedTensorType type,
                    mlir::ArrayAttr dims);
  Value controlBlock();
  /// Alignment of a load or store of `count` elements: CUDA code vectorises
  /// only where whole vectors lie aligned.
  unsigned alignment(mlir::Type element, int64_t count) const;

  const KernelAbi abi;
  llvm::DenseMap<Value, Memory> memories;
  llvm::StringMap<Memory> states;
};

/// Where row `index` of sequence b and outer index o of a state begins, in
/// elements: outer dims lie between batch and row_dim. Rings wrap.
Value stateRow(KernelCode &code, StateOp state, Value b, Value outer,
               Value index);
/// Product of a state's dimensions between batch and row_dim, and behind it.
std::pair<int64_t, int64_t> stateExtents(StateOp state);

/// Tap `tap` of `count` channels from `c` of a filter [H,L].
Value tapOfChannels(KernelCode &code, const KernelCode::Memory &filter, Value c,
                    int64_t tap, int64_t count);

/// The three products of some channels of one row.
struct MixParts {
  Value b, c, v;
};
/// Behind the products of short_conv_mix: gates `count` channels from `first`
/// of a row, appends them, convolves, gates and stores. The rows before it must
/// have been appended.
void mixRow(KernelCode &code, ShortConvMixOp op, Value row, Value first,
            int64_t count, const MixParts &parts);

/// 1 / sqrt(mean(x^2) + eps) of `width` elements from `at`.
Value rmsScale(KernelCode &code, const KernelCode::Memory &x, Value at,
               int64_t width, double eps);

/// A run of elements: a head, a row.
struct Run {
  KernelCode::Memory memory;
  Value at;
};
/// RoPE of one head of `width` elements; `angles` is the element of the table
/// where its position's cosines begin.
void rotateHead(KernelCode &code, RopeLayout layout, const Run &from,
                const Run &to, const KernelCode::Memory &table, Value angles,
                int64_t width);

/// Applies the region of `op` to the products of `count` columns of one row
/// and stores the result.
void storeRow(KernelCode &code, LinearOp op, Value row, Value column,
              int64_t count, mlir::ArrayRef<Value> sums);

/// All weights hold bf16.
bool allBf16(KernelCode &code, mlir::ValueRange weights);

/// Emits one tile of a kernel's op.
using EmitTile = std::function<void(Value tile)>;
/// Begins a kernel: emits what precedes its first tile in every call. Null:
/// the template has no code for `op`.
using BeginKernel = EmitTile (*)(KernelCode &code, mlir::Operation *op);

/// Template "linear": products of few rows.
EmitTile beginLinear(KernelCode &code, mlir::Operation *op);
/// Template "gemm": products of many rows.
EmitTile beginGemm(KernelCode &code, mlir::Operation *op);
/// Template "flash_attention": attention of many rows.
EmitTile beginFlashAttention(KernelCode &code, mlir::Operation *op);
/// Template "short_conv_mix": the fused short convolution of few rows.
EmitTile beginShortConvMix(KernelCode &code, mlir::Operation *op);
/// Template "attention_update": the fused attention of few rows.
EmitTile beginAttentionUpdate(KernelCode &code, mlir::Operation *op);
/// Template "attention": any segments; a tile is a query head.
EmitTile beginAttention(KernelCode &code, mlir::Operation *op);
/// Template "rows": norms, elementwise work, gathers and copies; a tile is one
/// row of the result.
EmitTile beginRows(KernelCode &code, mlir::Operation *op);
/// Template "positions": RoPE and the resized position table, row by row.
EmitTile beginPositions(KernelCode &code, mlir::Operation *op);
/// Template "sample": a tile draws the token of a sequence.
EmitTile beginSample(KernelCode &code, mlir::Operation *op);
/// Template "short_conv": the convolution alone, one row per tile.
EmitTile beginShortConv(KernelCode &code, mlir::Operation *op);

} // namespace rill::kernel

#endif
