//===- WgmmaCode.cpp - mbarriers, bulk copies and wgmma -------------------===//
//
// NVVM ops where there are some; wgmma with A in registers has none.
//
//===----------------------------------------------------------------------===//
#include "WgmmaCode.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

Mbarriers::Mbarriers(CudaCode &code, int64_t count)
    : code(code), words(code.shared(count, code.b.getI64Type())) {}

Value Mbarriers::at(Value index) {
  return code.address(words.pointer, index, words.type.getElementType());
}

void Mbarriers::init(int64_t arrivals) {
  for (int64_t i = 0; i < words.type.getDimSize(0); ++i) {
    NVVM::MBarrierInitOp::create(code.b, code.loc, at(code.integer(i)),
                                 code.word(static_cast<int32_t>(arrivals)),
                                 Value());
  }
}

void Mbarriers::expect(Value index, int64_t bytes) {
  NVVM::MBarrierArriveExpectTxOp::create(code.b, code.loc, Type(), at(index),
                                         code.word(static_cast<int32_t>(bytes)),
                                         NVVM::MemScopeKind::CTA,
                                         /*relaxed=*/false, Value());
}

void Mbarriers::arrive(Value index) {
  NVVM::MBarrierArriveOp::create(code.b, code.loc, code.b.getI64Type(),
                                 at(index), Value());
}

void Mbarriers::wait(Value index, Value parity) {
  constexpr int32_t kNanoseconds = 10000000; // of one try
  NVVM::MBarrierTryWaitParityOp::create(code.b, code.loc, at(index), parity,
                                        code.word(kNanoseconds));
}

void rill::kernel::copyBulk(CudaCode &code, Value to, Value from, int64_t bytes,
                            Value barrier) {
  NVVM::CpAsyncBulkGlobalToSharedClusterOp::create(
      code.b, code.loc, to, from, barrier,
      code.word(static_cast<int32_t>(bytes)), Value(), Value());
}

void rill::kernel::copyBox(CudaCode &code, Value to, Value map, Value column,
                           Value row, Value barrier) {
  NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(
      code.b, code.loc, to, map, ValueRange{column, row}, barrier, ValueRange(),
      Value(), Value(), NVVM::TMALoadMode::TILE, /*isCTAOnly=*/true,
      NVVM::CTAGroupKindAttr(), Value());
}

/// "{$first, ..., $last}".
static std::string registers(size_t first, size_t count) {
  std::string list = "{";
  for (size_t i = first; i < first + count; ++i) {
    list += (i > first ? ", $" : "$") + std::to_string(i);
  }
  return list + "}";
}

/// The descriptor of B's first 16 columns: address / 16, a leading offset of 1,
/// which this layout does not use, 64 * 16 bytes between groups of eight rows,
/// 128-byte swizzle.
static Value descriptorOf(CudaCode &code, Value tile) {
  constexpr int64_t kLeading = int64_t(1) << 16, kGroups = int64_t(64) << 32,
                    kSwizzle = int64_t(1) << 62;
  Value address =
      LLVM::PtrToIntOp::create(code.b, code.loc, code.b.getI32Type(), tile);
  address = code.div(
      arith::ExtUIOp::create(code.b, code.loc, code.b.getI64Type(), address),
      code.integer(16));
  return code.add(address, code.integer(kLeading | kGroups | kSwizzle));
}

SmallVector<Value> rill::kernel::beginProducts(CudaCode &code, ValueRange sums,
                                               ArrayRef<Fragment> a,
                                               Value tile) {
  code.emittedProducts += static_cast<int64_t>(a.size());
  // One piece of PTX, so that nothing comes between the instructions.
  size_t count = sums.size(), next = 2 * count;
  std::string ptx = "wgmma.fence.sync.aligned;\n\t", constraints;
  SmallVector<Value> operands(sums);
  for (size_t i = 0; i < count; ++i) {
    constraints += "=f,";
  }
  for (size_t i = 0; i < count; ++i) {
    constraints += std::to_string(i) + ",";
  }
  Value descriptor = descriptorOf(code, tile);
  for (auto [step, fragment] : llvm::enumerate(a)) {
    constexpr int64_t kStep = 2; // 16 columns are two chunks of 16 bytes
    operands.append(fragment.begin(), fragment.end());
    operands.push_back(
        code.add(descriptor, code.integer(kStep * static_cast<int64_t>(step))));
    constraints += "r,r,r,r,l,";
    ptx += "wgmma.mma_async.sync.aligned.m64n" + std::to_string(2 * count) +
           "k16.f32.bf16.bf16 " + registers(0, count) + ", " +
           registers(next, fragment.size()) + ", $" +
           std::to_string(next + fragment.size()) + ", 1, 1, 1, 0;\n\t";
    next += fragment.size() + 1;
  }
  ptx += "wgmma.commit_group.sync.aligned;";
  SmallVector<Type> types(count, code.b.getF32Type());
  auto type = LLVM::LLVMStructType::getLiteral(code.b.getContext(), types);
  MLIRContext *context = code.b.getContext();
  auto products = LLVM::InlineAsmOp::create(
      code.b, code.loc, type, operands, code.b.getStringAttr(ptx),
      code.b.getStringAttr(constraints + "~{memory}"), code.b.getUnitAttr(),
      UnitAttr(),
      LLVM::TailCallKindAttr::get(context,
                                  LLVM::tailcallkind::TailCallKind::None),
      LLVM::AsmDialectAttr::get(context, LLVM::AsmDialect::AD_ATT),
      ArrayAttr());
  SmallVector<Value> list;
  for (size_t i = 0; i < count; ++i) {
    list.push_back(LLVM::ExtractValueOp::create(
        code.b, code.loc, products.getRes(), static_cast<int64_t>(i)));
  }
  return list;
}

void rill::kernel::waitProducts(CudaCode &code) {
  NVVM::WgmmaWaitGroupSyncOp::create(code.b, code.loc, 0);
}

void rill::kernel::setRegisters(CudaCode &code, int32_t count, bool more) {
  NVVM::SetMaxRegisterOp::create(code.b, code.loc, count,
                                 more ? NVVM::SetMaxRegisterAction::increase
                                      : NVVM::SetMaxRegisterAction::decrease);
}
