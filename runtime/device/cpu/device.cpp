//===- device.cpp - The CPU as a device -----------------------------------===//
//
// Code of the best level, worker threads, host memory.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/device.h"

#include "runtime/core/clock.h"
#include "runtime/device/cpu/code.h"
#include "runtime/device/cpu/workers.h"

#include <cstring>

using namespace rill::rt;

namespace {
class CpuQueue : public Queue {
public:
  static Result<std::unique_ptr<Queue>> create(const CpuCode &code,
                                               const QueueNeeds &needs);

  Result<void *> allocate(uint64_t bytes, const char *what) override {
    RILL_ASSIGN(Memory memory, Memory::allocate(bytes, what));
    owned.push_back(std::move(memory));
    return static_cast<void *>(owned.back().data());
  }
  Status prepare(const Call &) override { return {}; }
  Status run(const Call &call) override;
  Status prepareTiming() override { return {}; }
  Status runTimed(const Call &call, std::span<Interval> times) override;
  bool runsAhead() const override { return false; }
  Status begin(const Call &call, bool) override { return run(call); }
  Status end(const Call &) override { return {}; }
  Status write(std::span<const Transfer> transfers) override {
    for (const Transfer &transfer : transfers) {
      std::memcpy(transfer.device, transfer.host, transfer.bytes);
    }
    return {};
  }
  Status read(std::span<const Transfer> transfers) override {
    for (const Transfer &transfer : transfers) {
      std::memcpy(transfer.host, transfer.device, transfer.bytes);
    }
    return {};
  }
  uint64_t bytes() const override {
    uint64_t total = workers->scratchBytes();
    for (const Memory &memory : owned) {
      total += memory.bytes();
    }
    return total;
  }

private:
  const CpuCode *code = nullptr;
  std::vector<Memory> owned;
  std::vector<CpuLaunch> list;
  std::unique_ptr<Workers> workers;
};

class CpuDevice : public Device {
public:
  CpuDevice(CpuCode code, std::string arch, const Weights &weights)
      : code(std::move(code)), arch(std::move(arch)), weights(weights) {}

  const char *name() const override { return "cpu"; }
  const std::string &target() const override { return arch; }
  bool usesHostMemory() const override { return true; }
  /// Plans for CPUs read no packed weights (checked with the plan).
  const void *packed(size_t) const override { return nullptr; }
  const void *weight(size_t index) const override {
    return weights.data(index);
  }
  Result<std::unique_ptr<Queue>> queue(const QueueNeeds &needs) const override {
    return CpuQueue::create(code, needs);
  }

private:
  CpuCode code;
  std::string arch;
  const Weights &weights;
};
} // namespace

Result<std::unique_ptr<Queue>> CpuQueue::create(const CpuCode &code,
                                                const QueueNeeds &needs) {
  auto queue = std::make_unique<CpuQueue>();
  queue->code = &code;
  queue->list.resize(needs.launches);
  RILL_ASSIGN(queue->workers, Workers::create(needs.threads, needs.scratchBytes,
                                              needs.launches));
  return std::unique_ptr<Queue>(std::move(queue));
}

QueueBytes rill::rt::cpuQueueBytes(const QueueNeeds &needs) {
  return {Workers::scratchBytes(needs.threads, needs.scratchBytes), 0};
}

Status CpuQueue::run(const Call &call) {
  for (size_t i = 0; i < call.launches.size(); ++i) {
    const Launch &launch = call.launches[i];
    list[i] = {code->kernel(launch.kernel), launch.operands, launch.tiles};
  }
  workers->run(std::span(list).first(call.launches.size()), call.control);
  return {};
}

Status CpuQueue::runTimed(const Call &call, std::span<Interval> times) {
  for (size_t i = 0; i < call.launches.size(); ++i) {
    const Launch &launch = call.launches[i];
    list[0] = {code->kernel(launch.kernel), launch.operands, launch.tiles};
    times[i].begin = steadySeconds();
    workers->run(std::span(list).first(1), call.control);
    times[i].end = steadySeconds();
  }
  return {};
}

Result<const TargetInfo *> rill::rt::chooseCpuTarget(const Artifact &artifact) {
  const TargetInfo *chosen = nullptr;
  std::string have, here;
  for (const TargetInfo &target : artifact.manifest().targets) {
    have += (have.empty() ? "" : ", ") + target.arch;
  }
  for (const std::string &arch : cpuTargets()) {
    here += (here.empty() ? "" : ", ") + arch;
    for (const TargetInfo &target : artifact.manifest().targets) {
      if (!chosen && target.arch == arch && target.kind == "elf") {
        chosen = &target;
      }
    }
  }
  if (!chosen) {
    return makeError(ErrorCode::NoCode, artifact.name(),
                     "the file has code for " + have +
                         "; this processor runs " +
                         (here.empty() ? "none of Rill's levels" : here),
                     "compile with --target x86-64-v3");
  }
  return chosen;
}

Result<std::unique_ptr<Device>> rill::rt::openCpu(const Artifact &artifact,
                                                  const Weights &weights) {
  RILL_ASSIGN(const TargetInfo *chosen, chooseCpuTarget(artifact));
  RILL_ASSIGN(CpuCode code,
              CpuCode::load(artifact.bytes(*chosen->elf), chosen->kernels,
                            artifact.name() + ", code for " + chosen->arch));
  return std::unique_ptr<Device>(
      new CpuDevice(std::move(code), chosen->arch, weights));
}
