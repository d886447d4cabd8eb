//===- session_layout.cpp - What a session takes --------------------------===//
//
// Sizes follow from the manifest and the plans of one target.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/session_layout.h"

#include "runtime/core/model.h"

#include <algorithm>
#include <cstdlib>
#include <sched.h>

using namespace rill::rt;

static int threadCount(int threads) {
  constexpr int kMaxThreads = 256;
  if (threads <= 0) {
    const char *text = std::getenv("RILL_NUM_THREADS");
    threads = text ? std::atoi(text) : 0;
  }
  if (threads <= 0) {
    cpu_set_t set;
    threads =
        sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
  }
  return std::clamp(threads, 1, kMaxThreads);
}

/// Where the tensors of one call lie in a staging buffer.
static uint64_t stagingBytes(std::span<const Signature> signatures,
                             const rill_rt_plan &plan) {
  uint64_t total = 0;
  for (const Signature &signature : signatures) {
    total += alignedToPage(mostBytes(signature, plan));
  }
  return total;
}

SessionLayout SessionLayout::of(const Model &model, const std::string &target,
                                int threads) {
  SessionLayout layout;
  for (const StateInfo &state : model.manifest().states) {
    layout.stateOffsets.push_back(layout.stateBytes);
    layout.stateBytes += alignedToPage(state.bytes);
    if (state.rows && !state.ring) {
      layout.rows = std::min(layout.rows.value_or(INT64_MAX), state.capacity());
    }
  }
  QueueNeeds &needs = layout.needs;
  needs.threads = threadCount(threads);
  needs.controlBytes =
      sizeof(rill_rt_control) +
      3 * sizeof(int64_t) * static_cast<uint64_t>(model.manifest().batch);
  for (const LoadedVariant &entry : model.variants()) {
    if (entry.variant->target != target) {
      continue;
    }
    const rill_rt_plan &plan = entry.plan.header;
    layout.arenaBytes =
        std::max(layout.arenaBytes, alignedToPage(plan.arena_bytes));
    needs.scratchBytes = std::max(needs.scratchBytes, plan.scratch_bytes);
    needs.launches = std::max(needs.launches, entry.plan.dispatches.size());
    needs.inputBytes =
        std::max(needs.inputBytes, stagingBytes(entry.method->inputs, plan));
    needs.outputBytes =
        std::max(needs.outputBytes, stagingBytes(entry.method->outputs, plan));
  }
  return layout;
}

static rill_memory_plan planFor(const Model &model, const TargetInfo &target,
                                int threads) {
  const Manifest &manifest = model.manifest();
  SessionLayout layout = SessionLayout::of(model, target.arch, threads);
  bool cuda = target.kind == "cuda";
  rill_memory_plan plan = {};
  plan.target = target.arch.c_str();
  for (const WeightInfo &weight : manifest.weights) {
    plan.weights_mapped += weight.seed ? 0 : weight.bytes;
  }
  plan.weights_host = Weights::generatedBytes(manifest);
  plan.weights_device = cuda ? cudaWeightBytes(manifest, target) : 0;
  plan.states = layout.stateBytes;
  plan.arena = layout.arenaBytes;
  plan.staging = cuda ? layout.needs.inputBytes + layout.needs.outputBytes : 0;
  QueueBytes queue =
      cuda ? cudaQueueBytes(layout.needs) : cpuQueueBytes(layout.needs);
  plan.queue_host = queue.host + layout.needs.controlBytes;
  plan.queue_device = queue.device;
  uint64_t walked = plan.states + plan.arena + plan.staging;
  plan.session_bytes = walked + plan.queue_host + plan.queue_device;
  plan.host_bytes = plan.weights_host + plan.queue_host + (cuda ? 0 : walked);
  plan.device_bytes =
      plan.weights_device + plan.queue_device + (cuda ? walked : 0);
  return plan;
}

/// The targets that a name of options means for a model that has no device.
static Result<std::vector<const TargetInfo *>>
targetsNamed(const Model &model, std::string_view name) {
  std::vector<const TargetInfo *> found;
  std::string have;
  if (name == "cpu") {
    RILL_ASSIGN(const TargetInfo *target, chooseCpuTarget(model.artifact()));
    found.push_back(target);
    return found;
  }
  for (const TargetInfo &target : model.manifest().targets) {
    have += (have.empty() ? "" : ", ") + target.arch;
    if (name == target.arch || (name == "cuda" && target.kind == "cuda")) {
      found.push_back(&target);
    }
  }
  if (!found.empty()) {
    return found;
  }
  if (name == "cuda") {
    return makeError(ErrorCode::NoCode, model.artifact().name(),
                     "the file has code for " + have,
                     "compile with --target sm_90a");
  }
  return makeError(ErrorCode::NoDevice,
                   name.empty() ? "rill_plan_bytes" : std::string(name),
                   "a model opened for inspection has no device",
                   "name one in the options: cpu, cuda, " + have);
}

Result<rill_memory_plan>
rill::rt::planBytes(const Model &model, const rill_session_options &options) {
  std::string_view name = options.device ? options.device : "auto";
  std::vector<const TargetInfo *> targets;
  if (const Device *device = model.device()) {
    RILL_TRY(checkDeviceName(*device, options.device));
    for (const TargetInfo &target : model.manifest().targets) {
      if (target.arch == device->target()) {
        targets.push_back(&target);
      }
    }
  } else {
    RILL_ASSIGN(targets, targetsNamed(model, name == "auto" ? "" : name));
  }
  rill_memory_plan largest = {};
  for (const TargetInfo *target : targets) {
    rill_memory_plan plan = planFor(model, *target, options.threads);
    if (!largest.target || plan.session_bytes > largest.session_bytes) {
      largest = plan;
    }
  }
  return largest;
}
