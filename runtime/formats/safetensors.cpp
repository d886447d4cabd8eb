//===- safetensors.cpp - Named tensors in mapped files --------------------===//
//
// Every offset and size of the header is checked before a TensorInfo exists.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/safetensors.h"

#include "runtime/formats/file_writer.h"
#include "runtime/formats/json.h"

#include <algorithm>
#include <cstring>

using namespace rill::rt;

namespace {
struct DtypeRow {
  Dtype dtype;
  const char *name;
  size_t bytes;
};
} // namespace

static constexpr DtypeRow kDtypes[] = {
    {Dtype::Bool, "BOOL", 1},      {Dtype::U8, "U8", 1},
    {Dtype::I8, "I8", 1},          {Dtype::F8E4M3, "F8_E4M3", 1},
    {Dtype::F8E5M2, "F8_E5M2", 1}, {Dtype::U16, "U16", 2},
    {Dtype::I16, "I16", 2},        {Dtype::F16, "F16", 2},
    {Dtype::BF16, "BF16", 2},      {Dtype::U32, "U32", 4},
    {Dtype::I32, "I32", 4},        {Dtype::F32, "F32", 4},
    {Dtype::U64, "U64", 8},        {Dtype::I64, "I64", 8},
    {Dtype::F64, "F64", 8}};

size_t rill::rt::dtypeBytes(Dtype dtype) {
  return kDtypes[static_cast<size_t>(dtype)].bytes;
}

const char *rill::rt::dtypeName(Dtype dtype) {
  return kDtypes[static_cast<size_t>(dtype)].name;
}

std::optional<Dtype> rill::rt::dtypeFromName(std::string_view name) {
  for (const DtypeRow &row : kDtypes) {
    if (name == row.name) {
      return row.dtype;
    }
  }
  return std::nullopt;
}

int64_t TensorInfo::elements() const {
  int64_t count = 1;
  for (int64_t size : shape) {
    count *= size;
  }
  return count;
}

//===----------------------------------------------------------------------===//
// Header
//===----------------------------------------------------------------------===//

/// The header's own limit in the reference implementation, bytes.
static constexpr uint64_t kMaxHeader = 100'000'000;
static const char *const kRefetch = "fetch the file again";

static std::string tensorAt(const std::string &file, const std::string &name) {
  return file + ", tensor \"" + name + "\"";
}

static Error badEntry(const std::string &where, std::string why) {
  return makeError(ErrorCode::TensorEntry, where, std::move(why), kRefetch);
}

/// Bytes of a shape, refusing products beyond int64.
static Result<uint64_t> byteCount(const std::string &where,
                                  const std::vector<int64_t> &shape,
                                  Dtype dtype) {
  int64_t count = static_cast<int64_t>(dtypeBytes(dtype));
  bool zero = false;
  for (int64_t size : shape) {
    zero |= size == 0;
  }
  for (int64_t size : shape) {
    if (!zero && __builtin_mul_overflow(count, size, &count)) {
      return badEntry(where, "the product of its shape exceeds 64 bits");
    }
  }
  return zero ? 0 : static_cast<uint64_t>(count);
}

/// Reads {"dtype", "shape", "data_offsets"} of one tensor; `data` is the data
/// section, `dataBegin` its place in the file.
static Result<TensorInfo> readEntry(const std::string &file,
                                    const std::string &name,
                                    const JsonField &entry,
                                    std::span<const uint8_t> data,
                                    uint64_t dataBegin) {
  std::string where = tensorAt(file, name);
  RILL_ASSIGN(auto members, entry.members());
  for (const auto &[key, value] : members) {
    if (key != "dtype" && key != "shape" && key != "data_offsets") {
      return badEntry(where, "has the unknown field \"" + key + "\"");
    }
  }
  RILL_ASSIGN(JsonField dtypeField, entry.at("dtype"));
  RILL_ASSIGN(std::string dtypeText, dtypeField.asString());
  std::optional<Dtype> dtype = dtypeFromName(dtypeText);
  if (!dtype) {
    return makeError(ErrorCode::TensorDtype, where,
                     "its dtype is \"" + dtypeText + "\"");
  }
  TensorInfo info{name, *dtype, {}, 0, 0, 0, nullptr};
  RILL_ASSIGN(JsonField shapeField, entry.at("shape"));
  RILL_ASSIGN(info.shape, shapeField.asInts());
  for (int64_t size : info.shape) {
    if (size < 0) {
      return badEntry(
          where, format("its shape holds %lld", static_cast<long long>(size)));
    }
  }
  RILL_ASSIGN(info.bytes, byteCount(where, info.shape, *dtype));
  RILL_ASSIGN(JsonField offsetsField, entry.at("data_offsets"));
  RILL_ASSIGN(std::vector<int64_t> offsets, offsetsField.asInts());
  if (offsets.size() != 2 || offsets[0] < 0 || offsets[1] < offsets[0]) {
    return badEntry(where, "its data_offsets are not [begin, end] with 0 <= "
                           "begin <= end");
  }
  uint64_t begin = static_cast<uint64_t>(offsets[0]);
  uint64_t end = static_cast<uint64_t>(offsets[1]);
  if (end > data.size()) {
    return makeError(
        ErrorCode::TensorRange, where,
        format("data_offsets end at %llu but the data section has %zu bytes",
               static_cast<unsigned long long>(end), data.size()),
        "the file is truncated; fetch it again");
  }
  if (end - begin != info.bytes) {
    return badEntry(where,
                    format("its data_offsets span %llu bytes, its shape and "
                           "dtype need %llu",
                           static_cast<unsigned long long>(end - begin),
                           static_cast<unsigned long long>(info.bytes)));
  }
  info.offset = dataBegin + begin;
  info.data = data.data() + begin;
  return info;
}

/// Tensors must fill the data section without overlap or hole.
static Status checkLayout(const std::string &file, uint64_t dataBegin,
                          uint64_t dataEnd, std::vector<TensorInfo *> order) {
  std::sort(order.begin(), order.end(), [](TensorInfo *a, TensorInfo *b) {
    return std::pair(a->offset, a->bytes) < std::pair(b->offset, b->bytes);
  });
  uint64_t next = dataBegin;
  auto at = [&](uint64_t offset) {
    return static_cast<unsigned long long>(offset - dataBegin);
  };
  for (const TensorInfo *info : order) {
    if (info->offset != next) {
      return makeError(ErrorCode::TensorLayout, tensorAt(file, info->name),
                       format("begins at data byte %llu, but the one before "
                              "ends at %llu (%s)",
                              at(info->offset), at(next),
                              info->offset < next ? "overlap" : "hole"),
                       kRefetch);
    }
    next = info->offset + info->bytes;
  }
  if (next != dataEnd) {
    return makeError(ErrorCode::TensorLayout, file,
                     format("the tensors end at data byte %llu but the data "
                            "section has %llu bytes",
                            at(next), at(dataEnd)),
                     kRefetch);
  }
  return {};
}

static Status readMetadata(const JsonField &field,
                           std::map<std::string, std::string> &metadata) {
  RILL_ASSIGN(auto members, field.members());
  for (const auto &[key, value] : members) {
    RILL_ASSIGN(metadata[key], value.asString());
  }
  return {};
}

Status
rill::rt::parseSafetensors(std::span<const uint8_t> bytes,
                           const std::string &name, uint32_t file,
                           std::vector<TensorInfo> &tensors,
                           std::map<std::string, std::string> &metadata) {
  auto badHeader = [&](std::string why) {
    return makeError(ErrorCode::SafetensorsHeader, name, std::move(why),
                     kRefetch);
  };
  if (bytes.size() < 8) {
    return badHeader(format("has %zu bytes, a header needs 8", bytes.size()));
  }
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) {
    length = length << 8 | bytes[static_cast<size_t>(i)];
  }
  if (length > kMaxHeader || length > bytes.size() - 8) {
    return badHeader(format("declares a header of %llu bytes; %zu follow, the "
                            "limit is %llu",
                            static_cast<unsigned long long>(length),
                            bytes.size() - 8,
                            static_cast<unsigned long long>(kMaxHeader)));
  }
  std::string_view text(reinterpret_cast<const char *>(bytes.data()) + 8,
                        length);
  if (!text.starts_with('{')) {
    return badHeader("the header does not begin with {");
  }
  JsonLimits limits;
  limits.maxDepth = 4;
  RILL_ASSIGN(JsonValue root, parseJson(text, name + ", header", limits));
  std::span<const uint8_t> data = bytes.subspan(8 + length);
  size_t first = tensors.size();
  RILL_ASSIGN(auto members, JsonField(root, name).members());
  for (const auto &[key, field] : members) {
    if (key == "__metadata__") {
      RILL_TRY(readMetadata(field, metadata));
      continue;
    }
    RILL_ASSIGN(TensorInfo info, readEntry(name, key, field, data, 8 + length));
    info.file = file;
    tensors.push_back(std::move(info));
  }
  std::vector<TensorInfo *> order;
  for (size_t i = first; i < tensors.size(); ++i) {
    order.push_back(&tensors[i]);
  }
  return checkLayout(name, 8 + length, bytes.size(), std::move(order));
}
