//===- profile.cpp - Where the time of a session goes ---------------------===//
//
// Sums and events; Markdown and JSON.
//
//===----------------------------------------------------------------------===//
#include "tools/common/profile.h"

#include "tools/common/nvtx.h"

#include "runtime/core/c_helpers.h"
#include "runtime/core/clock.h"
#include "runtime/formats/json.h"

#include <algorithm>

using namespace rill;
using namespace rill::tools;
using rt::format;
using rt::JsonValue;

/// Rows of the trace: threads of two processes, host and device.
namespace {
enum Row { kLoad = 0, kTokens = 1, kCalls = 2, kDispatches = 3 };
constexpr const char *kRowNames[] = {"load", "tokens", "methods", "dispatches"};
constexpr size_t kMaxEvents = size_t(1) << 20;
} // namespace

rt::Status Profile::listen(rill_session *session, bool dispatches) {
  rill_profiler profiler = {sizeof(rill_profiler), this, begin, end,
                            dispatches ? dispatch : nullptr};
  return rt::statusFromC(rill_session_set_profiler(session, &profiler));
}

rt::Status Profile::stop(rill_session *session) {
  return rt::statusFromC(rill_session_set_profiler(session, nullptr));
}

void Profile::keep(Event event) {
  if (!keepsEvents) {
    return;
  }
  if (events.size() == kMaxEvents) {
    ++lost;
    return;
  }
  events.push_back(std::move(event));
}

void Profile::addRange(int row, std::string name, double begin, double end) {
  keep({std::move(name), begin, end, row, {}});
}

void Profile::begin(void *self, const char *method) {
  Nvtx::push(method);
  static_cast<Profile *>(self)->callBegin = rt::steadySeconds();
}

void Profile::end(void *self, const char *method) {
  auto &profile = *static_cast<Profile *>(self);
  double now = rt::steadySeconds();
  Nvtx::pop();
  MethodSums &sums = profile.perMethod[method];
  ++sums.calls;
  sums.seconds += now - profile.callBegin;
  profile.keep({method, profile.callBegin, now, kCalls, {}});
}

void Profile::dispatch(void *self, const char *method,
                       const rill_dispatch *dispatch) {
  auto &profile = *static_cast<Profile *>(self);
  double seconds = dispatch->end - dispatch->begin;
  auto bytes = static_cast<double>(dispatch->bytes);
  auto flops = static_cast<double>(dispatch->flops);
  MethodSums &sums = profile.perMethod[method];
  ++sums.dispatches;
  sums.kernelSeconds += seconds;
  sums.bytes += bytes;
  sums.flops += flops;
  OpSums &op = profile.perOp[{method, dispatch->layer, dispatch->kernel}];
  ++op.calls;
  op.seconds += seconds;
  op.bytes += bytes;
  op.activationBytes += static_cast<double>(dispatch->activation_bytes);
  op.flops += flops;
  if (profile.keepsEvents) {
    const char *name = *dispatch->layer ? dispatch->layer : dispatch->kernel;
    profile.keep(
        {name, dispatch->begin, dispatch->end, kDispatches, *dispatch});
  }
}

/// The time that the nearer ceiling allows, of the time taken.
static double shareOf(const OpSums &op, const Ceilings &ceilings) {
  double floor = std::max(op.bytes / ceilings.read, op.flops / ceilings.flops);
  return op.seconds > 0 ? floor / op.seconds : 0;
}

std::string Profile::table(const Ceilings &ceilings) const {
  std::string text = "| method | calls | ms | dispatches | ms in them | ms "
                     "outside |\n|---|---|---|---|---|---|\n";
  double total = 0;
  for (const auto &[name, sums] : perMethod) {
    total += sums.kernelSeconds;
    text += format("| %s | %lld | %.3f | %lld | %.3f | %.3f |\n", name.c_str(),
                   (long long)sums.calls, 1e3 * sums.seconds,
                   (long long)sums.dispatches, 1e3 * sums.kernelSeconds,
                   1e3 * (sums.seconds - sums.kernelSeconds));
  }
  using Line = decltype(perOp)::const_iterator;
  std::vector<Line> lines;
  for (auto line = perOp.begin(); line != perOp.end(); ++line) {
    lines.push_back(line);
  }
  std::sort(lines.begin(), lines.end(), [](Line a, Line b) {
    return std::tie(b->second.seconds, a->first) <
           std::tie(a->second.seconds, b->first);
  });
  bool measured = ceilings.read > 0 && ceilings.flops > 0;
  text += "\n| method | layer | kernel | calls | ms | % | MB | MB of "
          "activations | GFLOP | GB/s | GFLOP/s |";
  text += measured ? " % of ceiling |\n" : "\n";
  text += "|---|---|---|---|---|---|---|---|---|---|---|";
  text += measured ? "---|\n" : "\n";
  for (Line line : lines) {
    const auto &[method, layer, kernel] = line->first;
    const OpSums &op = line->second;
    double seconds = std::max(op.seconds, 1e-12);
    text += format("| %s | %s | %s | %lld | %.3f | %.1f | %.3f | %.3f | %.4f | "
                   "%.2f | %.2f |",
                   method.c_str(), layer.c_str(), kernel.c_str(),
                   (long long)op.calls, 1e3 * op.seconds,
                   total > 0 ? 100 * op.seconds / total : 0, op.bytes / 1e6,
                   op.activationBytes / 1e6, op.flops / 1e9,
                   op.bytes / seconds / 1e9, op.flops / seconds / 1e9);
    text += measured ? format(" %.0f |\n", 100 * shareOf(op, ceilings)) : "\n";
  }
  return text;
}

/// {"name": ..., "ph": "M"}: the name of a process or of one of its threads.
static JsonValue nameEvent(const char *what, int pid, int tid,
                           const std::string &name) {
  return JsonValue::Object{{"name", what},
                           {"ph", "M"},
                           {"pid", pid},
                           {"tid", tid},
                           {"args", JsonValue::Object{{"name", name}}}};
}

std::string Profile::trace(const std::string &device) const {
  constexpr int kHost = 1, kDevice = 2;
  JsonValue::Array list;
  list.push_back(nameEvent("process_name", kHost, 0, "host"));
  list.push_back(nameEvent("process_name", kDevice, 0, device));
  for (int row : {kLoad, kTokens, kCalls, kDispatches}) {
    list.push_back(nameEvent("thread_name",
                             row == kDispatches ? kDevice : kHost, row,
                             kRowNames[row]));
  }
  double first = events.empty() ? 0 : events[0].begin;
  for (const Event &event : events) {
    first = std::min(first, event.begin);
  }
  for (const Event &event : events) {
    const rill_dispatch &op = event.dispatch;
    JsonValue::Object entry{{"name", event.name},
                            {"cat", kRowNames[event.row]},
                            {"ph", "X"},
                            {"ts", 1e6 * (event.begin - first)},
                            {"dur", 1e6 * (event.end - event.begin)},
                            {"pid", event.row == kDispatches ? kDevice : kHost},
                            {"tid", event.row}};
    if (op.size) {
      entry.push_back({"args", JsonValue::Object{
                                   {"kernel", op.kernel},
                                   {"tiles", op.tiles},
                                   {"bytes", static_cast<int64_t>(op.bytes)},
                                   {"activation_bytes",
                                    static_cast<int64_t>(op.activation_bytes)},
                                   {"flops", static_cast<int64_t>(op.flops)}}});
    }
    list.push_back(std::move(entry));
  }
  return rt::writeJson(JsonValue::Object{{"traceEvents", std::move(list)},
                                         {"displayTimeUnit", "ms"}}) +
         "\n";
}
