//===- plan.h - Decoding and verifying a plan -------------------*- C++ -*-===//
//
// A plan section as checked records. What passes here can be run without
// another bounds check.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_CORE_PLAN_H
#define RILL_RUNTIME_CORE_PLAN_H

#include "runtime/core/artifact.h"
#include "runtime/core/shape_program.h"

#include <array>

namespace rill::rt {

/// A verified plan; the spans point into the artifact.
struct Plan {
  rill_rt_plan header;
  std::span<const rill_rt_dispatch> dispatches;
  std::span<const rill_rt_operand> operands;
  std::span<const int64_t> words;

  std::span<const int64_t> program(uint32_t first, uint32_t pairs) const {
    return words.subspan(2 * size_t(first), 2 * size_t(pairs));
  }
  /// Tiles of dispatch `index` in a call with these symbols.
  int64_t tiles(size_t index, const Symbols &symbols) const {
    const rill_rt_dispatch &d = dispatches[index];
    return runProgram(program(d.grid_first, d.grid_length), symbols)
        .value_or(0);
  }
  /// Rows of the matrix that an operand with a map is in such a call.
  uint64_t mapRows(const rill_rt_operand &operand,
                   const Symbols &symbols) const {
    auto bytes =
        runProgram(program(operand.bytes_first, operand.bytes_length), symbols);
    return static_cast<uint64_t>(bytes.value_or(0)) /
           (kMapElement * uint64_t(operand.map_width));
  }
  static constexpr uint64_t kMapElement = 2; ///< bytes of a bf16
};

/// Bytes of a value of this signature; nothing when a size is none or too
/// large.
std::optional<uint64_t> signatureBytes(const Signature &signature,
                                       const Symbols &symbols);

/// Symbols of a plan's largest calls. What depends on h and w is largest where
/// all patches lie in one row or one column.
std::array<Symbols, 2> largestSymbols(const rill_rt_plan &plan);

/// Bytes that no value of this signature exceeds while the plan's ranges hold.
uint64_t mostBytes(const Signature &signature, const rill_rt_plan &plan);

/// readPlan of the init that a target has; each of its dispatches makes one
/// packed weight of one weight.
Result<Plan> readInitPlan(const Artifact &artifact, const TargetInfo &target);

/// Decodes the plan of `variant` and checks every offset, index, grid and
/// operand at both ends of the symbols' ranges, that operands read are written
/// before, and that no two live arena buffers overlap. Errors: PlanInvalid.
Result<Plan> readPlan(const Artifact &artifact, const Method &method,
                      const MethodVariant &variant);

} // namespace rill::rt

#endif
