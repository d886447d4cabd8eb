//===- Golden.cpp - The synthetic golden test -----------------------------===//
//
// Expected values were computed in double precision by a program whose
// equations reproduce the official classes' values to 1e-6.
//
//===----------------------------------------------------------------------===//
#include "Golden.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <unistd.h>

using namespace rill::golden;

const std::vector<Variant> &rill::golden::variants() {
  static const std::vector<Variant> table = {
      {"base",
       6,
       2,
       {1, 7, 5, 5, 5, 9, 11},
       {11, 13, 2, 30},
       {{1.289307f, -0.758010f, -1.631978f, -0.571424f, -2.187299f, 1.080282f},
        {-1.023942f, -0.170278f, -0.187421f, -0.138134f, 2.224098f, -3.616807f},
        {-4.072517f, -0.009384f, 8.713082f, 3.074451f, -2.514588f, -2.441420f},
        {-2.225209f, 0.862603f, 1.304468f, 0.772652f, 0.378714f, -2.328421f}}},
      {"layernorm",
       6,
       2,
       {1, 7, 5, 5, 5, 9, 11},
       {11, 13, 2, 30},
       {{1.307744f, -1.165591f, -2.007427f, -0.702552f, -2.295515f, 1.052639f},
        {-1.123706f, -0.006307f, 0.065897f, -0.067030f, 2.271636f, -3.764504f},
        {-4.012842f, -0.046309f, 8.713280f, 3.046889f, -2.532935f, -2.452280f},
        {-2.266544f, 0.890162f, 1.415160f, 0.735137f, 0.347111f, -2.470314f}}},
      {"conv_bias",
       6,
       2,
       {1, 7, 5, 5, 5, 9, 11},
       {11, 13, 2, 30},
       {{2.922686f, -0.784011f, -2.624643f, -0.803117f, -2.413148f, 1.987887f},
        {-0.195858f, 0.942074f, -0.699594f, -0.434391f, 1.887492f, -1.937015f},
        {-3.247127f, 1.437519f, 8.607117f, 2.049949f, -1.984182f, -2.445482f},
        {-0.231397f, 1.730555f, 1.199696f, -0.151760f, 0.129660f, -0.903039f}}},
      {"untied",
       6,
       2,
       {1, 7, 5, 5, 5, 9, 11},
       {4, 14, 3, 7},
       {{-0.303238f, 0.296124f, 0.028429f, 0.490051f, 0.937412f, -0.145868f},
        {-0.035038f, 0.612808f, -0.114856f, 0.462164f, -0.292563f, 0.484457f},
        {0.345693f, 0.076656f, -1.101409f, 1.263867f, -0.010067f, -0.050603f},
        {-0.499068f, -0.520294f, 0.449285f, 0.984069f, 0.688713f, 0.418612f}}},
      {"l4",
       6,
       2,
       {1, 7, 5, 5, 5, 9, 11},
       {11, 13, 2, 30},
       {{1.924055f, 0.040505f, -1.387367f, -0.341635f, -2.574626f, -0.097223f},
        {-1.271388f, 0.004375f, 0.900081f, 0.466178f, 2.078736f, -3.700583f},
        {-3.673073f, 0.305380f, 8.596335f, 3.309103f, -2.572344f, -2.180672f},
        {-3.070065f, 0.279916f, 3.177340f, 1.899532f, -0.320608f, -3.770705f}}},
      {"l2",
       6,
       2,
       {1, 7, 5, 5, 5, 9, 11},
       {11, 13, 2, 30},
       {{0.852654f, -1.054777f, -1.202827f, -0.162678f, -2.270871f, 0.043892f},
        {-1.119242f, 0.262272f, 1.087665f, 0.422362f, 2.171507f, -3.273622f},
        {-3.154524f, 0.370368f, 8.369660f, 3.030302f, -2.601985f, -2.816427f},
        {-3.017835f, 0.550493f, 3.448715f, 1.623641f, -0.791066f, -2.724363f}}},
      {"base",
       4,
       4,
       {1, 7, 5, 5, 5, 5, 9, 11},
       {11, 13, 2, 30},
       {{1.381281f, -0.658968f, -0.750015f, -0.768485f, -1.242716f, 0.932904f},
        {-1.263900f, 0.124196f, 0.424694f, 0.076125f, 2.531656f, -3.666920f},
        {-3.734181f, 0.166588f, 8.927095f, 2.679901f, -2.127127f, -2.559539f},
        {-2.206603f, 1.049475f, 1.826117f, 0.872994f, 0.499429f, -3.060281f}}},
      {"gqa",
       6,
       2,
       {1, 7, 5, 5, 5, 9, 11},
       {11, 13, 2, 30},
       {{1.878191f, -0.514160f, -2.840183f, -0.528358f, -1.974106f, 1.689057f},
        {-1.200619f, 0.123856f, -1.087853f, -0.305205f, 2.228052f, -3.464802f},
        {-4.863653f, 0.427401f, 8.563136f, 3.392081f, -2.482149f, -1.961452f},
        {-1.768506f, 1.262168f, 0.176464f, 0.492108f, 0.199036f, -1.367209f}}},
  };
  return table;
}

const Floats &rill::golden::baseLogits() {
  static const Floats logits = {
      1.289307f,  -0.758010f, -1.631978f, -0.571424f, -2.187299f, 1.080282f,
      -0.909925f, -2.922943f, -1.958786f, -0.839066f, 3.223122f,  8.440663f,
      -4.809196f, -0.597136f, 3.615118f,  1.486658f,  -1.784398f, -0.334741f,
      1.790272f,  -0.547931f, -1.264851f, -1.929301f, -0.897602f, -0.437983f,
      1.824245f,  -3.583339f, 0.329754f,  -3.756616f, 0.772649f,  -0.136751f,
      -0.149905f, -2.025828f, -2.995873f, 1.833323f,  0.460744f,  0.991418f,
      1.661244f,  0.962108f,  -1.392273f, 1.625631f};
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
