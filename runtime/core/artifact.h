//===- artifact.h - Reading a .rill file ------------------------*- C++ -*-===//
//
// Header, section table, hashes, manifest: everything checked before use.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_RUNTIME_CORE_ARTIFACT_H
#define RILL_RUNTIME_CORE_ARTIFACT_H

#include "rill-rt/artifact_format.h"
#include "runtime/core/manifest.h"
#include "runtime/formats/mapped_file.h"

#include <span>

namespace rill::rt {

/// An opened artifact. Owns the mapping unless it was parsed from memory.
class Artifact {
public:
  /// Maps and checks `path`; `verifyWeights` hashes weight sections too.
  static Result<Artifact> open(const std::string &path, bool verifyWeights);
  /// The same for an open file, which stays the caller's; its name in errors
  /// is "file descriptor N".
  static Result<Artifact> openFd(int fd, bool verifyWeights);
  /// Checks bytes that the caller keeps alive; `name` stands for them in
  /// errors.
  static Result<Artifact> parse(std::span<const uint8_t> bytes,
                                const std::string &name, bool verifyWeights);

  const Manifest &manifest() const { return contents; }
  std::string_view manifestText() const { return manifestBytes; }
  size_t sectionCount() const { return table.size(); }
  const rill_rt_section &section(size_t index) const { return table[index]; }
  std::span<const uint8_t> bytes(size_t index) const {
    return all.subspan(table[index].offset, table[index].length);
  }
  const std::string &name() const { return path; }

private:
  static Result<Artifact> mapped(Result<MappedFile> file, bool verifyWeights);
  Status read(bool verifyWeights);
  Status checkHeader(rill_rt_header &header) const;
  Status checkTable(const rill_rt_header &header) const;
  Status checkHashes(const rill_rt_header &header, bool verifyWeights) const;
  Status checkReferences() const;
  Error invalid(std::string why) const;

  std::string path;
  MappedFile file;
  std::span<const uint8_t> all;
  std::vector<rill_rt_section> table;
  std::string_view manifestBytes;
  Manifest contents;
};

} // namespace rill::rt

#endif
