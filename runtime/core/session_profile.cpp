//===- session_profile.cpp - What a session tells of its dispatches -------===//
//
// rill_session_set_profiler.
//
//===----------------------------------------------------------------------===//
#include "runtime/core/model.h"

#include <numeric>

using namespace rill::rt;

/// One note per dispatch.
static Status checkNotes(const Model &model, const DispatchNotes &notes) {
  for (const LoadedVariant &entry : model.variants()) {
    const auto *list = notes.plan(entry.variant->plan);
    if (list && list->size() != entry.plan.dispatches.size()) {
      return makeError(ErrorCode::PlanInvalid,
                       model.artifact().name() + ", dispatches of " +
                           entry.method->name + " for " + entry.variant->target,
                       format("are %zu, but the plan has %zu", list->size(),
                              entry.plan.dispatches.size()),
                       "the file is damaged; compile it anew");
    }
  }
  return {};
}

Status Session::setProfiler(const rill_profiler &given) {
  RILL_TRY(settle());
  if (given.dispatch && !notes) {
    RILL_ASSIGN(DispatchNotes read, DispatchNotes::read(model->artifact()));
    RILL_TRY(checkNotes(*model, read));
    RILL_TRY(queue->prepareTiming());
    times.resize(layout.needs.launches);
    notes = std::move(read);
  }
  profiler = given;
  return {};
}

/// Bytes of a dispatch's operands that are neither weights nor states.
static uint64_t activationBytes(const Plan &plan,
                                const rill_rt_dispatch &dispatch,
                                const Symbols &symbols) {
  uint64_t bytes = 0;
  for (const rill_rt_operand &operand :
       plan.operands.subspan(dispatch.first_operand, dispatch.operand_count)) {
    if (operand.kind == RILL_RT_OPERAND_ARENA ||
        operand.kind == RILL_RT_OPERAND_INPUT ||
        operand.kind == RILL_RT_OPERAND_OUTPUT) {
      auto size = runProgram(
          plan.program(operand.bytes_first, operand.bytes_length), symbols);
      bytes += static_cast<uint64_t>(size.value_or(0));
    }
  }
  return bytes;
}

void Session::tellDispatches(const Call &call) const {
  const LoadedVariant &entry = model->variants()[call.variant];
  const std::vector<DispatchNote> *plan = notes->plan(entry.variant->plan);
  const TargetInfo *target = nullptr;
  for (const TargetInfo &info : model->manifest().targets) {
    target = info.arch == entry.variant->target ? &info : target;
  }
  // Rows in front of the call: it has not advanced them yet.
  int64_t cached = std::accumulate(start(), start() + batch(), int64_t(0));
  for (size_t d = 0; d < call.launches.size(); ++d) {
    const rill_rt_dispatch &record = entry.plan.dispatches[d];
    rill_dispatch told = {};
    told.size = sizeof(told);
    told.kernel = target->kernels[record.kernel].c_str();
    told.begin = times[d].begin;
    told.end = times[d].end;
    told.tiles = call.launches[d].tiles;
    told.activation_bytes = activationBytes(entry.plan, record, call.symbols);
    told.layer = "";
    if (plan) {
      const DispatchNote &note = (*plan)[d];
      told.layer = notes->layer(note).c_str();
      told.bytes = notes->bytes(note, call.symbols, cached);
      told.flops = notes->flops(note, call.symbols, cached);
    }
    profiler.dispatch(profiler.user, entry.method->name.c_str(), &told);
  }
}
