//===- rill-opt.cpp - mlir-opt with the rill dialects ---------------------===//
//
// Registers and calls the library.
//
//===----------------------------------------------------------------------===//
#include "rill/Pipeline/Register.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  rill::registerDialects(registry);
  rill::registerPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "Rill's optimizer driver\n", registry));
}
