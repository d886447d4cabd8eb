//===- weights.cpp - Where a model's weights are --------------------------===//
//
// Embedded, external, synthetic.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/weights.h"

#include <array>
#include <cstring>

using namespace rill::rt;

/// The finaliser of splitmix64; 0 stays 0.
static uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static bool endsWith(const std::string &name, std::string_view ending) {
  return name.size() >= ending.size() &&
         name.compare(name.size() - ending.size(), ending.size(), ending) == 0;
}

/// The value of byte u, by the name's ending.
static float weightValue(const std::string &name, int u) {
  for (const char *ending : {"norm.weight", "norm1.weight", "norm2.weight"}) {
    if (endsWith(name, ending)) {
      return static_cast<float>(64 + u / 4) / 128.0f;
    }
  }
  float centered = static_cast<float>(u - 128) / 128.0f;
  if (endsWith(name, "embed_tokens.weight") ||
      endsWith(name, "conv.conv.weight")) {
    return centered;
  }
  return (endsWith(name, "position_embedding.weight") ? 0.5f : 0.25f) *
         centered;
}

/// f32 bits as the 16 bits of bf16 or f16; every value here is exact in both.
static uint16_t half(ElementType type, float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  if (type == ElementType::BF16) {
    return static_cast<uint16_t>(bits >> 16);
  }
  if (value == 0) {
    return 0;
  }
  uint32_t exponent = ((bits >> 23) & 0xff) - 127 + 15;
  return static_cast<uint16_t>((bits >> 16 & 0x8000) | exponent << 10 |
                               (bits >> 13 & 0x3ff));
}

void rill::rt::generateWeight(const std::string &name, uint64_t seed,
                              ElementType type, uint64_t elements, void *out) {
  uint64_t start = 0xcbf29ce484222325u;
  for (unsigned char c : name) {
    start = (start ^ c) * 0x100000001b3u;
  }
  start ^= mix(seed);
  std::array<float, 256> wide;
  std::array<uint16_t, 256> narrow;
  for (int u = 0; u < 256; ++u) {
    wide[u] = weightValue(name, u);
    narrow[u] = half(type, wide[u]);
  }
  for (uint64_t e = 0; e < elements; ++e) {
    auto u = static_cast<size_t>(mix(start + e + 0x9e3779b97f4a7c15u) >> 56);
    if (type == ElementType::F32) {
      static_cast<float *>(out)[e] = wide[u];
    } else {
      static_cast<uint16_t *>(out)[e] = narrow[u];
    }
  }
}

static Dtype storedType(ElementType type) {
  switch (type) {
  case ElementType::F32:
    return Dtype::F32;
  case ElementType::BF16:
    return Dtype::BF16;
  case ElementType::F16:
    return Dtype::F16;
  case ElementType::I64:
    return Dtype::I64;
  }
  return Dtype::F32;
}

/// The tensor of an external weight, checked against the recipe.
static Result<const void *> external(const WeightInfo &weight,
                                     const TensorStore &store,
                                     const std::string &file) {
  const TensorInfo *tensor = store.find(weight.from);
  std::string where = file + ", tensor \"" + weight.from + "\"";
  if (!tensor) {
    return makeError(ErrorCode::TensorMissing, where,
                     "the artifact binds weights of this name");
  }
  if (tensor->dtype != storedType(weight.type)) {
    return makeError(ErrorCode::TensorDtype, where,
                     format("is %s but the artifact was compiled for %s",
                            dtypeName(tensor->dtype),
                            elementName(weight.type)));
  }
  if (tensor->bytes != weight.bytes) {
    return makeError(ErrorCode::TensorShape, where,
                     format("has %llu bytes but the artifact needs %llu",
                            (unsigned long long)tensor->bytes,
                            (unsigned long long)weight.bytes));
  }
  return static_cast<const void *>(tensor->data);
}

static uint64_t alignedWeight(uint64_t bytes) {
  constexpr uint64_t kAlign = 64;
  return (bytes + kAlign - 1) / kAlign * kAlign;
}

uint64_t Weights::generatedBytes(const Manifest &manifest) {
  uint64_t total = 0;
  for (const WeightInfo &weight : manifest.weights) {
    total += weight.seed ? alignedWeight(weight.bytes) : 0;
  }
  return total;
}

Result<Weights> Weights::bind(const Artifact &artifact,
                              const std::string &folder) {
  Weights weights;
  RILL_ASSIGN(weights.generated,
              Memory::allocate(generatedBytes(artifact.manifest()),
                               "synthetic weights"));
  uint8_t *next = weights.generated.data();
  for (const WeightInfo &weight : artifact.manifest().weights) {
    if (weight.section) {
      weights.addresses.push_back(artifact.bytes(*weight.section).data() +
                                  weight.offset);
      continue;
    }
    if (weight.seed) {
      generateWeight(weight.name, *weight.seed, weight.type,
                     weight.bytes / elementBytes(weight.type), next);
      weights.addresses.push_back(next);
      next += alignedWeight(weight.bytes);
      continue;
    }
    auto found = weights.stores.find(weight.file);
    if (found == weights.stores.end()) {
      RILL_ASSIGN(std::string path, resolveInFolder(folder, weight.file));
      RILL_ASSIGN(TensorStore store, TensorStore::openFile(path));
      found = weights.stores.emplace(weight.file, std::move(store)).first;
    }
    RILL_ASSIGN(const void *data, external(weight, found->second, weight.file));
    weights.addresses.push_back(data);
  }
  return weights;
}
