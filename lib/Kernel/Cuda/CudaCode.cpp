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
  value = warpSum(value);
  if (warps() == 1) {
    return value;
  }
  if (!partials.pointer) {
    partials = shared(warps(), b.getF32Type());
  }
  when(equal(lane(), integer(0)), [&] { store(value, partials, warp()); });
  barrier();
  Value sum = load(partials, integer(0));
  for (int64_t w = 1; w < warps(); ++w) {
    sum = fadd(sum, load(partials, integer(w)));
  }
  barrier(); // before the next sum takes the place of this one
  return sum;
}

KernelCode::Memory CudaCode::shared(int64_t count, Type element) {
  auto module = function->getParentOfType<ModuleOp>();
  constexpr unsigned kSharedSpace = 3, kAlign = 128;
  std::string name =
      (function.getSymName() + "_shared" + Twine(sharedCount++)).str();
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(module.getBody());
  auto array = LLVM::LLVMArrayType::get(
      element.isBF16() ? b.getI16Type() : element, count);
  auto global = LLVM::GlobalOp::create(b, loc, array, /*isConstant=*/false,
                                       LLVM::Linkage::Internal, name,
                                       Attribute(), kAlign, kSharedSpace);
  b.setInsertionPointToStart(&function.getBody().front());
  Memory memory;
  memory.pointer = LLVM::AddressOfOp::create(b, loc, global);
  memory.type = RankedTensorType::get({count}, element);
  return memory;
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
