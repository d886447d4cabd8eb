//===- mapped_file.h - Read-only view of a whole file -----------*- C++ -*-===//
//
// Maps a regular file; refuses folders, pipes and devices. Also reads small
// files whole and keeps names inside a folder.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_FORMATS_MAPPED_FILE_H
#define RILL_RUNTIME_FORMATS_MAPPED_FILE_H

#include "runtime/formats/status.h"

#include <span>

namespace rill::rt {

/// The bytes of a regular file, mapped read-only and private. Movable; the
/// bytes live as long as the object and do not move with it. The file must not
/// be truncated meanwhile.
class MappedFile {
public:
  MappedFile() = default;
  MappedFile(MappedFile &&other) noexcept { *this = std::move(other); }
  MappedFile &operator=(MappedFile &&other) noexcept;
  ~MappedFile();

  /// Maps `path`. Errors: FileUnreadable (missing, a folder, no permission,
  /// not a regular file), OutOfMemory (address space).
  static Result<MappedFile> open(const std::string &path);
  /// Maps the file behind `fd`, which stays the caller's and may be closed
  /// afterwards; `name` stands for it in errors. Errors: as above.
  static Result<MappedFile> map(int fd, const std::string &name);

  /// All bytes of the file; empty for an empty file.
  std::span<const uint8_t> bytes() const { return {base, size}; }
  std::string_view text() const {
    return {reinterpret_cast<const char *>(base), size};
  }
  const std::string &path() const { return name; }

private:
  const uint8_t *base = nullptr;
  size_t size = 0;
  std::string name;
};

/// The whole of a file as text, at most `maxBytes` long (FileTooLarge above).
Result<std::string> readTextFile(const std::string &path, size_t maxBytes);

/// True when `path` names something that exists, of any kind.
bool fileExists(const std::string &path);

/// The path of `name` inside `folder`, for names that come from a file. Refuses
/// (PathEscape) absolute names, empty parts, "..", and links whose target lies
/// outside the folder; the one layout allowed to leave it is the Hugging Face
/// cache, where snapshots/<revision>/F links into blobs/ beside snapshots.
/// FileUnreadable when nothing of that name exists.
Result<std::string> resolveInFolder(const std::string &folder,
                                    const std::string &name);

} // namespace rill::rt

#endif
