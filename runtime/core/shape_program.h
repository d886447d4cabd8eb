//===- shape_program.h - Postfix programs over S, h, w ----------*- C++ -*-===//
//
// Evaluates the programs of a plan; the only place where grids come from.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_CORE_SHAPE_PROGRAM_H
#define RILL_RUNTIME_CORE_SHAPE_PROGRAM_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace rill::rt {

/// Values of S, h, w.
struct Symbols {
  int64_t values[3] = {1, 1, 1};
};

/// Runs `program`, (opcode, immediate) pairs of artifact_format.h. Nothing on
/// an unknown opcode, a stack that under- or overflows, a division by zero or
/// of a negative number, an arithmetic overflow, or a negative result.
std::optional<int64_t> runProgram(std::span<const int64_t> program,
                                  const Symbols &symbols);

/// "S 8 ceildiv" as such pairs; empty when it is no program of known words that
/// is monotone, or a longer one than a file may have.
std::vector<int64_t> parseProgram(std::string_view text);

/// Whether no value of `program` falls when a symbol grows, by its form: no
/// negative constant, and only constants as divisors. Then checks at the ends
/// of the symbols' ranges hold between them too.
bool isMonotone(std::span<const int64_t> program);

} // namespace rill::rt

#endif
