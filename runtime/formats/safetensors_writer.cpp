//===- safetensors_writer.cpp - Small safetensors files -------------------===//
//
// For tools and tests; the whole header is built in memory.
//
//===----------------------------------------------------------------------===//
#include "runtime/formats/file_writer.h"
#include "runtime/formats/json.h"
#include "runtime/formats/safetensors.h"

using namespace rill::rt;

static uint64_t bytesOf(const TensorToWrite &tensor) {
  uint64_t bytes = dtypeBytes(tensor.dtype);
  for (int64_t size : tensor.shape) {
    bytes *= static_cast<uint64_t>(size);
  }
  return bytes;
}

Status rill::rt::writeSafetensors(
    const std::string &path, const std::vector<TensorToWrite> &tensors,
    const std::map<std::string, std::string> &metadata, size_t headerPad) {
  JsonValue::Object root;
  if (!metadata.empty()) {
    JsonValue::Object strings;
    for (const auto &[key, value] : metadata) {
      strings.push_back({key, value});
    }
    root.push_back({"__metadata__", std::move(strings)});
  }
  int64_t offset = 0;
  for (const TensorToWrite &tensor : tensors) {
    JsonValue::Array shape(tensor.shape.begin(), tensor.shape.end());
    int64_t end = offset + static_cast<int64_t>(bytesOf(tensor));
    JsonValue::Object entry;
    entry.push_back({"dtype", dtypeName(tensor.dtype)});
    entry.push_back({"shape", std::move(shape)});
    entry.push_back({"data_offsets", JsonValue::Array{offset, end}});
    root.push_back({tensor.name, std::move(entry)});
    offset = end;
  }
  std::string header = writeJson(std::move(root), {",", ":", -1, false});
  header.append((8 - header.size() % 8) % 8 + headerPad, ' ');
  RILL_ASSIGN(FileWriter writer, FileWriter::create(path));
  uint8_t length[8];
  for (size_t i = 0; i < 8; ++i) {
    length[i] = static_cast<uint8_t>(header.size() >> (8 * i));
  }
  RILL_TRY(writer.write(length, sizeof(length)));
  RILL_TRY(writer.write(header.data(), header.size()));
  for (const TensorToWrite &tensor : tensors) {
    RILL_TRY(writer.write(tensor.data, bytesOf(tensor)));
  }
  return writer.commit();
}
