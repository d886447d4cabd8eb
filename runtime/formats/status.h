//===- status.h - Errors with code, what, where, why, mend ------*- C++ -*-===//
//
// The one error type of the runtime and of lib/Checkpoint. No exceptions.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_FORMATS_STATUS_H
#define RILL_RUNTIME_FORMATS_STATUS_H

#include <cassert>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace rill::rt {

/// Every error the user can meet, RILL-NNNN; the first digit is the exit code
/// (docs/Errors.md, printed from errors.def).
enum class ErrorCode : uint16_t {
#define RILL_ERROR(number, name, summary, page) name = number,
#include "runtime/formats/errors.def"
#undef RILL_ERROR
};

/// One row of errors.def, for `rill-inspect --explain` and the tests.
struct ErrorInfo {
  ErrorCode code;
  const char *name;    ///< enumerator
  const char *summary; ///< the "what" line
  const char *page;    ///< longer explanation, plain text
};

/// All rows, ordered by number; `count` receives their number.
const ErrorInfo *errorTable(size_t *count);

/// What happened, where (file, tensor, key, byte), why (both values), and how
/// to mend it. Lower case, no full stop.
struct Error {
  ErrorCode code;
  std::string what, where, why, mend;

  /// The process exit code that goes with this error: first digit of the code.
  int exitCode() const { return static_cast<int>(code) / 1000; }
  /// The four lines `error[RILL-NNNN]: what / where / why / mend`; empty parts
  /// are left out.
  std::string render() const;
};

/// Success, or an owned Error. Cheap to return: one pointer.
class [[nodiscard]] Status {
public:
  Status() = default;
  Status(Error error) : error(std::make_unique<Error>(std::move(error))) {}
  bool ok() const { return !error; }
  /// The error; only when !ok().
  const Error &get() const {
    assert(error);
    return *error;
  }
  Error take() { return std::move(*error); }

private:
  std::unique_ptr<Error> error;
};

/// A T, or an Error.
template <typename T>
class [[nodiscard]] Result {
public:
  Result(T value) : value(std::move(value)) {}
  Result(Error error) : status(std::move(error)) {}
  Result(Status failed) : status(std::move(failed)) { assert(!status.ok()); }
  bool ok() const { return status.ok(); }
  const Error &error() const { return status.get(); }
  Status takeStatus() { return std::move(status); }
  T &operator*() {
    assert(value);
    return *value;
  }
  const T &operator*() const { return *value; }
  T *operator->() { return &*value; }
  const T *operator->() const { return &*value; }

private:
  Status status;
  std::optional<T> value;
};

/// Makes an error; `what` is the summary of errors.def.
Error makeError(ErrorCode code, std::string where, std::string why,
                std::string mend = {});

/// printf into a std::string, for `where` and `why`.
[[gnu::format(printf, 1, 2)]] std::string format(const char *fmt, ...);

} // namespace rill::rt

/// Returns the failed status of `expr` from the current function.
#define RILL_TRY(expr)                                                         \
  do {                                                                         \
    if (auto rillStatus = (expr); !rillStatus.ok()) {                          \
      return rillStatus;                                                       \
    }                                                                          \
  } while (false)

#define RILL_CONCAT2(a, b) a##b
#define RILL_CONCAT(a, b) RILL_CONCAT2(a, b)
/// `RILL_ASSIGN(auto x, f());` gives the value of a Result or returns its
/// error.
#define RILL_ASSIGN(decl, expr)                                                \
  auto RILL_CONCAT(rillResult, __LINE__) = (expr);                             \
  if (!RILL_CONCAT(rillResult, __LINE__).ok()) {                               \
    return RILL_CONCAT(rillResult, __LINE__).takeStatus();                     \
  }                                                                            \
  decl = std::move(*RILL_CONCAT(rillResult, __LINE__))

#endif
