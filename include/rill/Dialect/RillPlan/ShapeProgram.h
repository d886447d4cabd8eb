//===- ShapeProgram.h - Postfix programs over shape symbols -----*- C++ -*-===//
//
// "S 8 ceildiv": what grids and dynamic extents are written in. The words are
// those of runtime/include/rill-rt/artifact_format.h.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_DIALECT_RILLPLAN_SHAPEPROGRAM_H
#define RILL_DIALECT_RILLPLAN_SHAPEPROGRAM_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>
#include <string>

namespace rill::plan {

/// The values of S, h and w in one call, or at one end of their ranges.
struct ShapeSymbols {
  int64_t s = 1, h = 1, w = 1;
};

/// True when every word is known and the program leaves exactly one value.
bool isWellFormedProgram(llvm::StringRef program);

/// The program's value, or nothing when it is not well formed, divides by
/// zero or overflows.
std::optional<int64_t> evaluateProgram(llvm::StringRef program,
                                       const ShapeSymbols &symbols);

/// The artifact's encoding: pairs of (opcode, immediate).
llvm::SmallVector<int64_t> encodeProgram(llvm::StringRef program);

/// `a * b`, folded when both are constants or one is 1.
std::string multiplyPrograms(llvm::StringRef a, llvm::StringRef b);

/// `ceil(a / b)` for a constant b > 0, folded where possible.
std::string ceilDivProgram(llvm::StringRef a, int64_t b);

} // namespace rill::plan

#endif
