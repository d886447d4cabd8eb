//===- rill-lsp-server.cpp - MLIR's language server with our dialects -----===//
//
// Registers and calls the library; the client speaks over stdin and stdout.
//
//===----------------------------------------------------------------------===//
#include "rill/Pipeline/Register.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  rill::registerDialects(registry);
  return failed(mlir::MlirLspServerMain(argc, argv, registry));
}
