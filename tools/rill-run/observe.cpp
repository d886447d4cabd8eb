//===- observe.cpp - Looking at a run -------------------------------------===//
//
// Ranges of loading and tokens; table and trace at the end.
//
//===----------------------------------------------------------------------===//
#include "tools/rill-run/observe.h"

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
  observer->since = rt::steadySeconds();
  return observer;
}

rt::Status Observer::loaded(rill_session *session) {
  profile.addRange(kLoadRow, "load", since, rt::steadySeconds());
  return flags.profileOps || file ? profile.listen(session) : rt::Status();
}

void Observer::beginAnswer() {
  since = rt::steadySeconds();
  tokens = 0;
}

void Observer::token(int64_t id) {
  double now = rt::steadySeconds();
  std::string what = tokens ? rt::format("token %lld", (long long)tokens)
                            : "prompt and token 0";
  profile.addRange(kTokenRow,
                   rt::format("%s: id %lld", what.c_str(), (long long)id),
                   since, now);
  since = now;
  ++tokens;
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
