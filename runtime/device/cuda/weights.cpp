//===- weights.cpp - The weights of a model on a CUDA device --------------===//
//
// Copies and packing go down one stream: a batch of row-major weights, then
// the kernels that pack them, then the next batch over it.
//
//===----------------------------------------------------------------------===//
#include "runtime/device/cuda/weights.h"

#include "runtime/device/cuda/device.h"

#include <algorithm>
#include <cstring>

using namespace rill::rt;
using namespace rill::rt::cuda;

static constexpr uint64_t kAlign = 256;
/// A half of the pinned staging, and a batch that waits to be packed, at most
/// (but for a weight larger than it).
static constexpr uint64_t kMostHalf = uint64_t(2) << 20, kMostRaw = uint64_t(32)
                                                                    << 20;

static uint64_t aligned(uint64_t bytes) {
  return (bytes + kAlign - 1) / kAlign * kAlign;
}

Uploader::Uploader(const CudaDevice &device)
    : device(device), driver(device.driver) {}

Uploader::~Uploader() {
  if (stream && !finished) {
    driver.streamSynchronize(stream); // an error is on its way already
  }
  for (Event event : events) {
    if (event) {
      driver.eventDestroy(event);
    }
  }
  if (stream) {
    driver.streamDestroy(stream);
  }
  if (pinned) {
    driver.memFreeHost(pinned);
  }
}

Status Uploader::open(uint64_t largest) {
  half = aligned(std::clamp<uint64_t>(largest, 1, kMostHalf));
  constexpr unsigned kNonBlocking = 1, kNoTiming = 2;
  RILL_TRY(driver.check(driver.streamCreate(&stream, kNonBlocking),
                        "cuStreamCreate", device.label));
  for (Event &event : events) {
    RILL_TRY(driver.check(driver.eventCreate(&event, kNoTiming),
                          "cuEventCreate", device.label));
  }
  void *memory = nullptr;
  RILL_TRY(driver.check(driver.memHostAlloc(&memory, 2 * half, 0),
                        "cuMemHostAlloc", "pinned staging of the weights"));
  pinned = static_cast<uint8_t *>(memory);
  return {};
}

Status Uploader::copy(Address to, const void *from, uint64_t bytes) {
  const auto *source = static_cast<const uint8_t *>(from);
  for (uint64_t done = 0; done < bytes;) {
    uint64_t size = std::min(bytes - done, half), parity = copies % 2;
    if (copies >= 2) {
      RILL_TRY(driver.check(driver.eventSynchronize(events[parity]),
                            "cuEventSynchronize", device.label));
    }
    uint8_t *at = pinned + parity * half;
    std::memcpy(at, source + done, size);
    RILL_TRY(driver.check(driver.memcpyHtoDAsync(to + done, at, size, stream),
                          "cuMemcpyHtoDAsync", device.label));
    RILL_TRY(driver.check(driver.eventRecord(events[parity], stream),
                          "cuEventRecord", device.label));
    done += size;
    ++copies;
  }
  return {};
}

Status Uploader::finish() {
  finished = true;
  return driver.check(driver.streamSynchronize(stream), "cuStreamSynchronize",
                      device.label);
}

/// Where weights lie behind each other, and what they take together.
namespace {
struct Places {
  std::vector<std::optional<uint64_t>> plain;
  std::vector<uint64_t> packed;
  uint64_t bytes = 0;

  Places(const Manifest &manifest, const TargetInfo &target) {
    plain.assign(manifest.weights.size(), 0);
    for (size_t index :
         target.init ? target.init->released : std::vector<size_t>()) {
      plain[index].reset();
    }
    for (size_t i = 0; i < plain.size(); ++i) {
      if (plain[i]) {
        plain[i] = bytes;
        bytes += aligned(manifest.weights[i].bytes);
      }
    }
    for (uint64_t size :
         target.init ? target.init->packed : std::vector<uint64_t>()) {
      packed.push_back(bytes);
      bytes += aligned(size);
    }
  }
};
} // namespace

uint64_t rill::rt::cudaWeightBytes(const Manifest &manifest,
                                   const TargetInfo &target) {
  return Places(manifest, target).bytes;
}

void DeviceWeights::trim() {
  if (raw) {
    device.driver.memFree(raw);
  }
  raw = 0;
}

void DeviceWeights::close() {
  trim();
  if (base) {
    device.driver.memFree(base);
  }
  base = 0;
}

Status DeviceWeights::open(const Artifact &artifact, const TargetInfo &target) {
  manifest = &artifact.manifest();
  Places places(*manifest, target);
  plainOffsets = std::move(places.plain);
  packedOffsets = std::move(places.packed);
  uint64_t all = 0;
  if (target.init) {
    RILL_ASSIGN(Plan plan, readInitPlan(artifact, target));
    for (size_t d = 0; d < plan.dispatches.size(); ++d) {
      const rill_rt_dispatch &dispatch = plan.dispatches[d];
      const rill_rt_operand *operands = &plan.operands[dispatch.first_operand];
      size_t weight = operands[0].index;
      uint64_t bytes = manifest->weights[weight].bytes;
      packings.push_back({dispatch.kernel, weight, operands[1].index,
                          static_cast<unsigned>(plan.tiles(d, Symbols())),
                          bytes});
      largest = std::max(largest, aligned(bytes));
      all += aligned(bytes);
    }
  }
  rawBytes = std::min(all, std::max(largest, kMostRaw));
  for (size_t i = 0; i < plainOffsets.size(); ++i) {
    if (plainOffsets[i]) {
      largest = std::max(largest, manifest->weights[i].bytes);
    }
  }
  RILL_ASSIGN(base, device.allocate(places.bytes, "weights"));
  if (rawBytes) {
    RILL_ASSIGN(raw, device.allocate(rawBytes, "weights to be packed"));
  }
  return {};
}

Status DeviceWeights::copyPlain(const Weights &weights, Uploader &uploader) {
  for (size_t i = 0; i < plainOffsets.size(); ++i) {
    if (plainOffsets[i]) {
      RILL_TRY(uploader.copy(base + *plainOffsets[i], weights.data(i),
                             manifest->weights[i].bytes));
    }
  }
  return {};
}

Status DeviceWeights::pack(const Packing &packing, Address from,
                           Stream stream) const {
  const Kernel &kernel = device.kernels[packing.kernel];
  Address to = base + packedOffsets[packing.output], control = 0;
  void *parameters[] = {&from, &to, &control};
  LaunchConfig config = {
      packing.tiles, 1,       1, kernel.threads, 1, 1, kernel.shared,
      stream,        nullptr, 0};
  return device.driver.check(
      device.driver.launchKernelEx(&config, kernel.function, parameters,
                                   nullptr),
      "cuLaunchKernelEx", "weight " + manifest->weights[packing.weight].name);
}

void DeviceWeights::allow(bool exist) {
  kernels = exist ? 1 : 2;
  kernels.notify_all();
}

bool DeviceWeights::waitForKernels() {
  kernels.wait(0);
  return kernels == 1;
}

Status DeviceWeights::packAll(const Weights &weights, Uploader &uploader) {
  for (size_t first = 0; first < packings.size();) {
    uint64_t end = 0;
    size_t last = first;
    for (; last < packings.size() &&
           end + aligned(packings[last].bytes) <= rawBytes;
         ++last) {
      RILL_TRY(uploader.copy(raw + end, weights.data(packings[last].weight),
                             packings[last].bytes));
      end += aligned(packings[last].bytes);
    }
    if (!waitForKernels()) {
      return {}; // whoever loads them knows why
    }
    end = 0;
    for (; first < last; ++first) {
      RILL_TRY(pack(packings[first], raw + end, uploader.stream));
      end += aligned(packings[first].bytes);
    }
  }
  return {};
}

Status DeviceWeights::load(const Weights &weights) {
  Scope scope(device.driver, device.context);
  RILL_TRY(scope.status(device.label));
  Uploader uploader(device);
  RILL_TRY(uploader.open(largest));
  RILL_TRY(copyPlain(weights, uploader));
  RILL_TRY(packAll(weights, uploader));
  return uploader.finish();
}

const void *DeviceWeights::plain(size_t index) const {
  return plainOffsets[index]
             ? reinterpret_cast<const void *>(base + *plainOffsets[index])
             : nullptr;
}

const void *DeviceWeights::packed(size_t index) const {
  return reinterpret_cast<const void *>(base + packedOffsets[index]);
}
