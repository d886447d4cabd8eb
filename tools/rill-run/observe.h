//===- observe.h - Looking at a run ------------------------------*- C++
//-*-===//
//
// rill-run --profile-ops, --trace and --nvtx.
//
//===----------------------------------------------------------------------===//
#ifndef RILL_TOOLS_RILL_RUN_OBSERVE_H
#define RILL_TOOLS_RILL_RUN_OBSERVE_H

#include "tools/common/profile.h"

#include "runtime/formats/file_writer.h"

#include <memory>
#include <optional>

namespace rill::tools {

struct ObserveFlags {
  bool profileOps = false, nvtx = false;
  std::string trace;
};

/// What the flags ask for, from loading to the last token. Does nothing when
/// they ask for nothing; but a tool that injects itself is told of ranges
/// without being asked for. Must outlive the session it listens to.
class Observer {
public:
  /// Opens the trace file, so that one that cannot be written is known before
  /// the run, and attaches the tool. Errors: WriteFailed, ToolUnusable.
  static rt::Result<std::unique_ptr<Observer>>
  create(const ObserveFlags &flags);

  /// The model is open and has its session.
  rt::Status loaded(rill_session *session);
  /// An answer, while it lives: its prompt and tokens.
  class Answer {
  public:
    explicit Answer(Observer &observer);
    ~Answer();
    Answer(const Answer &) = delete;
    Answer &operator=(const Answer &) = delete;
    /// It has drawn a token.
    void token(int64_t id);

  private:
    Observer &observer;
    int64_t tokens = 0;
  };
  /// Prints the table on standard error and writes the trace.
  rt::Status finish(const rill_model *model);

private:
  explicit Observer(const ObserveFlags &flags)
      : flags(flags), profile(!flags.trace.empty()) {}

  ObserveFlags flags;
  Profile profile;
  std::optional<rt::FileWriter> file;
  double since = 0;      ///< begin of the range under way
  bool attached = false; ///< a tool is told of ranges
};

} // namespace rill::tools

#endif
