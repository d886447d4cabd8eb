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

/// A view of the caller's memory; an empty shape is for outputs.
inline rill_tensor makeTensor(void *data, size_t bytes, int32_t dtype,
                              std::initializer_list<int64_t> shape) {
  rill_tensor value = {};
  value.size = sizeof(value);
  value.data = data;
  value.bytes = bytes;
  value.dtype = dtype;
  value.rank = static_cast<int32_t>(shape.size());
  std::copy(shape.begin(), shape.end(), value.shape);
  return value;
}

} // namespace rill::rt

#endif
