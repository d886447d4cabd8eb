//===- session.cpp - Calling the methods of a model -----------------------===//
//
// Allocates once, checks every call, walks the plan.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/model.h"

#include <algorithm>
#include <cstring>

using namespace rill::rt;

/// States, arena and, for a device with memory of its own, room for inputs and
/// outputs.
Status Session::allocate() {
  RILL_ASSIGN(void *memory,
              queue->allocate(layout.stateBytes + layout.arenaBytes,
                              "states and arena of the session"));
  states = static_cast<uint8_t *>(memory);
  arena = states + layout.stateBytes;
  if (!model->device()->usesHostMemory()) {
    const QueueNeeds &needs = layout.needs;
    RILL_ASSIGN(void *staging,
                queue->allocate(needs.inputBytes + needs.outputBytes,
                                "inputs and outputs of the session"));
    inputStaging = static_cast<uint8_t *>(staging);
    outputStaging = inputStaging + needs.inputBytes;
  }
  return {};
}

Status Session::bindVariant(size_t variant) {
  const LoadedVariant &entry = model->variants()[variant];
  std::vector<void *> &list = pointers.emplace_back();
  for (const rill_rt_operand &operand : entry.plan.operands) {
    uint8_t *base = nullptr;
    if (operand.kind == RILL_RT_OPERAND_ARENA) {
      base = arena + operand.offset;
    } else if (operand.kind == RILL_RT_OPERAND_STATE) {
      base = states + layout.stateOffsets[operand.index] + operand.offset;
    } else if (operand.kind == RILL_RT_OPERAND_WEIGHT ||
               operand.kind == RILL_RT_OPERAND_PACKED) {
      // Plans only read weights; the verifier has checked it.
      const Device &device = *model->device();
      const void *weight = operand.kind == RILL_RT_OPERAND_WEIGHT
                               ? device.weight(operand.index)
                               : device.packed(operand.index);
      base =
          static_cast<uint8_t *>(const_cast<void *>(weight)) + operand.offset;
    }
    list.push_back(base);
  }
  std::vector<Launch> &calls = launches.emplace_back();
  std::vector<MapOperand> &boxes = maps.emplace_back();
  // Launches point into it.
  boxes.reserve(entry.plan.operands.size());
  for (const rill_rt_dispatch &dispatch : entry.plan.dispatches) {
    size_t first = boxes.size();
    for (uint32_t i = 0; i < dispatch.operand_count; ++i) {
      const rill_rt_operand &operand =
          entry.plan.operands[dispatch.first_operand + i];
      if (operand.map_width) {
        boxes.push_back({i, &operand, 0});
      }
    }
    calls.push_back({dispatch.kernel, list.data() + dispatch.first_operand,
                     dispatch.operand_count, std::span(boxes).subspan(first),
                     0});
  }
  return prepare(variant);
}

/// Calls of few rows come once per token: the queue sees each of them now.
Status Session::prepare(size_t variant) {
  constexpr int64_t kFewRows = 16;
  const LoadedVariant &entry = model->variants()[variant];
  const rill_rt_plan &plan = entry.plan.header;
  if (model->device()->usesHostMemory() || plan.max_patches ||
      plan.symbol_max[0] > kFewRows) {
    return {};
  }
  const Method &method = *entry.method;
  std::vector<rill_tensor> inputs(method.inputs.size()),
      outputs(method.outputs.size());
  for (int64_t rows = plan.symbol_min[0]; rows <= plan.symbol_max[0]; ++rows) {
    RILL_TRY(
        queue->prepare(makeCall(variant, {{rows, 1, 1}}, inputs, outputs)));
  }
  return {};
}

Status rill::rt::checkDeviceName(const Device &device, const char *name) {
  if (!name || std::strcmp(name, "auto") == 0 ||
      std::strcmp(name, device.name()) == 0 || device.target() == name) {
    return {};
  }
  return makeError(ErrorCode::NoDevice, name,
                   std::string("the model was opened for the device ") +
                       device.name(),
                   "name the device in the options of rill_open");
}

Result<std::unique_ptr<Session>>
Session::create(const Model &model, const rill_session_options &options) {
  RILL_TRY(checkDeviceName(*model.device(), options.device));
  auto session = std::make_unique<Session>();
  session->model = &model;
  int64_t batch = model.manifest().batch;
  session->layout =
      SessionLayout::of(model, model.device()->target(), options.threads);
  const QueueNeeds &needs = session->layout.needs;
  RILL_ASSIGN(session->controlBlock,
              Memory::allocate(needs.controlBytes, "control block"));
  session->control()->words[RILL_RT_CONTROL_BATCH] = batch;
  session->written.assign(batch, 0);
  session->before.assign(3 * batch, 0);
  RILL_TRY(session->setDraw({}));
  size_t tensors = 0;
  for (const Method &method : model.manifest().methods) {
    tensors = std::max({tensors, method.inputs.size(), method.outputs.size()});
  }
  for (auto *list : {&session->inputAddresses, &session->outputAddresses}) {
    list->reserve(tensors);
  }
  for (auto *list : {&session->inputTransfers, &session->outputTransfers}) {
    list->reserve(tensors);
  }
  RILL_ASSIGN(session->queue, model.device()->queue(needs));
  RILL_TRY(session->allocate());
  for (size_t v = 0; v < model.variants().size(); ++v) {
    RILL_TRY(session->bindVariant(v));
  }
  return session;
}

uint64_t Session::bytes() const {
  return queue->bytes() + controlBlock.bytes();
}

Status Session::reset() {
  RILL_TRY(settle());
  std::fill_n(start(), batch(), 0);
  std::fill(written.begin(), written.end(), 0);
  control()->words[RILL_RT_CONTROL_STEP] = 0;
  return {};
}

Status Session::rollback(int64_t sequence, int64_t length) {
  RILL_TRY(settle());
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
  if (longest() + rows <= layout.rows.value_or(INT64_MAX)) {
    return {};
  }
  return makeError(
      ErrorCode::ContextFull, method.name,
      format("%lld rows and %lld more exceed the %lld the states hold",
             (long long)longest(), (long long)rows, (long long)*layout.rows),
      "shorten the input, or compile with a larger --max-seq-len");
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

void Session::place(std::span<const rill_tensor> tensors,
                    std::span<const Signature> signatures,
                    const Symbols &symbols, uint8_t *staging,
                    std::vector<void *> &addresses,
                    std::vector<Transfer> &transfers) const {
  addresses.clear();
  transfers.clear();
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!staging) {
      addresses.push_back(tensors[i].data);
      continue;
    }
    uint64_t bytes = signatureBytes(signatures[i], symbols).value_or(0);
    addresses.push_back(staging);
    transfers.push_back({staging, tensors[i].data, bytes});
    staging += alignedToPage(bytes);
  }
}

Call Session::makeCall(size_t variant, const Symbols &symbols,
                       std::span<const rill_tensor> inputs,
                       std::span<const rill_tensor> outputs) {
  const LoadedVariant &entry = model->variants()[variant];
  const Plan &plan = entry.plan;
  place(inputs, entry.method->inputs, symbols, inputStaging, inputAddresses,
        inputTransfers);
  place(outputs, entry.method->outputs, symbols, outputStaging, outputAddresses,
        outputTransfers);
  std::vector<void *> &list = pointers[variant];
  for (size_t i = 0; i < plan.operands.size(); ++i) {
    const rill_rt_operand &operand = plan.operands[i];
    if (operand.kind == RILL_RT_OPERAND_INPUT) {
      list[i] = inputAddresses[operand.index];
    } else if (operand.kind == RILL_RT_OPERAND_OUTPUT) {
      list[i] = outputAddresses[operand.index];
    }
  }
  for (size_t d = 0; d < plan.dispatches.size(); ++d) {
    launches[variant][d].tiles = plan.tiles(d, symbols);
  }
  for (MapOperand &map : maps[variant]) {
    map.rows = plan.mapRows(*map.record, symbols);
  }
  control()->words[RILL_RT_CONTROL_S] = symbols.values[0];
  control()->words[RILL_RT_CONTROL_H] = symbols.values[1];
  control()->words[RILL_RT_CONTROL_W] = symbols.values[2];
  return {variant,        symbols,         launches[variant],    control(),
          inputTransfers, outputTransfers, entry.method->commits};
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
  if (profiler.begin) {
    profiler.begin(profiler.user, method->name.c_str());
  }
  Status done = callMethod(*method, inputs, outputs);
  if (profiler.end) {
    profiler.end(profiler.user, method->name.c_str());
  }
  return done;
}

Status Session::callMethod(const Method &method,
                           std::span<const rill_tensor> inputs,
                           std::span<rill_tensor> outputs) {
  Symbols symbols;
  RILL_TRY(bindSymbols(method, inputs, symbols));
  RILL_ASSIGN(size_t variant, chooseVariant(method, symbols));
  if (ahead != variant) {
    RILL_TRY(settle());
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    RILL_TRY(checkInput(method, method.inputs[i], inputs[i], symbols));
  }
  RILL_TRY(prepareOutputs(method, symbols, outputs));
  if (method.appends) {
    RILL_TRY(checkCapacity(method, symbols.values[0]));
  }
  RILL_TRY(checkNext(method));
  std::copy_n(start(), before.size(), before.begin());
  int64_t steps = control()->words[RILL_RT_CONTROL_STEP];
  Call call = makeCall(variant, symbols, inputs, outputs);
  Status done = profiler.dispatch ? queue->runTimed(call, times)
                : method.commits  ? step(call)
                                  : queue->run(call);
  std::copy(before.begin(), before.end(), start());
  control()->words[RILL_RT_CONTROL_STEP] = steps;
  RILL_TRY(std::move(done));
  if (profiler.dispatch) {
    tellDispatches(call);
  }
  advance(method, symbols.values[0], outputs);
  return {};
}
