//===- Register.h - Everything a tool may meet ------------------*- C++ -*-===//
//
// One registration for rill-opt, rill-lsp-server, rill-reduce, rill-compile.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_PIPELINE_REGISTER_H
#define RILL_PIPELINE_REGISTER_H

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace rill {
/// Adds our dialects, those our passes create, and the LLVM translations.
void registerDialects(mlir::DialectRegistry &registry);

/// Registers our passes and pipelines, and upstream's general ones, with the
/// pass registry of the command line.
void registerPasses();
} // namespace rill

#endif
