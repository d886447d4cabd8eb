//===- session_step.cpp - What a decode step is given and leaves ----------===//
//
// The control block's tokens, positions and sampling values, and the state of
// ids.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/model.h"

#include <algorithm>
#include <bit>

using namespace rill::rt;

Status Session::setDraw(const SamplingParams &sampling) {
  RILL_TRY(sampling.validate());
  RILL_TRY(settle());
  auto bits = [](double value) { return std::bit_cast<int64_t>(value); };
  int64_t *words = control()->words;
  words[RILL_RT_CONTROL_SEED] = std::bit_cast<int64_t>(sampling.seed);
  words[RILL_RT_CONTROL_TEMPERATURE] = bits(sampling.temperature);
  words[RILL_RT_CONTROL_TOP_K] = sampling.topK;
  words[RILL_RT_CONTROL_TOP_P] = bits(sampling.topP);
  words[RILL_RT_CONTROL_MIN_P] = bits(sampling.minP);
  words[RILL_RT_CONTROL_REPEAT_PENALTY] = bits(sampling.repeatPenalty);
  return {};
}

Status Session::checkSequence(const char *call, int64_t sequence) const {
  if (sequence >= 0 && sequence < batch()) {
    return {};
  }
  return makeError(ErrorCode::InputInvalid, call,
                   format("there is no sequence %lld of %lld",
                          (long long)sequence, (long long)batch()));
}

/// The limit of an integer input of a method; 0 when it has none.
static int64_t limitOf(const Manifest &manifest, const char *name,
                       size_t input) {
  const Method *method = manifest.method(name);
  return method && input < method->inputs.size() ? method->inputs[input].limit
                                                 : 0;
}

/// A token or position of a step; `limit` 0 allows every one.
static Status checkBelow(const char *what, int64_t value, int64_t limit) {
  if (value >= 0 && (limit == 0 || value < limit)) {
    return {};
  }
  return makeError(ErrorCode::InputInvalid, what,
                   format("%lld is outside 0..%lld", (long long)value,
                          (long long)(limit ? limit : INT64_MAX) - 1),
                   "set it by rill_session_set_next");
}

Status Session::checkToken(int64_t token) const {
  return checkBelow("next token", token,
                    limitOf(model->manifest(), "token_embedding", 0));
}

Status Session::setNext(int64_t sequence, int64_t token, int64_t position) {
  RILL_TRY(checkSequence("rill_session_set_next", sequence));
  RILL_TRY(checkToken(token));
  RILL_TRY(checkBelow("next position", position,
                      limitOf(model->manifest(), "text_decoder", 1)));
  if (tokens()[sequence] == token && positions()[sequence] == position) {
    return {};
  }
  RILL_TRY(settle());
  tokens()[sequence] = token;
  positions()[sequence] = position;
  return {};
}

Status Session::checkNext(const Method &method) const {
  for (int64_t b = 0; method.commits && b < batch(); ++b) {
    RILL_TRY(checkBelow("next position", positions()[b],
                        limitOf(model->manifest(), "text_decoder", 1)));
  }
  return {};
}

Status Session::setIds(int64_t sequence, int64_t first,
                       std::span<const int64_t> ids) {
  constexpr const char *kCall = "rill_session_set_ids";
  RILL_TRY(checkSequence(kCall, sequence));
  const std::vector<StateInfo> &list = model->manifest().states;
  auto state = std::find_if(list.begin(), list.end(), [](const StateInfo &s) {
    return s.name == "ids" && s.rows && !s.ring && s.type == ElementType::I64 &&
           s.shape.size() == 2;
  });
  if (state == list.end()) {
    return makeError(ErrorCode::CallUnsupported, kCall,
                     "the model keeps no ids");
  }
  int64_t capacity = state->capacity();
  if (first < 0 || ids.size() > static_cast<size_t>(capacity) ||
      first > capacity - static_cast<int64_t>(ids.size())) {
    return makeError(ErrorCode::InputInvalid, kCall,
                     format("rows %lld and %zu more exceed the %lld the state "
                            "holds",
                            (long long)first, ids.size(), (long long)capacity));
  }
  RILL_TRY(settle());
  uint8_t *to = states + layout.stateOffsets[state - list.begin()] +
                (sequence * capacity + first) * sizeof(int64_t);
  Transfer transfer = {to, const_cast<int64_t *>(ids.data()), ids.size_bytes()};
  return ids.empty() ? Status() : queue->write({&transfer, 1});
}

bool Session::roomBehindStep() const {
  int64_t limit = limitOf(model->manifest(), "text_decoder", 1);
  int64_t position = *std::max_element(positions(), positions() + batch());
  return (limit == 0 || position + 1 < limit) &&
         longest() + 2 <= layout.rows.value_or(INT64_MAX);
}

Status Session::step(const Call &call) {
  if (!ahead) {
    RILL_TRY(queue->begin(call, false));
  }
  ahead.reset();
  Status next;
  if (queue->runsAhead() && roomBehindStep()) {
    next = queue->begin(call, true);
    if (next.ok()) {
      ahead = call.variant;
    }
  }
  Status done = queue->end(call);
  Status first = done.ok() ? std::move(next) : std::move(done);
  if (!first.ok()) {
    (void)settle(); // the first error is the one to tell
  }
  return first;
}

Status Session::settle() {
  if (!ahead) {
    return {};
  }
  ahead.reset();
  for (int64_t b = 0; b < batch(); ++b) {
    written[b] = std::max(written[b], start()[b] + 1);
  }
  return queue->end(Call());
}

void Session::advance(const Method &method, int64_t rows,
                      std::span<const rill_tensor> outputs) {
  for (int64_t b = 0; method.appends && b < batch(); ++b) {
    start()[b] += rows;
    written[b] = std::max(written[b], start()[b]);
  }
  if (!method.commits) {
    return;
  }
  ++control()->words[RILL_RT_CONTROL_STEP];
  for (int64_t b = 0; b < batch(); ++b) {
    tokens()[b] = static_cast<const int64_t *>(outputs[0].data)[b];
    ++positions()[b];
  }
}
