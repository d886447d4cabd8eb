//===- c_helpers.h - Using the C API from our own C++ -----------*- C++ -*-===//
//
// Errors of rill.h as Status, tensors in one line. For the generation library
// and the tools, which use librill as everyone does.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_CORE_C_HELPERS_H
#define RILL_RUNTIME_CORE_C_HELPERS_H

#include "rill.h"
#include "runtime/formats/status.h"

#include <algorithm>
#include <initializer_list>
#include <span>

namespace rill::rt {

/// Takes over `error` and frees it.
inline Status statusFromC(rill_status error) {
  if (!error) {
    return {};
  }
  Error copy{static_cast<ErrorCode>(rill_error_code(error)),
             rill_error_what(error), rill_error_where(error),
             rill_error_why(error), rill_error_mend(error)};
  rill_error_free(error);
  return copy;
}

/// A view of the caller's memory, which a call only reads when it is an input;
/// an empty shape is for outputs.
inline rill_tensor makeTensor(const void *data, size_t bytes, int32_t dtype,
                              std::span<const int64_t> shape) {
  rill_tensor value = {};
  value.size = sizeof(value);
  value.data = const_cast<void *>(data);
  value.bytes = bytes;
  value.dtype = dtype;
  value.rank = static_cast<int32_t>(shape.size());
  std::copy_n(shape.begin(), std::min(shape.size(), std::size(value.shape)),
              value.shape);
  return value;
}
inline rill_tensor makeTensor(const void *data, size_t bytes, int32_t dtype,
                              std::initializer_list<int64_t> shape) {
  return makeTensor(data, bytes, dtype, std::span(shape.begin(), shape.end()));
}

} // namespace rill::rt

#endif
