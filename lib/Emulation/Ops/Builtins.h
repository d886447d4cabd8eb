// System functions of device programs: declared in PTX, never defined.
#ifndef LIB_EMULATION_OPS_BUILTINS_H
#define LIB_EMULATION_OPS_BUILTINS_H

#include "../Core/Machine.h"

#include <string_view>

namespace rill::emu {

enum class Builtin : uint8_t {
  None,
  Vprintf,
  AssertFail,
  Malloc,
  Free,
  GraphSetConditional
};

Builtin builtinOf(std::string_view name);

/// Runs one for a lane. `ints`: argument count, then (frame offset, bytes)
/// of each argument and of the result.
void runBuiltin(Warp &w, int lane, Builtin what, const int64_t *ints);

} // namespace rill::emu
#endif
