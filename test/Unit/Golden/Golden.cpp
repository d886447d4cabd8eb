//===- Golden.cpp - The synthetic golden test -----------------------------===//
//
// Expected values were computed in double precision by a program whose
// equations reproduce the official classes' values to 1e-6.
//
//===----------------------------------------------------------------------===//
#include "Golden.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <unistd.h>

using namespace rill::golden;

/// test/data/golden.json, which tools/dev/gpu-check reads too.
static const llvm::json::Object &table() {
  static const llvm::json::Value value = [] {
    auto text =
        llvm::MemoryBuffer::getFile(RILL_SOURCE_ROOT "/test/data/golden.json");
    return text ? llvm::cantFail(llvm::json::parse((*text)->getBuffer()))
                : llvm::json::Value(nullptr);
  }();
  return *value.getAsObject();
}

static Floats floatsOf(const llvm::json::Value &list) {
  Floats floats;
  for (const llvm::json::Value &item : *list.getAsArray()) {
    floats.push_back(static_cast<float>(*item.getAsNumber()));
  }
  return floats;
}

static Ids idsOf(const llvm::json::Value &list) {
  Ids ids;
  for (const llvm::json::Value &item : *list.getAsArray()) {
    ids.push_back(*item.getAsInteger());
  }
  return ids;
}

const std::vector<Variant> &rill::golden::variants() {
  static const std::vector<Variant> list = [] {
    std::vector<Variant> variants;
    for (const llvm::json::Value &item : *table().getArray("variants")) {
      const llvm::json::Object &entry = *item.getAsObject();
      Variant variant = {
          entry.getString("name")->str(), *entry.getInteger("height"),
          *entry.getInteger("width"),     idsOf(*entry.get("ids")),
          idsOf(*entry.get("argmax")),    {}};
      for (const llvm::json::Value &row : *entry.getArray("logits")) {
        variant.logits.push_back(floatsOf(row));
      }
      variants.push_back(std::move(variant));
    }
    return variants;
  }();
  return list;
}

const Floats &rill::golden::baseLogits() {
  static const Floats logits = floatsOf(*table().get("base_logits"));
  return logits;
}

/// Byte `e` of the named stream: FNV-1a of the name, then splitmix64.
static uint64_t streamByte(const std::string &name, uint64_t e) {
  uint64_t z = 0xcbf29ce484222325u;
  for (unsigned char c : name) {
    z = (z ^ c) * 0x100000001b3u;
  }
  z += e + 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (z ^ (z >> 31)) >> 56;
}

Floats rill::golden::patches(int64_t h, int64_t w) {
  constexpr int64_t kPatch = 4, kChannels = 3;
  Floats rows;
  for (int64_t row = 0; row < h * w; ++row) {
    for (int64_t e = 0; e < kPatch * kPatch * kChannels; ++e) {
      int64_t y = row / w * kPatch + e / (kPatch * kChannels);
      int64_t x = row % w * kPatch + e / kChannels % kPatch;
      int64_t index = (y * w * kPatch + x) * kChannels + e % kChannels;
      auto byte = static_cast<float>(streamByte("test.image", index));
      rows.push_back((byte - 127.5f) / 127.5f);
    }
  }
  return rows;
}

std::string rill::golden::makeCheckpoint(const std::string &variant,
                                         const std::string &dtype) {
  std::string folder =
      (std::filesystem::temp_directory_path() / "rill-golden-XXXXXX").string();
  if (!mkdtemp(folder.data())) {
    return "";
  }
  std::string command = "/usr/bin/python3 " RILL_SOURCE_ROOT
                        "/tools/dev/make_checkpoint --geometry golden:" +
                        variant + " --dtype " + dtype + " -o " + folder +
                        "/checkpoint > /dev/null";
  return std::system(command.c_str()) == 0 ? folder + "/checkpoint" : "";
}

std::vector<Floats> rill::golden::run(const Backend &backend,
                                      const Variant &variant,
                                      const std::vector<int64_t> &chunks) {
  constexpr int64_t kImageToken = 5, kHidden = 24;
  Floats features = backend.vision(patches(variant.height, variant.width),
                                   variant.height, variant.width);
  Floats embeds = backend.embed(variant.ids);
  auto next = features.begin();
  for (size_t i = 0; i < variant.ids.size(); ++i) {
    if (variant.ids[i] == kImageToken) {
      std::copy(next, next + kHidden, embeds.begin() + i * kHidden);
      next += kHidden;
    }
  }
  backend.reset();
  std::vector<int64_t> sizes = chunks;
  int64_t total = 0, count = static_cast<int64_t>(variant.ids.size());
  for (int64_t size : sizes) {
    total += size;
  }
  if (total < count) {
    sizes.push_back(count - total);
  }
  std::vector<Floats> logits(1);
  int64_t position = 0;
  for (int64_t size : sizes) {
    auto from = embeds.begin() + position * kHidden;
    logits[0] = backend.decode(Floats(from, from + size * kHidden), position);
    position += size;
  }
  for (int64_t id : {13, 2, 30}) {
    logits.push_back(backend.decode(backend.embed({id}), position++));
  }
  return logits;
}

Difference rill::golden::compare(const std::vector<Floats> &logits,
                                 const Variant &variant) {
  Difference difference = {0, true};
  for (size_t i = 0; i < logits.size(); ++i) {
    for (int c = 0; c < 6; ++c) {
      float d = std::abs(logits[i][c] - variant.logits[i][c]);
      difference.largest =
          std::isnan(d) ? INFINITY : std::max(difference.largest, d);
    }
    auto top = std::max_element(logits[i].begin(), logits[i].end());
    difference.argmax &= top - logits[i].begin() == variant.argmax[i];
  }
  return difference;
}
