//===- session.cpp - Calling the methods of a model -----------------------===//
//
// Allocates once, checks every call, walks the plan.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/model.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <sched.h>

using namespace rill::rt;

static constexpr uint64_t kAlign = 4096;

static uint64_t aligned(uint64_t bytes) {
  return (bytes + kAlign - 1) / kAlign * kAlign;
}

static int threadCount(const rill_session_options &options) {
  constexpr int kMaxThreads = 256;
  int threads = options.threads;
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

Result<std::unique_ptr<Session>>
Session::create(const Model &model, const rill_session_options &options) {
  if (options.device && std::strcmp(options.device, "auto") != 0 &&
      std::strcmp(options.device, "cpu") != 0) {
    return makeError(ErrorCode::NoDevice, options.device,
                     "this build has the devices auto and cpu");
  }
  auto session = std::make_unique<Session>();
  session->model = &model;
  const Manifest &manifest = model.manifest();
  uint64_t stateBytes = 0, arenaBytes = 0, scratchBytes = 0;
  size_t dispatches = 1;
  for (const StateInfo &state : manifest.states) {
    session->offsets.push_back(stateBytes);
    stateBytes += aligned(state.bytes);
  }
  for (const LoadedVariant &entry : model.variants()) {
    arenaBytes = std::max(arenaBytes, entry.plan.header.arena_bytes);
    scratchBytes = std::max(scratchBytes, entry.plan.header.scratch_bytes);
    dispatches = std::max(dispatches, entry.plan.dispatches.size());
  }
  RILL_ASSIGN(session->memory,
              Memory::allocate(stateBytes + aligned(arenaBytes),
                               "states and arena of the session"));
  session->states = session->memory.data();
  session->arena = session->memory.data() + stateBytes;
  RILL_ASSIGN(session->controlBlock,
              Memory::allocate(sizeof(rill_rt_control) +
                                   3 * sizeof(int64_t) * manifest.batch,
                               "control block"));
  session->control()->words[RILL_RT_CONTROL_BATCH] = manifest.batch;
  session->written.assign(manifest.batch, 0);
  for (const LoadedVariant &entry : model.variants()) {
    std::vector<void *> &list = session->pointers.emplace_back();
    for (const rill_rt_operand &operand : entry.plan.operands) {
      uint8_t *base = nullptr;
      if (operand.kind == RILL_RT_OPERAND_ARENA) {
        base = session->arena + operand.offset;
      } else if (operand.kind == RILL_RT_OPERAND_STATE) {
        base =
            session->states + session->offsets[operand.index] + operand.offset;
      } else if (operand.kind == RILL_RT_OPERAND_WEIGHT) {
        // Plans only read weights; the verifier has checked it.
        base = const_cast<uint8_t *>(static_cast<const uint8_t *>(
                   model.weights().data(operand.index))) +
               operand.offset;
      }
      list.push_back(base);
    }
    std::vector<CpuLaunch> &calls = session->launches.emplace_back();
    for (const rill_rt_dispatch &dispatch : entry.plan.dispatches) {
      calls.push_back({model.code().kernel(dispatch.kernel),
                       list.data() + dispatch.first_operand, 0});
    }
  }
  RILL_ASSIGN(session->workers,
              Workers::create(threadCount(options), scratchBytes, dispatches));
  return session;
}

uint64_t Session::bytes() const {
  return memory.bytes() + controlBlock.bytes() + workers->scratchBytes();
}

void Session::reset() {
  std::fill_n(start(), batch(), 0);
  std::fill(written.begin(), written.end(), 0);
}

Status Session::rollback(int64_t sequence, int64_t length) {
  if (sequence < 0 || sequence >= batch() || length < 0 ||
      length > start()[sequence]) {
    return makeError(ErrorCode::InputInvalid, "rollback",
                     format("sequence %lld of %lld to length %lld of %lld",
                            (long long)sequence, (long long)batch(),
                            (long long)length,
                            sequence >= 0 && sequence < batch()
                                ? (long long)start()[sequence]
                                : -1ll));
  }
  for (const StateInfo &state : model->manifest().states) {
    int64_t kept =
        state.rows && state.ring ? state.capacity() - state.history : 0;
    if (kept && length < written[sequence] - kept) {
      return makeError(ErrorCode::RollbackTooFar, "state " + state.name,
                       format("length %lld lies more than %lld rows before "
                              "the last row written, %lld",
                              (long long)length, (long long)kept,
                              (long long)written[sequence]),
                       "reset the session and feed the sequence again");
    }
  }
  start()[sequence] = length;
  return {};
}

static Error callError(const Method &method, const Signature &signature,
                       std::string why) {
  return makeError(ErrorCode::InputInvalid,
                   method.name + ", input " + signature.name, std::move(why));
}

static int32_t dtypeOf(ElementType type) {
  switch (type) {
  case ElementType::F32:
    return RILL_F32;
  case ElementType::BF16:
    return RILL_BF16;
  case ElementType::I64:
    return RILL_I64;
  case ElementType::F16:
    return RILL_F16;
  }
  return -1;
}

/// S, h and w from the input dimensions that are a single symbol.
Status Session::bindSymbols(const Method &method,
                            std::span<const rill_tensor> inputs,
                            Symbols &symbols) const {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Signature &signature = method.inputs[i];
    if (inputs[i].rank != static_cast<int32_t>(signature.shape.size())) {
      return callError(method, signature,
                       format("has rank %d but %zu is due", inputs[i].rank,
                              signature.shape.size()));
    }
    for (size_t d = 0; d < signature.shape.size(); ++d) {
      if (signature.shape[d].symbol >= 0) {
        symbols.values[signature.shape[d].symbol] = inputs[i].shape[d];
      }
    }
  }
  return {};
}

Status Session::checkInput(const Method &method, const Signature &signature,
                           const rill_tensor &tensor,
                           const Symbols &symbols) const {
  if (tensor.dtype != dtypeOf(signature.type)) {
    return callError(method, signature,
                     std::string("is not of type ") +
                         elementName(signature.type));
  }
  uint64_t bytes = elementBytes(signature.type);
  for (size_t d = 0; d < signature.shape.size(); ++d) {
    auto size = runProgram(signature.shape[d].program, symbols);
    if (!size || *size != tensor.shape[d] || *size < 1) {
      return callError(method, signature,
                       format("dimension %zu is %lld but %lld is due", d,
                              (long long)tensor.shape[d],
                              (long long)size.value_or(-1)));
    }
    bytes *= static_cast<uint64_t>(*size);
  }
  if (!tensor.data || tensor.bytes != bytes) {
    return callError(method, signature,
                     format("has %zu bytes but %llu are due", tensor.bytes,
                            (unsigned long long)bytes));
  }
  if (signature.limit > 0 && signature.type == ElementType::I64) {
    auto values = static_cast<const int64_t *>(tensor.data);
    for (uint64_t e = 0; e < bytes / sizeof(int64_t); ++e) {
      if (values[e] < 0 || values[e] >= signature.limit) {
        return callError(method, signature,
                         format("value %lld is outside 0..%lld",
                                (long long)values[e],
                                (long long)signature.limit - 1));
      }
    }
  }
  return {};
}

Result<size_t> Session::chooseVariant(const Method &method,
                                      const Symbols &symbols) const {
  const std::vector<LoadedVariant> &all = model->variants();
  for (size_t v = 0; v < all.size(); ++v) {
    if (all[v].method != &method) {
      continue;
    }
    bool fits = true;
    for (int i = 0; i < 3; ++i) {
      fits &= symbols.values[i] >= all[v].variant->min[i] &&
              symbols.values[i] <= all[v].variant->max[i] &&
              symbols.values[i] % all[v].variant->step[i] == 0;
    }
    int64_t patches = all[v].plan.header.max_patches;
    if (fits &&
        (!patches || symbols.values[1] * symbols.values[2] <= patches)) {
      return v;
    }
  }
  return makeError(ErrorCode::CallUnsupported, method.name,
                   format("no variant takes S = %lld, h = %lld, w = %lld",
                          (long long)symbols.values[0],
                          (long long)symbols.values[1],
                          (long long)symbols.values[2]),
                   "rill-inspect --plan shows the ranges");
}

Status Session::checkCapacity(const Method &method, int64_t rows) const {
  for (const StateInfo &state : model->manifest().states) {
    if (!state.rows || state.ring) {
      continue;
    }
    for (int64_t b = 0; b < batch(); ++b) {
      if (start()[b] + rows > state.capacity()) {
        return makeError(
            ErrorCode::ContextFull, method.name,
            format("%lld rows and %lld more exceed the %lld the states hold",
                   (long long)start()[b], (long long)rows,
                   (long long)state.capacity()),
            "shorten the input, or compile with a larger --max-seq-len");
      }
    }
  }
  return {};
}

Status Session::prepareOutputs(const Method &method, const Symbols &symbols,
                               std::span<rill_tensor> outputs) const {
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Signature &signature = method.outputs[i];
    uint64_t bytes = elementBytes(signature.type);
    outputs[i].rank = static_cast<int32_t>(signature.shape.size());
    outputs[i].dtype = dtypeOf(signature.type);
    for (size_t d = 0; d < signature.shape.size(); ++d) {
      int64_t size =
          runProgram(signature.shape[d].program, symbols).value_or(0);
      outputs[i].shape[d] = size;
      bytes *= static_cast<uint64_t>(size);
    }
    if (!outputs[i].data || outputs[i].bytes < bytes) {
      return makeError(ErrorCode::InputInvalid,
                       method.name + ", output " + signature.name,
                       format("has room for %zu bytes but %llu are due",
                              outputs[i].bytes, (unsigned long long)bytes));
    }
  }
  return {};
}

void Session::launch(size_t variant, const Symbols &symbols,
                     std::span<const rill_tensor> inputs,
                     std::span<rill_tensor> outputs) {
  const Plan &plan = model->variants()[variant].plan;
  std::vector<void *> &list = pointers[variant];
  for (size_t i = 0; i < plan.operands.size(); ++i) {
    const rill_rt_operand &operand = plan.operands[i];
    if (operand.kind == RILL_RT_OPERAND_INPUT) {
      list[i] = inputs[operand.index].data;
    } else if (operand.kind == RILL_RT_OPERAND_OUTPUT) {
      list[i] = outputs[operand.index].data;
    }
  }
  for (size_t d = 0; d < plan.dispatches.size(); ++d) {
    launches[variant][d].tiles = plan.tiles(d, symbols);
  }
  control()->words[RILL_RT_CONTROL_S] = symbols.values[0];
  control()->words[RILL_RT_CONTROL_H] = symbols.values[1];
  control()->words[RILL_RT_CONTROL_W] = symbols.values[2];
  workers->run(launches[variant], control());
}

Status Session::invoke(std::string_view name,
                       std::span<const rill_tensor> inputs,
                       std::span<rill_tensor> outputs) {
  const Method *method = model->manifest().method(name);
  if (!method) {
    return makeError(ErrorCode::InputInvalid, std::string(name),
                     "is no method of the model");
  }
  if (inputs.size() != method->inputs.size() ||
      outputs.size() != method->outputs.size()) {
    return makeError(ErrorCode::InputInvalid, method->name,
                     format("takes %zu inputs and %zu outputs but got %zu "
                            "and %zu",
                            method->inputs.size(), method->outputs.size(),
                            inputs.size(), outputs.size()));
  }
  Symbols symbols;
  RILL_TRY(bindSymbols(*method, inputs, symbols));
  RILL_ASSIGN(size_t variant, chooseVariant(*method, symbols));
  for (size_t i = 0; i < inputs.size(); ++i) {
    RILL_TRY(checkInput(*method, method->inputs[i], inputs[i], symbols));
  }
  RILL_TRY(prepareOutputs(*method, symbols, outputs));
  if (method->appends) {
    RILL_TRY(checkCapacity(*method, symbols.values[0]));
  }
  launch(variant, symbols, inputs, outputs);
  for (int64_t b = 0; method->appends && b < batch(); ++b) {
    start()[b] += symbols.values[0];
    written[b] = std::max(written[b], start()[b]);
  }
  return {};
}
