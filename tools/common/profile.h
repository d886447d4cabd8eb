//===- profile.h - Where the time of a session goes -------------*- C++ -*-===//
//
// Per-op table and Chrome trace from what a session tells (rill_profiler).
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TOOLS_COMMON_PROFILE_H
#define RILL_TOOLS_COMMON_PROFILE_H

#include "rill.h"
#include "runtime/formats/status.h"

#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace rill::tools {

/// What a machine can do at most, per second; 0: not measured.
struct Ceilings {
  double read = 0, flops = 0;
};

/// Sums over dispatches.
struct OpSums {
  int64_t calls = 0;
  double seconds = 0, bytes = 0, activationBytes = 0, flops = 0;
};

/// Calls of one method.
struct MethodSums {
  int64_t calls = 0;
  double seconds = 0;          ///< of whole calls
  int64_t dispatches = 0;      ///< of all calls
  double kernelSeconds = 0;    ///< in dispatches
  double bytes = 0, flops = 0; ///< of weights and states; of products
};

/// Collects while a session runs. The session's strings are kept by address:
/// print before it goes.
class Profile {
public:
  /// With `events` every call and dispatch is kept for the trace.
  explicit Profile(bool events = false) : keepsEvents(events) {}
  Profile(const Profile &) = delete;
  Profile &operator=(const Profile &) = delete;

  /// Listens to a session from now on; this must outlive it, or stop. Without
  /// `dispatches` to calls alone, which then run as they always do.
  rt::Status listen(rill_session *session, bool dispatches = true);
  static rt::Status stop(rill_session *session);
  /// A range of the host beside its calls: row 0 loading, 1 tokens.
  void addRange(int row, std::string name, double begin, double end);

  const std::map<std::string, MethodSums> &methods() const { return perMethod; }
  /// Markdown: methods, then one line per method, layer and kernel, the
  /// longest first; with ceilings the share of the nearer one.
  std::string table(const Ceilings &ceilings = {}) const;
  /// Chrome's trace event format (JSON); `device` names the row of dispatches.
  std::string trace(const std::string &device) const;
  /// Events that were too many to keep.
  size_t dropped() const { return lost; }

private:
  struct Event {
    std::string name;
    double begin, end;
    int row;
    rill_dispatch dispatch; ///< size 0: none
  };

  static void begin(void *self, const char *method);
  static void end(void *self, const char *method);
  static void dispatch(void *self, const char *method,
                       const rill_dispatch *dispatch);
  void keep(Event event);

  bool keepsEvents;
  size_t lost = 0;
  double callBegin = 0;
  std::map<std::string, MethodSums> perMethod;
  /// Method, layer, kernel.
  std::map<std::tuple<std::string, std::string, std::string>, OpSums> perOp;
  std::vector<Event> events;
};

} // namespace rill::tools

#endif
