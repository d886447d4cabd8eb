//===- observe.cpp - Looking at a run -------------------------------------===//
//
// Ranges of loading and tokens; table and trace at the end.
//
//===----------------------------------------------------------------------===//
#include "tools/rill-run/observe.h"

#include "tools/common/nvtx.h"

#include "runtime/core/c_helpers.h"
#include "runtime/core/clock.h"

#include <cstdio>

using namespace rill;
using namespace rill::tools;

static constexpr int kLoadRow = 0, kTokenRow = 1;

rt::Result<std::unique_ptr<Observer>>
Observer::create(const ObserveFlags &flags) {
  std::unique_ptr<Observer> observer(new Observer(flags));
  if (!flags.trace.empty()) {
    RILL_ASSIGN(rt::FileWriter file, rt::FileWriter::create(flags.trace));
    observer->file.emplace(std::move(file));
  }
  auto attached = Nvtx::attach();
  if (!attached.ok() && flags.nvtx) {
    return attached.takeStatus();
  }
  observer->attached = attached.ok() && *attached == Nvtx::Attached::Yes;
  if (flags.nvtx && !observer->attached) {
    std::fprintf(stderr, "--nvtx: no tool listens (NVTX_INJECTION64_PATH is "
                         "not set); run under one, as nsys profile\n");
  }
  observer->since = rt::steadySeconds();
  Nvtx::push("load");
  return observer;
}

rt::Status Observer::loaded(rill_session *session) {
  Nvtx::pop();
  profile.addRange(kLoadRow, "load", since, rt::steadySeconds());
  bool dispatches = flags.profileOps || file;
  return dispatches || attached ? profile.listen(session, dispatches)
                                : rt::Status();
}

Observer::Answer::Answer(Observer &observer) : observer(observer) {
  observer.since = rt::steadySeconds();
  Nvtx::push("prompt and token 0");
}

Observer::Answer::~Answer() { Nvtx::pop(); }

/// The range that ends is the token's; the next one's has begun.
void Observer::Answer::token(int64_t id) {
  double now = rt::steadySeconds();
  std::string what = tokens ? rt::format("token %lld", (long long)tokens)
                            : "prompt and token 0";
  observer.profile.addRange(
      kTokenRow, rt::format("%s: id %lld", what.c_str(), (long long)id),
      observer.since, now);
  observer.since = now;
  ++tokens;
  Nvtx::pop();
  Nvtx::push(rt::format("token %lld", (long long)tokens).c_str());
}

rt::Status Observer::finish(const rill_model *model) {
  if (flags.profileOps) {
    std::fprintf(stderr, "%s", profile.table().c_str());
  }
  if (!file) {
    return {};
  }
  if (profile.dropped()) {
    std::fprintf(stderr, "the trace leaves out the last %zu events\n",
                 profile.dropped());
  }
  rill_memory_plan plan = {};
  plan.size = sizeof(plan);
  RILL_TRY(rt::statusFromC(rill_plan_bytes(model, nullptr, &plan)));
  std::string text = profile.trace(plan.target);
  RILL_TRY(file->write(text.data(), text.size()));
  return file->commit();
}
