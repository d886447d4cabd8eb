//===- PlanMemory.cpp - Offsets in the arena ------------------------------===//
//
// Lifetimes over the dispatch list, greedy placement, and its check.
//
//===----------------------------------------------------------------------===//
#include "rill/Dialect/Rill/Rill.h"
#include "rill/Dialect/RillPlan/ShapeProgram.h"
#include "rill/Plan/Passes.h"

#include "mlir/IR/BuiltinOps.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"

namespace rill {
#define GEN_PASS_DEF_PLANMEMORYPASS
#define GEN_PASS_DEF_VERIFYPLANNEDPASS
#include "rill/Plan/Passes.h.inc"
} // namespace rill

using namespace mlir;
using namespace rill;
using namespace rill::plan;

/// Cache lines, and the alignment CUDA buffers want.
static constexpr int64_t kBufferAlign = 256;

std::string rill::plan::bytesProgram(RankedTensorType type, ArrayAttr dims) {
  if (isPacked(type)) {
    return std::to_string(storedElements(type) * 2);
  }
  std::string program = std::to_string((type.getElementTypeBitWidth() + 7) / 8);
  unsigned dynamic = 0;
  for (int64_t size : type.getShape()) {
    std::string dim = ShapedType::isDynamic(size)
                          ? cast<StringAttr>(dims[dynamic++]).getValue().str()
                          : std::to_string(size);
    program = multiplyPrograms(program, dim);
  }
  return program;
}

int64_t rill::plan::upperBound(VariantOp variant, StringRef program) {
  auto end = [&](StringRef name) {
    auto range = variant.getSymbols().getAs<DenseI64ArrayAttr>(name);
    return range ? range[1] : 1;
  };
  int64_t patches = end("h");
  ShapeSymbols tall{end("S"), patches, 1}, wide{end("S"), 1, end("w")};
  return std::max(evaluateProgram(program, tall).value_or(0),
                  evaluateProgram(program, wide).value_or(0));
}

Value rill::plan::rootOf(Value value) {
  while (auto view = value.getDefiningOp<ViewOp>()) {
    value = view.getSource();
  }
  return value;
}

namespace {
struct Buffer {
  OpResult result;
  int64_t bytes, first, last, offset; // offset < 0: an output
};
} // namespace

/// All dispatch results of a variant with size and lifetime, in order.
static SmallVector<Buffer> collectBuffers(VariantOp variant) {
  SmallVector<Buffer> buffers;
  DenseMap<Value, size_t> index;
  SymbolTable symbols(variant->getParentOfType<ModuleOp>());
  int64_t step = 0;
  for (Operation &op : variant.getBody().front()) {
    auto dispatch = dyn_cast<DispatchOp>(op);
    if (!dispatch) {
      continue;
    }
    for (Value operand : dispatch.getOperands()) {
      auto found = index.find(rootOf(operand));
      if (found != index.end()) {
        buffers[found->second].last = step;
      }
    }
    auto kernel = symbols.lookup<KernelOp>(dispatch.getKernel());
    for (OpResult result : dispatch->getResults()) {
      std::string program = bytesProgram(
          cast<RankedTensorType>(result.getType()),
          cast<ArrayAttr>(kernel.getResultDims()[result.getResultNumber()]));
      index[result] = buffers.size();
      buffers.push_back({result, upperBound(variant, program), step, step, 0});
    }
    ++step;
  }
  return buffers;
}

static bool liveTogether(const Buffer &a, const Buffer &b) {
  return a.first <= b.last && b.first <= a.last;
}

static bool overlap(const Buffer &a, const Buffer &b) {
  return a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

/// Marks the buffers the method returns.
static LogicalResult markOutputs(VariantOp variant,
                                 MutableArrayRef<Buffer> buffers) {
  Operation *ret = variant.getBody().front().getTerminator();
  for (auto [i, value] : llvm::enumerate(ret->getOperands())) {
    Value root = rootOf(value);
    auto found = llvm::find_if(
        buffers, [&](const Buffer &buffer) { return buffer.result == root; });
    if (found == buffers.end() || found->offset < 0) {
      return ret->emitError()
             << "output " << i << " is no result of its own dispatch";
    }
    found->offset = -1 - static_cast<int64_t>(i);
  }
  return success();
}

/// Largest first, each at the lowest offset free during its life.
static int64_t place(MutableArrayRef<Buffer> buffers) {
  SmallVector<Buffer *> order, placed;
  for (Buffer &buffer : buffers) {
    if (buffer.offset >= 0) {
      order.push_back(&buffer);
    }
  }
  llvm::stable_sort(order,
                    [](Buffer *a, Buffer *b) { return a->bytes > b->bytes; });
  int64_t arena = 0;
  for (Buffer *buffer : order) {
    SmallVector<Buffer *> rivals;
    for (Buffer *other : placed) {
      if (liveTogether(*buffer, *other)) {
        rivals.push_back(other);
      }
    }
    llvm::stable_sort(
        rivals, [](Buffer *a, Buffer *b) { return a->offset < b->offset; });
    buffer->offset = 0;
    for (Buffer *other : rivals) {
      if (overlap(*buffer, *other)) {
        buffer->offset =
            llvm::alignTo(other->offset + other->bytes, kBufferAlign);
      }
    }
    placed.push_back(buffer);
    arena = std::max(arena, buffer->offset + buffer->bytes);
  }
  return llvm::alignTo(arena, kBufferAlign);
}

/// What the most demanding kernel asks of a worker's scratch.
static int64_t scratchBytes(VariantOp variant) {
  SymbolTable symbols(variant->getParentOfType<ModuleOp>());
  int64_t bytes = 0;
  for (auto dispatch : variant.getBody().getOps<DispatchOp>()) {
    auto kernel = symbols.lookup<KernelOp>(dispatch.getKernel());
    if (auto program = kernel.getConfig().getAs<StringAttr>("scratch")) {
      bytes = std::max(bytes, upperBound(variant, program.getValue()));
    }
  }
  return bytes;
}

namespace {
struct PlanMemory : rill::impl::PlanMemoryPassBase<PlanMemory> {
  void runOnOperation() override {
    for (auto variant : getOperation().getOps<VariantOp>()) {
      SmallVector<Buffer> buffers = collectBuffers(variant);
      if (failed(markOutputs(variant, buffers))) {
        return signalPassFailure();
      }
      OpBuilder builder(&getContext());
      variant.setArenaBytes(place(buffers));
      variant.setScratchBytes(scratchBytes(variant));
      DenseMap<Operation *, SmallVector<int64_t>> offsets;
      for (Buffer &buffer : buffers) {
        offsets[buffer.result.getOwner()].push_back(buffer.offset);
      }
      for (auto dispatch : variant.getBody().getOps<DispatchOp>()) {
        dispatch.setOffsets(offsets[dispatch]);
      }
    }
  }
};

struct VerifyPlanned : rill::impl::VerifyPlannedPassBase<VerifyPlanned> {
  void runOnOperation() override {
    for (auto variant : getOperation().getOps<VariantOp>()) {
      if (failed(check(variant))) {
        return signalPassFailure();
      }
    }
  }

  LogicalResult check(VariantOp variant) {
    SmallVector<Buffer> buffers = collectBuffers(variant);
    int64_t arena = variant.getArenaBytes().value_or(-1);
    int64_t needed = scratchBytes(variant);
    int64_t scratch = variant.getScratchBytes().value_or(0);
    if (scratch < needed) {
      return variant.emitError() << "has " << scratch << " bytes of scratch, "
                                 << "but a kernel asks for " << needed;
    }
    for (Buffer &buffer : buffers) {
      auto dispatch = cast<DispatchOp>(buffer.result.getOwner());
      if (!dispatch.getOffsets() ||
          dispatch.getOffsets()->size() != dispatch->getNumResults()) {
        return dispatch.emitError("has no offset for each result");
      }
      buffer.offset = (*dispatch.getOffsets())[buffer.result.getResultNumber()];
      if (buffer.offset >= 0 && buffer.offset + buffer.bytes > arena) {
        return dispatch.emitError()
               << "ends at " << buffer.offset + buffer.bytes
               << " but the arena has " << arena << " bytes";
      }
    }
    for (size_t i = 0; i < buffers.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (buffers[i].offset >= 0 && buffers[j].offset >= 0 &&
            liveTogether(buffers[i], buffers[j]) &&
            overlap(buffers[i], buffers[j])) {
          InFlightDiagnostic error =
              buffers[i].result.getOwner()->emitError("overlaps a live buffer");
          error.attachNote(buffers[j].result.getOwner()->getLoc())
              << "which is written here";
          return error;
        }
      }
    }
    return success();
  }
};
} // namespace
