//===- Register.cpp - Everything a tool may meet --------------------------===//
//
// Dialects and passes, once for all tools.
//
//===----------------------------------------------------------------------===//
#include "rill/Pipeline/Register.h"

#include "rill/Dialect/Rill/Rill.h"
#include "rill/Dialect/RillPlan/RillPlan.h"
#include "rill/Fusion/Passes.h"
#include "rill/Kernel/Passes.h"
#include "rill/Pipeline/Passes.h"
#include "rill/Plan/Passes.h"
#include "rill/Reference/Passes.h"
#include "rill/Target/NVVM/NVVM.h"
#include "rill/Target/X86/X86.h"
#include "rill/Tiling/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Transforms/Passes.h"

void rill::registerDialects(mlir::DialectRegistry &registry) {
  registry.insert<RillDialect, plan::RillPlanDialect, mlir::arith::ArithDialect,
                  mlir::func::FuncDialect, mlir::LLVM::LLVMDialect,
                  mlir::math::MathDialect, mlir::NVVM::NVVMDialect,
                  mlir::memref::MemRefDialect, mlir::scf::SCFDialect,
                  mlir::tensor::TensorDialect, mlir::vector::VectorDialect>();
  nvvm::registerPolicies();
  x86::registerPolicies();
}

void rill::registerPasses() {
  mlir::registerTransformsPasses();
  registerPipelinePasses();
  registerReferencePasses();
  registerFusionPasses();
  registerTilingPasses();
  registerPlanPasses();
  registerKernelPasses();
}
