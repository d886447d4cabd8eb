// Reductions of asynchronous copies: cp.reduce.async.bulk and red.async.
#ifndef LIB_EMULATION_OPS_REDUCE_H
#define LIB_EMULATION_OPS_REDUCE_H

#include "../Core/Decoder.h"

namespace rill::emu {

enum class RedOp : uint8_t { None, Add, Min, Max, And, Or, Xor, Inc, Dec };

/// The operation an opcode names; fails when it names none.
RedOp reductionOf(const Decode &d);
/// to[i] = op(to[i], from[i]) over elements of `type`; None copies. `bytes`
/// is a multiple of the element's size.
void reduceBytes(RedOp op, Type type, char *to, const char *from, size_t bytes);

} // namespace rill::emu
#endif
