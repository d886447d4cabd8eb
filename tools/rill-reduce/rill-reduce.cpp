//===- rill-reduce.cpp - MLIR's reducer with our dialects -----------------===//
//
// Registers and calls the library.
//
//===----------------------------------------------------------------------===//
#include "rill/Pipeline/Register.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Tools/mlir-reduce/MlirReduceMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  rill::registerDialects(registry);
  rill::registerPasses();
  mlir::MLIRContext context(registry);
  return failed(mlir::mlirReduceMain(argc, argv, context));
}
