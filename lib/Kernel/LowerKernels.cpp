//===- LowerKernels.cpp - One LLVM function per kernel --------------------===//
//
// The CPU launcher, a loop over the tiles of the call (CUDA's: Cuda/); then
// everything to the LLVM dialect.
//
//===----------------------------------------------------------------------===//
#include "KernelCode.h"
#include "Lowering.h"
#include "MathExpansion.h"

#include "rill/Kernel/Passes.h"
#include "rill/Kernel/Templates.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/DialectConversion.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace rill {
#define GEN_PASS_DEF_LOWERKERNELSPASS
#include "rill/Kernel/Passes.h.inc"
} // namespace rill

using namespace mlir;
using namespace rill;
using namespace rill::kernel;

Operation *rill::kernel::computedOp(plan::KernelOp kernel) {
  Block &body = kernel.getBody().front();
  Operation *yield = body.getTerminator();
  if (yield->getNumOperands()) {
    return yield->getOperand(0).getDefiningOp();
  }
  return yield->getPrevNode();
}

static LLVM::LLVMFuncOp declare(OpBuilder &b, plan::KernelOp kernel) {
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  Type i64 = b.getI64Type();
  auto type =
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()),
                                  {pointer, pointer, i64, i64, pointer});
  return LLVM::LLVMFuncOp::create(b, kernel.getLoc(), kernel.getSymName(),
                                  type);
}

namespace {
/// A KernelTemplate of the CPU.
struct Template {
  StringRef name; ///< in rill_plan.kernel
  BeginKernel begin;
  /// Integers its configuration must hold, separated by spaces.
  StringRef integers;
  bool scratch; ///< its configuration must say how much scratch it needs
};
} // namespace

static constexpr Template kTemplates[] = {
    {"linear", beginLinear, "columns lanes rows streams sums", true},
    {"gemm", beginGemm, "lanes rows vectors", true},
    {"flash_attention", beginFlashAttention, "groups lanes rows vectors", true},
    {"short_conv_mix", beginShortConvMix, "columns lanes rows streams sums",
     true},
    {"attention_update", beginAttentionUpdate, "lanes", false},
    {"attention", beginAttention, "lanes", false},
    {"rows", beginRows, "lanes", false},
    {"positions", beginPositions, "lanes", false},
    {"short_conv", beginShortConv, "lanes", false},
    {"sample", beginSample, "lanes", true}};

/// No register holds more lanes, no tile more rows or columns.
static constexpr int64_t kMostConfig = 64;

LogicalResult rill::kernel::checkConfig(plan::KernelOp kernel, StringRef keys,
                                        int64_t most) {
  for (StringRef key : llvm::split(keys, ' ')) {
    auto value = kernel.getConfig().getAs<IntegerAttr>(key);
    if (!value || value.getInt() < 1 || value.getInt() > most) {
      return kernel.emitError()
             << "template \"" << kernel.getKernelTemplate()
             << "\" needs config " << key << " from 1 to " << most;
    }
  }
  return success();
}

/// The kernel's template, its configuration checked; null: an error is out.
static const Template *findTemplate(plan::KernelOp kernel) {
  StringRef name = kernel.getKernelTemplate();
  const auto *found = llvm::find_if(
      kTemplates, [&](const Template &entry) { return entry.name == name; });
  if (found == std::end(kTemplates)) {
    kernel.emitError() << "no CPU template is called \"" << name << '"';
    return nullptr;
  }
  if (failed(checkConfig(kernel, found->integers, kMostConfig))) {
    return nullptr;
  }
  if (found->scratch && !kernel.getConfig().get("scratch")) {
    kernel.emitError() << "template \"" << name << "\" needs config scratch";
    return nullptr;
  }
  return found;
}

static LogicalResult emitKernel(OpBuilder &b, plan::KernelOp kernel) {
  const Template *found = findTemplate(kernel);
  Operation *op = computedOp(kernel);
  if (!found || !op) {
    return found ? kernel.emitError("computes nothing") : failure();
  }
  LLVM::LLVMFuncOp function = declare(b, kernel);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(function.addEntryBlock(b));
  KernelCode code(b, kernel, function);
  EmitTile emit = found->begin(code, op);
  if (!emit) {
    return kernel.emitError() << "template \"" << found->name
                              << "\" emits no code for " << op->getName();
  }
  code.loop(function.getArgument(2), function.getArgument(3), emit);
  LLVM::ReturnOp::create(b, kernel.getLoc(), ValueRange());
  return success();
}

/// bf16 conversions by integers, exp/tanh/erf by polynomials: what LLVM would
/// call a library for.
static LogicalResult expandMath(ModuleOp module) {
  RewritePatternSet patterns(module.getContext());
  arith::populateExpandBFloat16Patterns(patterns);
  kernel::populateMathExpansion(patterns);
  populateMathPolynomialApproximationPatterns(patterns);
  return applyPatternsGreedily(module, std::move(patterns));
}

LogicalResult rill::kernel::convertToLLVM(
    ModuleOp module,
    llvm::function_ref<void(ConversionTarget &, RewritePatternSet &)> more) {
  MLIRContext *context = module.getContext();
  {
    RewritePatternSet patterns(context);
    populateSCFToControlFlowConversionPatterns(patterns);
    ConversionTarget target(*context);
    target.addIllegalDialect<scf::SCFDialect>();
    target.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
    if (failed(applyPartialConversion(module, target, std::move(patterns)))) {
      return failure();
    }
  }
  LLVMTypeConverter converter(context);
  RewritePatternSet patterns(context);
  arith::populateArithToLLVMConversionPatterns(converter, patterns);
  populateMathToLLVMConversionPatterns(converter, patterns);
  cf::populateControlFlowToLLVMConversionPatterns(converter, patterns);
  populateVectorToLLVMConversionPatterns(converter, patterns);
  ub::populateUBToLLVMConversionPatterns(converter, patterns);
  LLVMConversionTarget target(*context);
  target.addLegalOp<ModuleOp>();
  more(target, patterns);
  return applyFullConversion(module, target, std::move(patterns));
}

/// All kernels of one target in its nested module.
static LogicalResult lowerTarget(OpBuilder &b, ModuleOp nested, bool cuda,
                                 ArrayRef<Operation *> kernels) {
  for (Operation *kernel : kernels) {
    auto op = cast<plan::KernelOp>(kernel);
    if (failed(cuda ? emitCudaKernel(b, op) : emitKernel(b, op))) {
      return failure();
    }
  }
  LogicalResult converted = failure();
  if (cuda) {
    converted = convertCudaKernels(nested);
  } else if (succeeded(expandMath(nested))) {
    converted =
        convertToLLVM(nested, [](ConversionTarget &, RewritePatternSet &) {});
  }
  return succeeded(converted)
             ? converted
             : nested.emitError("a kernel does not convert to LLVM");
}

namespace {
struct LowerKernels : rill::impl::LowerKernelsPassBase<LowerKernels> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    llvm::MapVector<StringAttr, llvm::SetVector<Operation *>> kernels;
    for (auto variant : module.getOps<plan::VariantOp>()) {
      for (auto dispatch : variant.getBody().getOps<plan::DispatchOp>()) {
        kernels[variant.getTargetAttr()].insert(
            symbols.lookup(dispatch.getKernel()));
      }
    }
    for (auto &[target, list] : kernels) {
      OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
      auto nested = ModuleOp::create(b, module.getLoc(), target.getValue());
      b.setInsertionPointToStart(nested.getBody());
      if (failed(lowerTarget(b, nested, isCudaTarget(target.getValue()),
                             list.getArrayRef()))) {
        return signalPassFailure();
      }
    }
  }
};
} // namespace
