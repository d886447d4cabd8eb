//===- CudaCode.cpp - The CUDA kernel being emitted -----------------------===//
//
// Threads, warps, shuffles, barriers, shared memory.
//
//===----------------------------------------------------------------------===//
#include "CudaCode.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

CudaCode::CudaCode(OpBuilder &builder, plan::KernelOp kernel,
                   LLVM::LLVMFuncOp function)
    : KernelCode(builder, kernel, function, KernelAbi::Cuda),
      blockThreads(config("threads")) {
  Value raw = NVVM::ThreadIdXOp::create(
      b, loc, b.getI32Type(),
      LLVM::ConstantRangeAttr::get(b.getContext(), 32, 0,
                                   static_cast<int64_t>(blockThreads)));
  threadIndex = arith::ExtUIOp::create(b, loc, b.getI64Type(), raw);
  laneIndex = rem(threadIndex, integer(kWarp));
  warpIndex = div(threadIndex, integer(kWarp));
}

Value CudaCode::word(int32_t value) {
  return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(value));
}

void CudaCode::barrier() { NVVM::BarrierOp::create(b, loc); }

void CudaCode::barrier(int32_t id, int64_t count) {
  NVVM::BarrierOp::create(b, loc, Type(), word(id),
                          word(static_cast<int32_t>(count)),
                          NVVM::BarrierReductionAttr(), Value());
}

void CudaCode::warpBarrier() { NVVM::SyncWarpOp::create(b, loc, word(-1)); }

Value CudaCode::shuffle(Value value, Value operand, bool xorLanes) {
  return NVVM::ShflOp::create(
      b, loc, value.getType(), word(-1), value, operand, word(kWarp - 1),
      xorLanes ? NVVM::ShflKind::bfly : NVVM::ShflKind::idx, UnitAttr());
}

Value CudaCode::shuffleXor(Value value, int64_t mask) {
  return shuffle(value, word(static_cast<int32_t>(mask)), true);
}

Value CudaCode::shuffleFrom(Value value, Value from) {
  return shuffle(value, arith::TruncIOp::create(b, loc, b.getI32Type(), from),
                 false);
}

Value CudaCode::warpSum(Value value) {
  for (int64_t mask = kWarp / 2; mask; mask /= 2) {
    value = fadd(value, shuffleXor(value, mask));
  }
  return value;
}

Value CudaCode::warpMax(Value value) {
  for (int64_t mask = kWarp / 2; mask; mask /= 2) {
    value = fmax(value, shuffleXor(value, mask));
  }
  return value;
}

Value CudaCode::blockSum(Value value) {
  return foldWarps(warpSum(value), partials,
                   [&](Value x, Value y) { return fadd(x, y); });
}

Value CudaCode::foldWarps(Value value, Memory &partials, const Fold &fold) {
  if (warps() == 1) {
    return value;
  }
  if (!partials.pointer) {
    partials = shared(warps(), value.getType());
  }
  auto store = [&] {
    Value at = address(partials.pointer, warp(), value.getType());
    LLVM::StoreOp::create(b, loc, value, at);
  };
  auto part = [&](int64_t w) -> Value {
    Value at = address(partials.pointer, integer(w), value.getType());
    return LLVM::LoadOp::create(b, loc, value.getType(), at);
  };
  when(equal(lane(), integer(0)), store);
  barrier();
  Value all = part(0);
  for (int64_t w = 1; w < warps(); ++w) {
    all = fold(all, part(w));
  }
  barrier(); // before the next fold takes the place of this one
  return all;
}

KernelCode::Memory CudaCode::shared(int64_t count, Type element,
                                    int64_t align) {
  constexpr unsigned kSharedSpace = 3;
  OpBuilder::InsertionGuard guard(b);
  if (!sharedGlobal) {
    auto module = function->getParentOfType<ModuleOp>();
    b.setInsertionPointToStart(module.getBody());
    sharedGlobal = LLVM::GlobalOp::create(
        b, loc, LLVM::LLVMArrayType::get(b.getI8Type(), 0),
        /*isConstant=*/false, LLVM::Linkage::Internal,
        (function.getSymName() + "_shared").str(), Attribute(), align,
        kSharedSpace);
  }
  auto most = static_cast<int64_t>(*sharedGlobal.getAlignment());
  sharedGlobal.setAlignment(std::max(most, align));
  sharedBytes = llvm::alignTo(sharedBytes, align);
  b.setInsertionPointToStart(&function.getBody().front());
  Value base = LLVM::AddressOfOp::create(b, loc, sharedGlobal);
  Memory memory;
  memory.pointer = address(base, integer(sharedBytes), b.getI8Type());
  memory.type = RankedTensorType::get({count}, element);
  int64_t bytes = count * (element.getIntOrFloatBitWidth() / 8);
  sharedBytes += bytes;
  return memory;
}

void CudaCode::waitForInputs() {
  if (waited || !kernel.getConfig().get("dependent")) {
    return;
  }
  waited = true;
  NVVM::GriddepcontrolOp::create(b, loc,
                                 NVVM::GridDepActionKind::launch_dependents);
  NVVM::GriddepcontrolOp::create(b, loc, NVVM::GridDepActionKind::wait);
}

int64_t CudaCode::finish() {
  // What a block may have without asking at its launch.
  constexpr int64_t kStatic = 48 * 1024;
  if (!sharedGlobal) {
    return 0;
  }
  if (sharedBytes > kStatic) {
    sharedGlobal.setLinkage(LLVM::Linkage::External);
    return sharedBytes;
  }
  sharedGlobal.setGlobalType(
      LLVM::LLVMArrayType::get(b.getI8Type(), sharedBytes));
  return 0;
}

Value CudaCode::packedBlock(const Memory &matrix, Value rowBlock,
                            Value columnBlock) {
  int64_t across = llvm::divideCeil(matrix.type.getDimSize(1), kPackedColumns);
  return mul(add(mul(rowBlock, integer(across)), columnBlock),
             integer(kPackedRows * kPackedColumns));
}

/// Pairs of columns lie 8 elements apart.
Value CudaCode::loadColumns(const Memory &matrix, Value row, Value k,
                            int64_t count) {
  if (!isPacked(matrix.type)) {
    return KernelCode::loadColumns(matrix, row, k, count);
  }
  Value block = packedBlock(matrix, div(row, integer(kPackedRows)),
                            div(k, integer(kPackedColumns)));
  Value line = mul(rem(row, integer(kPackedRows)), integer(kPackedColumns));
  // Column 16 a + 8 b + 2 t + c of a block is element 8 t + 4 a + 2 b + c.
  Value inner = rem(k, integer(kPackedColumns));
  Value at = add(mul(div(inner, integer(16)), integer(4)),
                 mul(rem(div(inner, integer(8)), integer(2)), integer(2)));
  at = add(at, mul(div(rem(inner, integer(8)), integer(2)), integer(8)));
  at = add(add(block, line), at);
  if (count == 1) {
    return load(matrix, add(at, rem(k, integer(2))));
  }
  Value all = splat(real(0.0), count);
  for (int64_t pair = 0; pair < count / 2; ++pair) {
    Value two = loadSome(matrix, add(at, integer(8 * pair)), 2);
    all = insert(extract(two, 0), all, 2 * pair);
    all = insert(extract(two, 1), all, 2 * pair + 1);
  }
  return all;
}

Value CudaCode::loadWord(const Memory &memory, Value index) {
  constexpr unsigned kAlign = 4;
  Value at = address(memory.pointer, index, memory.type.getElementType());
  return LLVM::LoadOp::create(b, loc, b.getI32Type(), at, kAlign);
}

SmallVector<Value> CudaCode::loadWords(const Memory &memory, Value index) {
  ++emittedWide;
  constexpr unsigned kAlign = 16;
  Value at = address(memory.pointer, index, memory.type.getElementType());
  Value words = LLVM::LoadOp::create(
      b, loc, VectorType::get({4}, b.getI32Type()), at, kAlign);
  SmallVector<Value> list;
  for (int64_t i = 0; i < 4; ++i) {
    list.push_back(extract(words, i));
  }
  return list;
}

Value CudaCode::bitXor(Value x, Value y) {
  return arith::XOrIOp::create(b, loc, x, y);
}

void CudaCode::copyAsync(const Memory &to, Value toIndex, const Memory &from,
                         Value fromIndex, Value inside) {
  ++emittedWide;
  constexpr int32_t kBytes = 16;
  Value bytes = inside ? Value(arith::SelectOp::create(b, loc, inside,
                                                       word(kBytes), word(0)))
                       : Value();
  NVVM::CpAsyncOp::create(
      b, loc, address(to.pointer, toIndex, to.type.getElementType()),
      address(from.pointer, fromIndex, from.type.getElementType()), kBytes,
      NVVM::LoadCacheModifierKind::CG, bytes);
}

void CudaCode::commitCopies() { NVVM::CpAsyncCommitGroupOp::create(b, loc); }

void CudaCode::waitCopies(int64_t open) {
  NVVM::CpAsyncWaitGroupOp::create(b, loc, static_cast<uint32_t>(open));
}

SmallVector<Value> CudaCode::loadMatrices(const Memory &memory, Value index,
                                          bool transpose) {
  Type i32 = b.getI32Type();
  auto type =
      LLVM::LLVMStructType::getLiteral(b.getContext(), {i32, i32, i32, i32});
  Value at = address(memory.pointer, index, memory.type.getElementType());
  Value loaded = NVVM::LdMatrixOp::create(
      b, loc, type, at, 4,
      transpose ? NVVM::MMALayout::col : NVVM::MMALayout::row,
      NVVM::LdStMatrixShapeAttr::get(b.getContext(), 8, 8),
      NVVM::LdStMatrixEltType::B16);
  SmallVector<Value> list;
  for (int64_t i = 0; i < 4; ++i) {
    list.push_back(LLVM::ExtractValueOp::create(b, loc, loaded, i));
  }
  return list;
}

Value CudaCode::packPair(Value low, Value high) {
  Value pair = insert(high, splat(low, 2), 1);
  Value narrow = arith::TruncFOp::create(
      b, loc, VectorType::get({2}, b.getBF16Type()), pair);
  return LLVM::BitcastOp::create(b, loc, b.getI32Type(), narrow);
}

SmallVector<Value> CudaCode::mma(ArrayRef<Value> a, ArrayRef<Value> x,
                                 ArrayRef<Value> c) {
  ++emittedProducts;
  Type f32 = b.getF32Type();
  auto type =
      LLVM::LLVMStructType::getLiteral(b.getContext(), {f32, f32, f32, f32});
  constexpr int64_t kShape[] = {16, 8, 16};
  Value sums = NVVM::MmaOp::create(
      b, loc, type, a, x, c, kShape, std::nullopt, std::nullopt,
      std::array<NVVM::MMATypes, 2>{NVVM::MMATypes::bf16, NVVM::MMATypes::bf16},
      std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row,
                                     NVVM::MMALayout::col});
  SmallVector<Value> list;
  for (int64_t i = 0; i < 4; ++i) {
    list.push_back(LLVM::ExtractValueOp::create(b, loc, sums, i));
  }
  return list;
}

void CudaCode::eachThread(Value count, const std::function<void(Value)> &body) {
  loop(thread(), count, threads(), ValueRange(), [&](Value i, ValueRange) {
    body(i);
    return SmallVector<Value>();
  });
}

void CudaCode::eachLane(Value count, const std::function<void(Value)> &body) {
  loop(lane(), count, kWarp, ValueRange(), [&](Value i, ValueRange) {
    body(i);
    return SmallVector<Value>();
  });
}

int64_t CudaCode::lanesFor(int64_t width, int64_t most) {
  while (width % most) {
    most /= 2;
  }
  return most;
}

void CudaCode::eachVector(int64_t width, int64_t lanes,
                          const std::function<void(Value, int64_t)> &body) {
  lanes = lanesFor(width, lanes);
  eachThread(integer(width / lanes),
             [&](Value i) { body(mul(i, integer(lanes)), lanes); });
}

Value CudaCode::sumRow(const Memory &x, Value at, int64_t width,
                       const std::function<Value(Value, int64_t)> &f) {
  int64_t lanes = lanesFor(width, config("lanes"));
  auto body = [&](Value i, ValueRange sum) -> SmallVector<Value> {
    Value c = mul(i, integer(lanes));
    Value part = f(loadSome(x, add(at, c), lanes), lanes);
    return {fadd(sum[0], lanes == 1 ? part : sumLanes(part))};
  };
  return blockSum(
      loop(thread(), integer(width / lanes), threads(), real(0.0), body)[0]);
}

void CudaCode::once(const std::function<void()> &body) {
  when(equal(thread(), integer(0)), body);
}

void CudaCode::setBit(const Memory &words, Value bit) {
  Value at = address(words.pointer, div(bit, integer(kWarp)), b.getI32Type());
  Value place =
      arith::TruncIOp::create(b, loc, b.getI32Type(), rem(bit, integer(kWarp)));
  LLVM::AtomicRMWOp::create(b, loc, LLVM::AtomicBinOp::_or, at,
                            arith::ShLIOp::create(b, loc, word(1), place),
                            LLVM::AtomicOrdering::monotonic);
}

/// Every thread folds its own part, a warp those of its lanes, and every thread
/// those of all warps.
Value CudaCode::foldSpan(Value low, Value high, int64_t step, Value init,
                         const std::function<Value(Value)> &f,
                         const Fold &fold) {
  Value first = add(low, mul(thread(), integer(step)));
  Value own = loop(first, high, step * threads(), init,
                   [&](Value i, ValueRange acc) -> SmallVector<Value> {
                     return {fold(acc[0], f(i))};
                   })[0];
  own = foldLanes(own, fold);
  auto halves = VectorType::get({2}, b.getI32Type());
  for (int64_t mask = kWarp / 2; mask; mask /= 2) {
    Value pair = LLVM::BitcastOp::create(b, loc, halves, own);
    Value other = insert(shuffleXor(extract(pair, 0), mask), pair, 0);
    other = insert(shuffleXor(extract(pair, 1), mask), other, 1);
    own = fold(own, LLVM::BitcastOp::create(b, loc, b.getI64Type(), other));
  }
  return foldWarps(own, wordPartials, fold);
}
