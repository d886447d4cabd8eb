//===- MemoryFile.h - Files for other programs, in memory -------*- C++ -*-===//
//
// What linker and assembler read and write.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TARGET_COMMON_MEMORYFILE_H
#define RILL_TARGET_COMMON_MEMORYFILE_H

#include "llvm/ADT/StringRef.h"

#include <optional>
#include <string>

namespace rill::target {

/// A file in memory, which programs that we start inherit: nothing of it can
/// stay behind, however the compiler ends.
class MemoryFile {
public:
  explicit MemoryFile(const char *name);
  ~MemoryFile();
  MemoryFile(const MemoryFile &) = delete;
  MemoryFile &operator=(const MemoryFile &) = delete;

  /// Negative when no file could be made; errno says why.
  int descriptor() const { return fd; }
  /// Its name for programs that we start.
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd); }
  /// Appends `text`; false, with errno, when that fails.
  bool write(llvm::StringRef text) const;
  /// The bytes it holds; nothing when it cannot be read.
  std::optional<std::string> read() const;

private:
  const int fd;
};

} // namespace rill::target

#endif
