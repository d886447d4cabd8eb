//===- test_util.h - Folders and files for tests ----------------*- C++ -*-===//
//
// A temporary folder that removes itself, and a check for refusals.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_TEST_TEST_UTIL_H
#define RILL_RUNTIME_TEST_TEST_UTIL_H

#include "runtime/formats/status.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

namespace rill::test {

/// A new empty folder, removed with everything in it.
class TempDir {
public:
  TempDir() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "rill-XXXXXX").string();
    folder = mkdtemp(pattern.data());
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  std::string path(const std::string &name = {}) const {
    return name.empty() ? folder : folder + "/" + name;
  }
  /// Writes a file and returns its path.
  std::string write(const std::string &name, std::string_view content) const {
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }

private:
  std::string folder;
};

inline std::string readAll(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// "" when `result` failed with `code` and its text holds `part`; otherwise
/// what it did instead.
template <typename T>
std::string refusal(const rill::rt::Result<T> &result, rill::rt::ErrorCode code,
                    std::string_view part = {}) {
  if (result.ok()) {
    return "was accepted";
  }
  const rill::rt::Error &error = result.error();
  std::string text = error.render();
  if (error.code != code || text.find(part) == std::string::npos ||
      error.where.empty() || error.why.empty()) {
    return text;
  }
  return "";
}
inline std::string refusal(const rill::rt::Status &status,
                           rill::rt::ErrorCode code,
                           std::string_view part = {}) {
  using rill::rt::Result;
  return refusal(status.ok() ? Result<int>(0)
                             : Result<int>(rill::rt::Error(status.get())),
                 code, part);
}

} // namespace rill::test

#endif
