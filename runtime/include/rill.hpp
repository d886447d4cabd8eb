//===- rill.hpp - C++ over rill.h -------------------------------*- C++ -*-===//
//
// Header-only, C++17. Models and sessions free themselves. A failed call
// throws rill::error; compiled without exceptions it prints the error and
// aborts, so such programs use rill.h where they want to go on. Ownership,
// threads and lifetimes are those of rill.h: a model outlives its sessions.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_HPP
#define RILL_HPP

#include <exception>
#include <rill.h>
#include <string>
#include <utility>
#include <vector>
#if !defined(__cpp_exceptions)
#include <cstdio>
#include <cstdlib>
#endif

namespace rill {

/// What a failed call says: RILL-NNNN, what, where, why and how to mend it.
class error : public std::exception {
public:
  /// Takes over `status`, which is not null, and frees it.
  explicit error(rill_status status)
      : number(rill_error_code(status)), whatText(rill_error_what(status)),
        whereText(rill_error_where(status)), whyText(rill_error_why(status)),
        mendText(rill_error_mend(status)) {
    rill_error_free(status);
    all = "RILL-" + std::to_string(number) + ": " + whatText;
    if (!whereText.empty()) {
      all += "; where: " + whereText;
    }
    if (!whyText.empty()) {
      all += "; why: " + whyText;
    }
    if (!mendText.empty()) {
      all += "; mend: " + mendText;
    }
  }
  int code() const noexcept { return number; }
  const std::string &summary() const noexcept { return whatText; }
  const std::string &where() const noexcept { return whereText; }
  const std::string &why() const noexcept { return whyText; }
  const std::string &mend() const noexcept { return mendText; }
  /// All of it in one line.
  const char *what() const noexcept override { return all.c_str(); }

private:
  int number;
  std::string whatText, whereText, whyText, mendText, all;
};

/// Throws when `status` is an error, which it takes over.
inline void check(rill_status status) {
  if (!status) {
    return;
  }
#if defined(__cpp_exceptions)
  throw error(status);
#else
  std::fprintf(stderr, "%s\n", error(status).what());
  std::abort();
#endif
}

/// A sized struct of rill.h, zeroed, its size set: `auto o =
/// rill::sized<rill_open_options>();`
template <typename Struct>
Struct sized() {
  Struct value = {};
  value.size = sizeof(value);
  return value;
}

/// A view of the caller's memory as a tensor; an output needs no shape.
inline rill_tensor tensor(void *data, size_t bytes, rill_dtype dtype,
                          const std::vector<int64_t> &shape = {}) {
  auto value = sized<rill_tensor>();
  value.data = data;
  value.bytes = bytes;
  value.dtype = dtype;
  value.rank = static_cast<int32_t>(shape.size());
  for (size_t d = 0; d < shape.size() && d < 8; ++d) {
    value.shape[d] = shape[d];
  }
  return value;
}

/// An opened artifact; movable, shared by threads through references.
class model {
public:
  explicit model(const std::string &path,
                 const rill_open_options *options = nullptr) {
    check(rill_open(path.c_str(), options, &handle));
  }
  /// `descriptor` stays the caller's.
  static model from_fd(int descriptor,
                       const rill_open_options *options = nullptr) {
    model made;
    check(rill_open_fd(descriptor, options, &made.handle));
    return made;
  }
  /// The bytes stay valid and unchanged while the model lives.
  static model from_memory(const void *data, size_t bytes,
                           const rill_open_options *options = nullptr) {
    model made;
    check(rill_open_memory(data, bytes, options, &made.handle));
    return made;
  }
  model(model &&other) noexcept
      : handle(std::exchange(other.handle, nullptr)) {}
  model &operator=(model &&other) noexcept {
    std::swap(handle, other.handle);
    return *this;
  }
  ~model() { rill_close(handle); }

  const rill_model *get() const noexcept { return handle; }
  std::string manifest() const {
    size_t bytes = 0;
    const char *text = rill_manifest(handle, &bytes);
    return std::string(text, bytes);
  }
  std::vector<std::string> methods() const {
    std::vector<std::string> names;
    for (size_t i = 0; i < rill_method_count(handle); ++i) {
      names.emplace_back(rill_method_name(handle, i));
    }
    return names;
  }
  rill_method_info signature(const std::string &method) const {
    auto info = sized<rill_method_info>();
    check(rill_method_signature(handle, method.c_str(), &info));
    return info;
  }
  rill_value_info input(const std::string &method, size_t index) const {
    auto info = sized<rill_value_info>();
    check(rill_method_input(handle, method.c_str(), index, &info));
    return info;
  }
  rill_value_info output(const std::string &method, size_t index) const {
    auto info = sized<rill_value_info>();
    check(rill_method_output(handle, method.c_str(), index, &info));
    return info;
  }
  rill_memory_plan
  plan_bytes(const rill_session_options *options = nullptr) const {
    auto plan = sized<rill_memory_plan>();
    check(rill_plan_bytes(handle, options, &plan));
    return plan;
  }

private:
  model() = default;
  rill_model *handle = nullptr;
};

/// States and execution of one user of a model; one thread at a time.
class session {
public:
  /// `of` outlives the session.
  explicit session(const model &of,
                   const rill_session_options *options = nullptr) {
    check(rill_session_create(of.get(), options, &handle));
  }
  session(session &&other) noexcept
      : handle(std::exchange(other.handle, nullptr)) {}
  session &operator=(session &&other) noexcept {
    std::swap(handle, other.handle);
    return *this;
  }
  ~session() { rill_session_free(handle); }

  rill_session *get() const noexcept { return handle; }
  void reset() { check(rill_session_reset(handle)); }
  int64_t length(int64_t sequence = 0) const {
    return rill_session_length(handle, sequence);
  }
  void rollback(int64_t length, int64_t sequence = 0) {
    check(rill_session_rollback(handle, sequence, length));
  }
  size_t bytes() const { return rill_session_bytes(handle); }
  /// Shapes of `outputs` are written.
  void invoke(const std::string &method, const std::vector<rill_tensor> &inputs,
              std::vector<rill_tensor> &outputs) {
    check(rill_invoke(handle, method.c_str(), inputs.data(), inputs.size(),
                      outputs.data(), outputs.size()));
  }
  std::vector<unsigned char> save() const {
    size_t bytes = 0;
    check(rill_session_save(handle, nullptr, 0, &bytes));
    std::vector<unsigned char> saved(bytes);
    check(rill_session_save(handle, saved.data(), saved.size(), &bytes));
    return saved;
  }
  void load(const std::vector<unsigned char> &saved) {
    check(rill_session_load(handle, saved.data(), saved.size()));
  }

private:
  rill_session *handle = nullptr;
};

} // namespace rill

#endif
