//===- file_writer.h - Replace a file in one step ---------------*- C++ -*-===//
//
// Writes to a temporary name beside the target, syncs, renames. A run that was
// killed leaves the old file or the new one, and a temporary that the next
// write of the same file takes over.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_FORMATS_FILE_WRITER_H
#define RILL_RUNTIME_FORMATS_FILE_WRITER_H

#include "runtime/formats/status.h"

#include <span>

namespace rill::rt {

/// Collects the bytes of one file. Not shared between threads.
class FileWriter {
public:
  FileWriter(FileWriter &&other) noexcept;
  FileWriter &operator=(FileWriter &&) = delete;
  /// Without commit() the temporary is removed and the target untouched.
  ~FileWriter();

  /// Starts writing; WriteFailed when the target is a folder, the folder cannot
  /// be written, or another process is writing the same file.
  static Result<FileWriter> create(const std::string &path);
  /// Appends. WriteFailed names the reason (disk full).
  Status write(std::span<const uint8_t> bytes);
  Status write(const void *data, size_t bytes) {
    return write({static_cast<const uint8_t *>(data), bytes});
  }
  /// Overwrites bytes already written, at `offset` from the begin.
  Status writeAt(uint64_t offset, std::span<const uint8_t> bytes);
  /// Bytes appended so far.
  uint64_t size() const { return written; }
  /// Syncs file and folder and puts the file in place.
  Status commit();

private:
  FileWriter() = default;
  Error failed(const char *step) const;

  std::string path, temporary;
  int fd = -1;
  uint64_t written = 0;
};

/// Writes a whole file with the guarantees of FileWriter.
Status writeFile(const std::string &path, std::string_view content);

} // namespace rill::rt

#endif
