//===- artifact.cpp - Reading a .rill file --------------------------------===//
//
// Order: header, table ranges, hashes of header, table, manifest and code,
// manifest schema, references between manifest and sections.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/artifact.h"

#define XXH_INLINE_ALL
#include <algorithm>
#include <cstring>
#include <xxhash.h>

using namespace rill::rt;

Error Artifact::invalid(std::string why) const {
  return makeError(ErrorCode::ArtifactInvalid, path, std::move(why),
                   "the file is damaged or no .rill file; compile it anew");
}

Result<Artifact> Artifact::mapped(Result<MappedFile> file, bool verifyWeights) {
  if (!file.ok()) {
    return file.takeStatus();
  }
  Artifact artifact;
  artifact.file = std::move(*file);
  artifact.path = artifact.file.path();
  artifact.all = artifact.file.bytes();
  RILL_TRY(artifact.read(verifyWeights));
  return artifact;
}

Result<Artifact> Artifact::open(const std::string &path, bool verifyWeights) {
  return mapped(MappedFile::open(path), verifyWeights);
}

Result<Artifact> Artifact::openFd(int fd, bool verifyWeights) {
  return mapped(MappedFile::map(fd, format("file descriptor %d", fd)),
                verifyWeights);
}

Result<Artifact> Artifact::parse(std::span<const uint8_t> bytes,
                                 const std::string &name, bool verifyWeights) {
  Artifact artifact;
  artifact.path = name;
  artifact.all = bytes;
  RILL_TRY(artifact.read(verifyWeights));
  return artifact;
}

Status Artifact::checkHeader(rill_rt_header &header) const {
  if (all.size() < sizeof(header)) {
    return invalid(format("has %zu bytes, fewer than a header", all.size()));
  }
  std::memcpy(&header, all.data(), sizeof(header));
  if (std::memcmp(header.magic, RILL_RT_MAGIC, sizeof(header.magic)) != 0) {
    return invalid("does not begin with RILLART1");
  }
  if (header.major != RILL_RT_FORMAT_MAJOR) {
    return makeError(ErrorCode::ArtifactVersion, path,
                     format("has format %u.%u but this version of Rill reads "
                            "%d.x",
                            header.major, header.minor, RILL_RT_FORMAT_MAJOR),
                     "use the version of Rill that wrote it, or compile anew");
  }
  if (header.file_length != all.size()) {
    return invalid(format("says it has %llu bytes but has %zu",
                          (unsigned long long)header.file_length, all.size()));
  }
  if (header.flags || header.reserved0 || header.reserved1) {
    return invalid("has reserved header bits set");
  }
  return {};
}

Status Artifact::checkTable(const rill_rt_header &header) const {
  uint64_t begin =
      sizeof(header) + uint64_t(header.section_count) * sizeof(rill_rt_section);
  if (header.section_count > RILL_RT_MAX_SECTIONS || begin > all.size() ||
      header.manifest_offset != begin ||
      header.manifest_length > RILL_RT_MAX_MANIFEST ||
      header.manifest_length > all.size() - begin) {
    return invalid("the section table or manifest lies outside the file");
  }
  return {};
}

/// Whether every byte is zero: the first is, and each equals the next.
static bool isZero(std::span<const uint8_t> bytes) {
  return bytes.empty() ||
         (bytes[0] == 0 &&
          std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

/// Sections ascend, are aligned, do not overlap; only zeros between them.
static const char *checkLayout(std::span<const uint8_t> all,
                               const std::vector<rill_rt_section> &table,
                               uint64_t end) {
  for (const rill_rt_section &section : table) {
    if (section.align_log2 > 30 ||
        (uint64_t(1) << section.align_log2) < RILL_RT_SECTION_ALIGN ||
        section.offset % (uint64_t(1) << section.align_log2) != 0) {
      return "a section is not aligned";
    }
    if (section.offset < end || section.offset > all.size() ||
        section.length > all.size() - section.offset) {
      return "a section overlaps another or lies outside the file";
    }
    if (section.flags || section.reserved0 || section.reserved1[0] ||
        section.reserved1[1] || section.reserved1[2]) {
      return "a section has reserved bits set";
    }
    auto gap = all.subspan(end, section.offset - end);
    if (gap.size() > (uint64_t(1) << section.align_log2) || !isZero(gap)) {
      return "bytes between sections are not zero padding";
    }
    end = section.offset + section.length;
  }
  return end == all.size() ? nullptr : "bytes follow the last section";
}

Status Artifact::checkHashes(const rill_rt_header &header,
                             bool verifyWeights) const {
  rill_rt_header plain = header;
  plain.hash = 0;
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, &plain, sizeof(plain));
  XXH3_64bits_update(&state, all.data() + sizeof(plain),
                     header.manifest_offset + header.manifest_length -
                         sizeof(plain));
  if (XXH3_64bits_digest(&state) != header.hash) {
    return invalid("the hash of header, table and manifest does not match");
  }
  for (size_t i = 0; i < table.size(); ++i) {
    if (table[i].kind == RILL_RT_SECTION_WEIGHTS && !verifyWeights) {
      continue;
    }
    auto data = bytes(i);
    if (XXH3_64bits(data.data(), data.size()) != table[i].hash) {
      return invalid(format("the hash of section %zu does not match", i));
    }
  }
  return {};
}

/// Every section number of the manifest names a section of the right kind.
Status Artifact::checkReferences() const {
  auto is = [&](uint32_t index, uint32_t kind) {
    return index < table.size() && table[index].kind == kind;
  };
  for (const WeightInfo &weight : contents.weights) {
    if (!weight.section) {
      continue;
    }
    if (!is(*weight.section, RILL_RT_SECTION_WEIGHTS) ||
        weight.offset > table[*weight.section].length ||
        weight.bytes > table[*weight.section].length - weight.offset) {
      return invalid("weight \"" + weight.name + "\" lies outside its section");
    }
  }
  for (const TargetInfo &target : contents.targets) {
    if ((target.elf && !is(*target.elf, RILL_RT_SECTION_ELF)) ||
        (target.ptx && !is(*target.ptx, RILL_RT_SECTION_PTX)) ||
        (target.cubin && !is(*target.cubin, RILL_RT_SECTION_CUBIN))) {
      return invalid("target " + target.arch + " names no code section");
    }
    if (target.init && !is(target.init->variant().plan, RILL_RT_SECTION_PLAN)) {
      return invalid("target " + target.arch + " names no plan section");
    }
  }
  for (const AssetInfo &asset : contents.assets) {
    if (!is(asset.section, RILL_RT_SECTION_ASSET)) {
      return invalid("asset \"" + asset.name + "\" names no asset section");
    }
  }
  if (contents.dispatches &&
      !is(*contents.dispatches, RILL_RT_SECTION_DISPATCHES)) {
    return invalid("the manifest names no section of dispatches");
  }
  for (const Method &method : contents.methods) {
    for (const MethodVariant &variant : method.variants) {
      if (!is(variant.plan, RILL_RT_SECTION_PLAN)) {
        return invalid("method " + method.name + " names no plan section");
      }
    }
  }
  return {};
}

Status Artifact::read(bool verifyWeights) {
  rill_rt_header header;
  RILL_TRY(checkHeader(header));
  RILL_TRY(checkTable(header));
  table.resize(header.section_count);
  if (!table.empty()) {
    std::memcpy(table.data(), all.data() + sizeof(header),
                table.size() * sizeof(table[0]));
  }
  if (const char *why = checkLayout(
          all, table, header.manifest_offset + header.manifest_length)) {
    return invalid(why);
  }
  RILL_TRY(checkHashes(header, verifyWeights));
  manifestBytes = {reinterpret_cast<const char *>(all.data()) +
                       header.manifest_offset,
                   header.manifest_length};
  RILL_ASSIGN(contents, parseManifest(manifestBytes, path + ", manifest"));
  return checkReferences();
}
