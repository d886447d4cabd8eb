//===- LowerCudaKernels.cpp - One CUDA kernel per rill_plan.kernel --------===//
//
// The launcher: a block per tile. One u64 pointer per operand in plan order,
// last the control block.
//
//===----------------------------------------------------------------------===//
#include "../Lowering.h"
#include "../MathExpansion.h"
#include "CudaCode.h"

#include "mlir/Conversion/NVVMToLLVM/NVVMToLLVM.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

/// A template that serves both targets: what it shares out by vectors, the
/// threads of a block share here.
template <BeginKernel begin>
static EmitCudaTile onThreads(CudaCode &code, Operation *op) {
  return begin(code, op);
}

namespace {
/// A KernelTemplate of CUDA: its name in rill_plan.kernel, its code.
struct Template {
  StringRef name;
  BeginCudaKernel begin;
  /// Integers its configuration must hold, separated by spaces.
  StringRef integers;
  /// Calls waitForInputs itself, behind the loads of its first weights.
  bool waits = false;
  /// Takes arguments as tensor maps.
  bool maps = false;
};
} // namespace

static constexpr Template kTemplates[] = {
    {"cuda_linear", beginCudaLinear, "rows threads", true},
    {"cuda_gemm", beginCudaGemm, "blocks threads"},
    {"cuda_wgmma", beginCudaWgmma, "blocks rows stages threads", true, true},
    {"cuda_pack", beginCudaPack, "threads"},
    {"cuda_short_conv_mix", beginCudaShortConvMix, "rows threads", true},
    {"cuda_attention", beginCudaAttention, "threads"},
    {"cuda_flash", beginCudaFlash, "threads"},
    {"cuda_attention_update", beginCudaAttentionUpdate, "threads"},
    {"rows", onThreads<beginRows>, "lanes threads"},
    {"positions", onThreads<beginPositions>, "lanes threads"},
    {"sample", onThreads<beginSample>, "lanes threads"},
    {"cuda_short_conv", beginCudaShortConv, "threads", true}};

/// The most threads a block may have.
static constexpr int64_t kMostThreads = 1024;

/// The kernel's template, its configuration checked; null: an error is out.
static const Template *findTemplate(plan::KernelOp kernel) {
  const auto *found = llvm::find_if(kTemplates, [&](const Template &entry) {
    return kernel.getKernelTemplate() == entry.name;
  });
  if (found == std::end(kTemplates)) {
    kernel.emitError() << "no CUDA template is called \""
                       << kernel.getKernelTemplate() << '"';
    return nullptr;
  }
  if (failed(checkConfig(kernel, found->integers, kMostThreads))) {
    return nullptr;
  }
  if (!found->maps && !plan::tensorBoxes(kernel).empty()) {
    kernel.emitError() << "template \"" << found->name
                       << "\" takes no tensor maps";
    return nullptr;
  }
  auto threads = kernel.getConfig().getAs<IntegerAttr>("threads").getInt();
  if (threads % kWarp) {
    kernel.emitError() << "its " << threads << " threads are no whole warps of "
                       << kWarp;
    return nullptr;
  }
  return found;
}

/// The argument becomes a CUtensorMap by value (kernel_abi.h).
static void passMap(LLVM::LLVMFuncOp function, unsigned argument) {
  constexpr unsigned kWords = 16;
  constexpr int64_t kAlign = 64;
  Builder b(function.getContext());
  function.setArgAttr(
      argument, LLVM::LLVMDialect::getByValAttrName(),
      TypeAttr::get(LLVM::LLVMArrayType::get(b.getI64Type(), kWords)));
  function.setArgAttr(argument, LLVM::LLVMDialect::getAlignAttrName(),
                      b.getI64IntegerAttr(kAlign));
  function.setArgAttr(argument, NVVM::NVVMDialect::getGridConstantAttrName(),
                      b.getUnitAttr());
}

static LLVM::LLVMFuncOp declare(OpBuilder &b, plan::KernelOp kernel) {
  Block &body = kernel.getBody().front();
  auto states = body.getOps<StateOp>();
  size_t operands = body.getNumArguments() +
                    std::distance(states.begin(), states.end()) +
                    body.getTerminator()->getNumOperands();
  constexpr unsigned kGlobalSpace = 1;
  SmallVector<Type> pointers(
      operands + 1, LLVM::LLVMPointerType::get(b.getContext(), kGlobalSpace));
  auto boxes = plan::tensorBoxes(kernel);
  for (const plan::TensorBox &box : boxes) {
    pointers[box.argument] = LLVM::LLVMPointerType::get(b.getContext());
  }
  auto function = LLVM::LLVMFuncOp::create(
      b, kernel.getLoc(), kernel.getSymName(),
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()),
                                  pointers));
  for (const plan::TensorBox &box : boxes) {
    passMap(function, static_cast<unsigned>(box.argument));
  }
  auto threads = cast<IntegerAttr>(kernel.getConfig().get("threads")).getInt();
  function->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(),
                    b.getUnitAttr());
  function->setAttr(NVVM::NVVMDialect::getReqntidAttrName(),
                    b.getDenseI32ArrayAttr({static_cast<int32_t>(threads)}));
  // Without a number of blocks ptxas guesses one, and may spill to reach it.
  auto blocks = kernel.getConfig().getAs<IntegerAttr>("blocks");
  function->setAttr(
      NVVM::NVVMDialect::getMinctasmAttrName(),
      b.getI32IntegerAttr(blocks ? static_cast<int32_t>(blocks.getInt()) : 1));
  return function;
}

LogicalResult rill::kernel::emitCudaKernel(OpBuilder &b,
                                           plan::KernelOp kernel) {
  const Template *found = findTemplate(kernel);
  Operation *op = computedOp(kernel);
  if (!found || !op) {
    return found ? kernel.emitError("computes nothing") : failure();
  }
  LLVM::LLVMFuncOp function = declare(b, kernel);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(function.addEntryBlock(b));
  CudaCode code(b, kernel, function);
  EmitCudaTile emit = found->begin(code, op);
  if (!emit) {
    return kernel.emitError() << "template \"" << found->name
                              << "\" emits no CUDA code for " << op->getName();
  }
  if (!found->waits) {
    code.waitForInputs();
  }
  Value block = NVVM::BlockIdXOp::create(b, kernel.getLoc(), b.getI32Type());
  emit(arith::ExtUIOp::create(b, kernel.getLoc(), b.getI64Type(), block));
  LLVM::ReturnOp::create(b, kernel.getLoc(), ValueRange());
  NamedAttrList config(kernel.getConfig());
  config.set("shared", b.getI64IntegerAttr(code.finish()));
  config.set("products", b.getI64IntegerAttr(code.emittedProducts));
  config.set("wide", b.getI64IntegerAttr(code.emittedWide));
  kernel.setConfigAttr(config.getDictionary(b.getContext()));
  return success();
}

LogicalResult rill::kernel::convertCudaKernels(ModuleOp module) {
  RewritePatternSet patterns(module.getContext());
  populateMathExpansion(patterns);
  populateMathPolynomialApproximationPatterns(patterns);
  if (failed(applyPatternsGreedily(module, std::move(patterns)))) {
    return failure();
  }
  return convertToLLVM(
      module, [](ConversionTarget &target, RewritePatternSet &patterns) {
        populateNVVMToLLVMConversionPatterns(patterns);
        target.addDynamicallyLegalDialect<NVVM::NVVMDialect>([](Operation *op) {
          auto inlined = dyn_cast<NVVM::BasicPtxBuilderInterface>(op);
          return !inlined || inlined.hasIntrinsic();
        });
      });
}
